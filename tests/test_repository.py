"""Promises about the repository itself: shape of the code, documentation of the rules, what is imported and packed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograd_lint.rule import Rule, all_rules

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "autograd_lint"
RULES = ROOT / "rules"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *RULES.glob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))

HEADINGS = ["What it does", "Why is this bad", "Example", "Use instead", "References"]
WITHOUT_EXAMPLE = {"AGL000", "AGL003", "AGL004"}
"""A program cannot show a file that is no program, nor an error of the tool; and `check` makes no remarks on a run."""


def name_of(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else getattr(value, "code", str(value))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_module_has_a_docstring(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?", "!")), "the first line is a sentence"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_and_function_lengths(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600
    long = [node.name for node in functions(path) if (node.end_lineno or 0) - node.lineno + 1 > 80]
    assert long == []


def test_most_functions_are_short() -> None:
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for path in SOURCES for node in functions(path))
    assert lengths[len(lengths) // 2] <= 14


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_have_annotations(path: Path) -> None:
    assert [node.name for node in functions(path) if node.returns is None] == []


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_no_unfinished_work_is_marked(path: Path) -> None:
    if path == Path(__file__):
        return
    assert not re.search(r"#.*\b(?:TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8"))


BORDERS = {
    "autograd_lint/cli.py",
    "autograd_lint/dynamic/guard.py",
    "autograd_lint/engine.py",
    "autograd_lint/runner.py",
}
"""Where any exception becomes a finding or a message: the command, the watched program, the rule, the file."""


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_exceptions_are_caught_by_type(path: Path) -> None:
    handlers = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ExceptHandler)]
    caught = {ast.unparse(handler.type) if handler.type else "everything" for handler in handlers}
    # BaseException is caught only to tidy up and raise it again.
    assert "everything" not in caught
    assert "Exception" not in caught or path.relative_to(ROOT).as_posix() in BORDERS
    assert not [handler for handler in handlers if len(handler.body) == 1 and isinstance(handler.body[0], ast.Pass)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_linter_imports_no_torch(path: Path) -> None:
    if path.stem.startswith("measure") or path.is_relative_to(PACKAGE / "dynamic"):
        return
    imported = {name.split(".")[0] for name in imported_names(path)}
    assert not imported & {"torch", "numpy"}


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_rules_are_imported_inside_the_package_only(path: Path) -> None:
    assert not {name for name in imported_names(path) if name.split(".")[0] == "rules"}


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


@pytest.mark.parametrize("rule", all_rules(), ids=name_of)
def test_rule_is_documented(rule: type[Rule]) -> None:
    headings = re.findall(r"^## (.+)$", rule.documentation(), re.MULTILINE)
    wanted = [heading for heading in HEADINGS if rule.code not in WITHOUT_EXAMPLE or heading not in HEADINGS[2:4]]
    assert [heading for heading in headings if heading in HEADINGS] == wanted
    summary, *sections = re.split(r"^## .+$", rule.documentation(), flags=re.MULTILINE)
    assert summary.strip().endswith("."), "the first line says what is wrong, in a sentence"
    assert all(section.strip() for section in sections), "no section is empty"


@pytest.mark.parametrize("rule", all_rules(), ids=name_of)
def test_rule_is_in_the_file_of_its_name(rule: type[Rule]) -> None:
    expected = f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    assert rule.__module__ == f"autograd_lint.rules.{expected}"


def test_every_rule_file_is_discovered() -> None:
    listed = {path.stem for path in RULES.glob("agl*.py")}
    assert {rule.__module__.rsplit(".", 1)[1] for rule in all_rules()} == listed
    assert [path.name for path in RULES.glob("*.py") if not re.match(r"agl\d{3}_|__init__", path.name)] == []


def test_names_and_codes_are_unique() -> None:
    assert len({rule.code for rule in all_rules()}) == len({rule.name for rule in all_rules()}) == len(all_rules())


def test_no_module_lists_the_rules() -> None:
    """Rules are found by walking their package: no file of the package names many of them."""
    for path in PACKAGE.rglob("*.py"):
        assert len(set(re.findall(r"AGL[1-9]\d\d", path.read_text(encoding="utf-8")))) <= 3, path


def test_check_imports_no_torch(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("import torch\nx = torch.ones(3, requires_grad=True)\ny = x * x\ny.sum().backward()\n")
    code = (
        "import json, sys\n"
        "from autograd_lint import cli\n"
        "try:\n"
        f"    cli.main(['check', '--isolated', '--output-format=json', {str(program)!r}])\n"
        "except SystemExit as end:\n"
        "    print(json.dumps([end.code, sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert (status, json.loads(done.stdout)) == (0, [])
    assert "libcst" in modules, "the program was really judged"
    assert not {"torch", "numpy"} & set(modules)


def test_packages_are_all_listed() -> None:
    """Packages are listed by hand, since one of them lives elsewhere: the list must equal the tree."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        listed = tomllib.load(stream)["tool"]["setuptools"]["packages"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert sorted(listed) == sorted({*found, "autograd_lint.rules"})


def test_wheel_holds_the_tree_and_nothing_else(tmp_path: Path) -> None:
    copy_of_tree(tmp_path / "tree")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "out"), "."],
        cwd=tmp_path / "tree",
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == set(packed_files())


def packed_files() -> Iterator[str]:
    for path in tracked_files(PACKAGE):
        if path.suffix in (".py", ".json") or path.name == "py.typed":
            yield path.relative_to(ROOT).as_posix()
    for path in RULES.glob("*.py"):
        yield f"autograd_lint/rules/{path.name}"


def tracked_files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def copy_of_tree(target: Path) -> None:
    for path in [*tracked_files(PACKAGE), *tracked_files(RULES), *(ROOT / name for name in PROJECT_FILES)]:
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")


def test_readme_names_every_prefix_and_the_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for word in ("autograd-lint rule", 'external = ["AGL"]', "autograd-lint: ignore[", "pre-commit", "GitHub Actions"):
        assert word in text


def test_ci_runs_the_command_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks[0].count("\n") == 1
    assert blocks[1].count("\n") == 1
    assert "pytest" in blocks[1]
    shown = subprocess.run([ROOT / ".ci" / "run", "--show"], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == blocks[1].strip()


def test_readme_shows_what_the_linter_prints(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"^\$ cat net\.py\n(.*?)^\$ autograd-lint net\.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert shown is not None
    (tmp_path / "net.py").write_text(shown[1])
    command = [sys.executable, "-m", "autograd_lint", "--isolated", "net.py"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout == shown[2]
