"""Configuration files: found, read, validated, combined with the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.config import find_config, load_config
from autograd_lint.errors import ConfigError
from autograd_lint.finding import Severity
from autograd_lint.rule import all_rules
from autograd_lint.selectors import Layer, selected_codes
from autograd_lint.settings import ConfirmSettings, Options, Settings, resolve_settings

DEFAULT = {rule.code for rule in all_rules() if rule.default}
Write = Callable[..., Path]


@pytest.fixture
def write(project: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


def settings(*paths: str, **options: object) -> Settings:
    rules = options.pop("rules", Layer())
    return resolve_settings(paths or (".",), Options(rules=rules, **options))  # type: ignore[arg-type]


def test_without_a_file(project: Path) -> None:
    found = settings(isolated=True)
    assert found.codes == DEFAULT
    assert (found.output_format, found.fail_level, found.config_path) == ("full", Severity.WARNING, "")


def test_every_key(write: Write) -> None:
    path = write(
        "pyproject.toml",
        """
        [tool.autograd-lint]
        select = ["AGL1"]
        extend-select = ["retain-graph"]
        ignore = ["AGL103"]
        exclude = ["a"]
        extend-exclude = ["b"]
        respect-gitignore = false
        output-format = "concise"
        fail-level = "error"
        baseline = "b.json"
        cache-dir = "c"
        [tool.autograd-lint.per-file-ignores]
        "tests/*" = ["AGL1", "AGL201"]
        [tool.autograd-lint.confirm]
        python = "python3"
        timeout = 2.5
        memory = 1024
        jobs = 2
        """,
    )
    found = settings()
    assert found.config_path == str(path)
    assert found.root == str(path.parent)
    assert {"AGL101", "AGL105", "AGL201"} <= found.codes
    assert not {"AGL103", "AGL202"} & found.codes
    assert found.search.exclude == ("a", "b")
    assert not found.search.respect_gitignore
    assert (found.output_format, found.fail_level) == ("concise", Severity.ERROR)
    assert found.without_effect == ("baseline", "cache-dir")
    assert found.confirm == ConfirmSettings(python="python3", timeout=2.5, memory=1024, jobs=2)
    assert not {"AGL101", "AGL201"} & found.codes_for(str(path.parent / "tests" / "deep" / "x.py"))
    assert "AGL101" in found.codes_for(str(path.parent / "src" / "x.py"))


def test_nearest_file_with_our_table_wins(write: Write) -> None:
    outer = write("pyproject.toml", '[tool.autograd-lint]\nignore = ["AGL103"]\n')
    write("a/pyproject.toml", "[tool.other]\nx = 1\n")
    inner = write("b/autograd-lint.toml", 'ignore = ["AGL101"]\n')
    write("b/pyproject.toml", '[tool.autograd-lint]\nignore = ["AGL201"]\n')
    assert settings("a").config_path == str(outer)
    assert settings("b").config_path == str(inner)
    assert settings("a", "b").config_path == str(outer)
    assert settings("-", stdin_filename="b/x.py").config_path == str(inner)
    assert settings("b/missing.py").config_path == str(inner)


def test_config_option_and_isolated(write: Write) -> None:
    write("pyproject.toml", '[tool.autograd-lint]\nignore = ["AGL103"]\n')
    other = write("other.toml", 'ignore = ["AGL101"]\n')
    assert "AGL101" not in settings(config=str(other)).codes
    assert settings(isolated=True).codes == DEFAULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('selct = ["AGL1"]', "unknown key `selct`; did you mean 'select'?"),
        ("confirm = { tiemout = 1 }", "unknown key `confirm.tiemout`; did you mean 'timeout'?"),
        ("xyzzy = 1", "unknown key `xyzzy`; known are select, extend-select"),
        ('select = ["AGL999"]', "`select`: unknown rule selector 'AGL999'"),
        ('ignore = ["retain-grph"]', "`ignore`: unknown rule selector 'retain-grph'; did you mean 'retain-graph'?"),
        ('per-file-ignores = { "*" = ["AGL9"] }', "`per-file-ignores.*`: unknown rule selector 'AGL9'"),
        ('select = "AGL1"', "`select` must be a list of strings, not a string"),
        ("select = [1]", "`select` must be a list of strings, not a list with an integer in it"),
        ("per-file-ignores = []", "`per-file-ignores` must be a table"),
        ('per-file-ignores = { "*" = "AGL1" }', "`per-file-ignores.*` must be a list of strings, not a string"),
        ('respect-gitignore = "no"', "`respect-gitignore` must be true or false, not a string"),
        ('output-format = "jsn"', "unknown value 'jsn' of `output-format`; did you mean 'json'?"),
        ('fail-level = "eror"', "unknown value 'eror' of `fail-level`; did you mean 'error'?"),
        ("fail-level = 3", "`fail-level` must be a string, not an integer"),
        ("confirm = 1", "`confirm` must be a table, not an integer"),
        ("confirm = { timeout = true }", "`confirm.timeout` must be a number, not a boolean"),
        ("baseline = 1", "`baseline` must be a string, not an integer"),
        ("select = [", "not valid TOML"),
    ],
)
def test_wrong_files(write: Write, text: str, message: str) -> None:
    path = write("autograd-lint.toml", text)
    with pytest.raises(ConfigError) as caught:
        settings()
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_named_file_must_have_our_table(write: Write) -> None:
    path = write("pyproject.toml", "[tool.other]\n")
    with pytest.raises(ConfigError, match=r"has no \[tool.autograd-lint\] table"):
        load_config(str(path))
    with pytest.raises(ConfigError, match="cannot read the configuration: No such file"):
        load_config(str(path.parent / "none.toml"))
    write("pyproject.toml", "tool.autograd-lint = 1\n")
    with pytest.raises(ConfigError, match="must be a table"):
        find_config(str(path.parent))


@pytest.mark.parametrize(
    ("layer", "has", "has_not"),
    [
        (Layer(), {"AGL101", "AGL103", "AGL201"}, {"AGL105"}),
        (Layer(select=("AGL101",)), {"AGL101", "AGL000", "AGL003"}, {"AGL103", "AGL001", "AGL002"}),
        (Layer(select=("AGL1",)), {"AGL101", "AGL105"}, {"AGL201"}),
        (Layer(select=("ALL",)), {"AGL105", "AGL201", "AGL001"}, set()),
        (Layer(select=("retain-graph",)), {"AGL201"}, {"AGL101"}),
        (Layer(extend_select=("AGL105",)), {"AGL105", "AGL101"}, set()),
        (Layer(select=("AGL1",), ignore=("AGL101",)), {"AGL103"}, {"AGL101"}),
        (Layer(select=("AGL101",), ignore=("AGL1",)), {"AGL101"}, {"AGL103"}),
        (Layer(select=("AGL101",), ignore=("AGL101",)), set(), {"AGL101"}),
        (Layer(ignore=("ALL",)), {"AGL003"} - {"AGL003"}, {"AGL000", "AGL101"}),
        (Layer(ignore=("AGL000",)), {"AGL101"}, {"AGL000"}),
    ],
)
def test_selection(layer: Layer, has: set[str], has_not: set[str]) -> None:
    chosen = selected_codes([layer])
    assert has <= chosen
    assert not has_not & chosen


def test_command_line_overrules_the_file() -> None:
    file = Layer(select=("AGL1",), ignore=("AGL101",))
    assert "AGL101" in selected_codes([file, Layer(select=("AGL101",))])
    assert "AGL101" in selected_codes([file, Layer(extend_select=("AGL101",))])
    assert "AGL201" in selected_codes([file, Layer(extend_select=("AGL201",))])
    assert "AGL103" not in selected_codes([file, Layer(ignore=("AGL103",))])
    assert "AGL105" in selected_codes([file, Layer(ignore=("AGL103",))])


def test_negated_pattern_of_per_file_ignores(project: Path) -> None:
    found = settings(per_file_ignores=(("!src/**", ("AGL101",)),))
    assert "AGL101" in found.codes_for(str(project / "src" / "a.py"))
    assert "AGL101" not in found.codes_for(str(project / "tests" / "a.py"))


def test_unknown_selector_on_the_command_line(project: Path) -> None:
    with pytest.raises(ConfigError, match="--ignore: unknown rule selector 'AGL10l'"):
        settings(rules=Layer(ignore=("AGL10l",)))
