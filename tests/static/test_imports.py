"""Imports of the project's own files: what is found across files, where it is told, and what is never read."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autograd_lint.finding import Finding
from autograd_lint.runner import RunResult, run
from autograd_lint.selectors import Layer
from autograd_lint.settings import Options, resolve_settings
from autograd_lint.static.importing import library

MODEL = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 3)
            self.act = nn.Sigmoid()

        def forward(self, x):
            return self.act(self.inner(x))
    """
TRAIN = """
    import torch
    {imported}

    net = {name}()
    out = net(torch.randn(2, 3))
    out += 1
    out.sum().backward()
    """
FAULT = [("train.py", 6, "AGL101", "error")]


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def check(*paths: str, jobs: int = 1, exclude: Sequence[str] = ()) -> RunResult:
    if exclude:
        Path("autograd-lint.toml").write_text(f"extend-exclude = {list(exclude)!r}\n")
    return run(paths, resolve_settings(paths, Options(rules=Layer(), jobs=jobs)))


def told(result: RunResult) -> list[tuple[str, int, str, str]]:
    return [_short(finding) for finding in result.findings if finding.suppressed is None]


def _short(finding: Finding) -> tuple[str, int, str, str]:
    name = os.path.relpath(finding.filename).replace(os.sep, "/")
    return name, finding.range.start.row, finding.code, finding.severity.name.lower()


def train(imported: str, name: str = "Net") -> str:
    return TRAIN.format(imported=imported, name=name)


LAYOUTS = {
    "beside": ("models.py", "train.py", "from models import Net", "Net"),
    "renamed": ("models.py", "train.py", "from models import Net as Other", "Other"),
    "module": ("models.py", "train.py", "import models", "models.Net"),
    "module renamed": ("pkg/models.py", "train.py", "import pkg.models as m", "m.Net"),
    "dotted module": ("pkg/models.py", "train.py", "import pkg.models", "pkg.models.Net"),
    "star": ("models.py", "train.py", "from models import *", "Net"),
    "namespace package": ("pkg/models.py", "train.py", "from pkg.models import Net", "Net"),
    "module of a package": ("pkg/models.py", "train.py", "from pkg import models", "models.Net"),
    "src": ("src/pkg/models.py", "tools/train.py", "from pkg.models import Net", "Net"),
    "root": ("pkg/models.py", "tools/train.py", "from pkg.models import Net", "Net"),
    "relative": ("pkg/models.py", "pkg/train.py", "from .models import Net", "Net"),
    "relative module": ("pkg/models.py", "pkg/train.py", "from . import models", "models.Net"),
    "relative above": ("pkg/models.py", "pkg/sub/train.py", "from ..models import Net", "Net"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packages", [True, False])
def test_class_of_another_file(project: Path, layout: str, packages: bool) -> None:
    model, program, imported, name = LAYOUTS[layout]
    write({"pyproject.toml": "", model: MODEL, program: train(imported, name)})
    if packages:
        for folder in {Path(model).parent, Path(program).parent} - {Path(), Path("src/pkg").parent}:
            (folder / "__init__.py").touch()
    assert told(check(program)) == [(program, *FAULT[0][1:])]


def test_related_place_is_in_the_other_file(project: Path) -> None:
    write({"models.py": MODEL, "train.py": train("from models import Net")})
    (finding,) = check("train.py").findings
    places = [(os.path.basename(place.filename), place.range.start.row) for place in finding.related]
    assert sorted(places) == [("models.py", 12), ("train.py", 7)]


def test_names_passed_on_by_a_package(project: Path) -> None:
    write(
        {
            "pkg/__init__.py": "from .nets import *\nfrom .deep.models import Net as Deep\n",
            "pkg/nets.py": "from .deep import Net\n__all__ = ['Net']\n",
            "pkg/deep/__init__.py": "from .models import Net\n",
            "pkg/deep/models.py": MODEL,
            "one.py": train("from pkg import Net"),
            "two.py": train("import pkg", "pkg.Deep"),
        }
    )
    assert told(check("one.py", "two.py")) == [("one.py", 6, "AGL101", "error"), ("two.py", 6, "AGL101", "error")]


@pytest.mark.parametrize(
    "imported",
    [
        "try:\n        from .models import Net\n    except ImportError:\n        from models import Net",
        "try:\n        from missing import Net\n    except ImportError:\n        from models import Net",
    ],
)
def test_fallback_of_an_import(project: Path, imported: str) -> None:
    write({"models.py": MODEL, "train.py": train(imported)})
    assert [(code, severity) for _, _, code, severity in told(check("train.py"))] == [("AGL101", "error")]


def test_fallback_in_the_imported_file(project: Path) -> None:
    middle = "try:\n    from missing import Net\nexcept ImportError:\n    from models import Net\n"
    write({"models.py": MODEL, "middle.py": middle, "train.py": train("from middle import Net")})
    assert told(check("train.py")) == FAULT


def test_write_in_a_helper_is_told_in_the_helper_once(project: Path) -> None:
    helper = "import torch\n\n\ndef scale(x):\n    x *= 2\n    return x\n"
    program = """
        import torch
        from helper import scale

        w = torch.randn(3, requires_grad=True)
        y = w.exp()
        scale(y)
        y.sum().backward()
        """
    write({"helper.py": helper, "one.py": program, "two.py": program})
    alone = [check(name).findings for name in ("helper.py", "one.py", "two.py")]
    assert [[_short(finding) for finding in found] for found in alone] == [
        [],
        [("helper.py", 5, "AGL101", "error")],
        [("helper.py", 5, "AGL101", "error")],
    ]
    tree = check(".")
    assert told(tree) == [("helper.py", 5, "AGL101", "error")]
    assert {(place.filename, place.range.start.row) for place in tree.findings[0].related} >= {
        (str(project / "one.py"), 6),
        (str(project / "one.py"), 7),
    }


def test_comments_of_the_other_file_count(project: Path) -> None:
    helper = "import torch\n\n\ndef scale(x):\n    x *= 2  # noqa: AGL101\n    return x\n"
    program = """
        import torch
        from helper import scale

        w = torch.randn(3, requires_grad=True)
        scale(w.exp()).sum().backward()
        """
    write({"helper.py": helper, "train.py": program})
    assert told(check("train.py")) == []
    assert told(check(".")) == []


def test_excluded_files_are_followed_and_not_reported(project: Path) -> None:
    helper = "import torch\n\n\ndef scale(x):\n    x *= 2\n    return x\n"
    program = """
        import torch
        from vendored.helper import scale
        from vendored.models import Net

        w = torch.randn(3, requires_grad=True)
        z = Net()(torch.randn(2, 3))
        try:
            z += 1
            z.sum().backward()
        finally:
            scale(w.exp()).sum().backward()
        """
    write({"vendored/helper.py": helper, "vendored/models.py": MODEL, "train.py": program})
    assert {name for name, *_ in told(check("train.py", exclude=["vendored"]))} == {"train.py"}


def test_optimizer_over_an_imported_model(project: Path) -> None:
    loop = """
        import torch
        {imported}

        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(3):
            loss = loss_of(net, torch.randn(2, 3))
            {clear}
            loss.backward()
            optimizer.step()
        """
    helper = "import torch\n\n\ndef loss_of(net, x):\n    return net(x).square().mean()\n"
    imported = "from models import Net\n        from helper import loss_of"
    write(
        {
            "models.py": MODEL,
            "helper.py": helper,
            "bad.py": loop.format(imported=imported, clear="pass"),
            "good.py": loop.format(imported=imported, clear="optimizer.zero_grad()"),
        }
    )
    assert [(name, code) for name, _, code, _ in told(check("."))] == [("bad.py", "AGL302")]


DESCEND = """
    import torch


    def descend(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    """
TWO_LOSSES = """
    import torch
    {imported}

    actor, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    x = torch.ones(4, 2)
    actor_loss, critic_loss = -critic(actor(x)).mean(), critic(x).square().mean()
    {descend}(torch.optim.SGD(critic.parameters(), lr=0.1), critic_loss)
    {descend}(torch.optim.SGD(actor.parameters(), lr=0.1), actor_loss)
    """


@pytest.mark.parametrize(
    ("imported", "descend"),
    [("from helpers import descend", "descend"), ("import helpers", "helpers.descend")],
)
def test_step_hidden_in_a_helper_of_another_file(project: Path, imported: str, descend: str) -> None:
    write({"helpers.py": DESCEND, "train.py": TWO_LOSSES.format(imported=imported, descend=descend)})
    assert told(check("train.py")) == [("helpers.py", 7, "AGL108", "error")]


def test_a_network_whose_forward_is_not_executed_for_want_of_steps(project: Path) -> None:
    waste = "".join(f"        x = x + {n}\n" for n in range(80))
    deep = f"""
import torch


class Critic(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.body(x)

    def waste(self, x):
{waste}
        return x
"""
    compile(deep, "deep.py", "exec")
    program = """
        import torch
        from deep import Critic

        actor, critic = torch.nn.Linear(2, 2), Critic()
        optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
        x = torch.ones(4, 2)
        for _ in range(100):
            for _ in range(100):
                x = critic.waste(critic.waste(critic.waste(critic.waste(x))))
                x = critic.waste(critic.waste(critic.waste(critic.waste(x))))
        actor_loss, critic_loss = -critic(actor(x)).mean(), critic(x).square().mean()
        critic_loss.backward()
        optimizer.step()
        actor_loss.backward()
        """
    write({"deep.py": deep, "train.py": program})
    assert told(check("train.py")) == [("train.py", 13, "AGL108", "warning")]


def test_files_that_import_each_other(project: Path) -> None:
    one = (
        "import torch\nfrom b import g\n\n\ndef f(x):\n    return g(x)\n\n\ny = f(torch.ones(2, requires_grad=True))\n"
    )
    two = "import torch\nfrom a import f\nfrom b import nothing\n\n\ndef g(x):\n    x += 1\n    return f(x)\n"
    write({"a.py": one, "b.py": two})
    assert told(check("a.py")) == told(check(".")) == [("b.py", 7, "AGL102", "error")]


def test_names_that_lead_round_in_circles(project: Path) -> None:
    write({"a.py": "import torch\nfrom b import *\nf = g\n", "b.py": "import torch\nfrom a import *\ng = f\n"})
    write({"train.py": "import torch\nfrom a import f, h\nf(torch.ones(2)).backward()\nh()\n"})
    assert told(check(".")) == []


@pytest.mark.parametrize(
    ("broken", "codes"),
    [("def (:\n", ["AGL000"]), ("import torch\ndef f(:\n", ["AGL000"]), ("import torch\n\0\n", ["AGL000"])],
)
def test_broken_file_is_told_of_only_when_it_is_checked(project: Path, broken: str, codes: list[str]) -> None:
    Path("models.py").write_text(broken if "torch" in broken else f"import torch\n{broken}")
    write({"train.py": train("from models import Net")})
    assert told(check("train.py")) == []
    assert [code for _, _, code, _ in told(check("."))] == codes


def test_missing_file_and_missing_name(project: Path) -> None:
    write(
        {"models.py": MODEL, "train.py": train("from models import Other as Net"), "a.py": train("from x import Net")}
    )
    assert told(check(".")) == []


def test_only_used_files_without_doubt_are_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = library.read_source

    def note(path: str) -> object:
        read.append(os.path.basename(path))
        return original(path)

    monkeypatch.setattr(library, "read_source", note)
    program = train("from models import Net\n    from unused import thing\n    import site_module")
    write({"models.py": MODEL, "unused.py": "import torch\nthing = 1\n", "train.py": program, "other.py": program})
    check(".")
    assert read == ["models.py"]


def test_installed_packages_are_not_followed(project: Path) -> None:
    installed = "venv/lib/site-packages/pkg"
    write({f"{installed}/models.py": MODEL, f"{installed}/train.py": train("from .models import Net")})
    assert told(check(f"{installed}/train.py")) == []


def test_standard_library_is_hidden_by_a_script_only(project: Path) -> None:
    """Python finds `copy.py` beside a script; in a package `import copy` means the standard library's."""
    program = train("from copy import Net")
    write({"copy.py": MODEL, "train.py": program, "pkg/__init__.py": "", "pkg/copy.py": MODEL, "pkg/train.py": program})
    assert told(check("train.py")) == FAULT
    assert told(check("pkg/train.py")) == []


def test_branches_that_are_not_known_leave_a_name_unknown(project: Path) -> None:
    models = MODEL + "\n\n    if torch.cuda.is_available():\n        make = Net\n    else:\n        make = nn.ReLU\n"
    write({"models.py": models, "train.py": train("from models import make", "make")})
    assert told(check("train.py")) == []


def test_variables_of_the_other_file(project: Path) -> None:
    models = MODEL + "\n\n    net = Net()\n    INPLACE = True\n    weight = torch.randn(3, requires_grad=True)\n"
    program = """
        import torch
        from torch import nn
        from models import INPLACE, net, weight

        y = net(torch.randn(2, 3))
        z = weight.exp()
        nn.ReLU(inplace=INPLACE)(z)
        z.sum().backward()
        """
    write({"models.py": models, "train.py": program})
    assert told(check("train.py")) == [("train.py", 7, "AGL101", "error")]


def test_code_under_the_main_guard_of_the_other_file_is_not_run(project: Path) -> None:
    models = MODEL + "\n\n    if __name__ == '__main__':\n        Net = None\n"
    write({"models.py": models, "train.py": train("from models import Net")})
    assert told(check("train.py")) == FAULT


def test_base_class_of_another_file(project: Path) -> None:
    heir = """
        import torch
        from models import Net


        class Heir(Net):
            def loss(self, x):
                out = self(x)
                out += 1
                return out.sum()


        Heir().loss(torch.randn(2, 3)).backward()
        """
    write({"models.py": MODEL, "train.py": heir})
    assert told(check("train.py")) == [("train.py", 8, "AGL101", "error")]


def test_an_endless_helper_does_not_hide_what_follows(project: Path) -> None:
    loops = "".join(f"{'    ' * depth}for i{depth} in range(9):\n" for depth in range(1, 6))
    helper = f"import torch\n\n\ndef slow(x):\n{loops}{'    ' * 6}x = x + 1\n    return x\n"
    program = """
        import torch
        from helper import slow

        slow(torch.ones(2))
        w = torch.ones(2, requires_grad=True)
        y = w.exp()
        y += 1
        y.sum().backward()
        """
    write({"helper.py": helper, "train.py": program})
    assert told(check("train.py")) == [("train.py", 7, "AGL101", "error")]


def test_what_an_exhausting_script_called_is_run_on_its_own(project: Path) -> None:
    loops = "".join(f"{'    ' * depth}for i{depth} in range(9):\n" for depth in range(1, 4))
    helper = f"import torch\n\n\ndef slow(x):\n{loops}{'    ' * 4}x = x + 1\n    return x\n\n\n"
    helper += "def exponential(x):\n    return x.exp()\n"
    program = """
        import torch
        from helper import exponential, slow


        def train(w):
            leaf = torch.ones(2, requires_grad=True)
            y = exponential(leaf)
            y += 1
            y.sum().backward()


        for _ in range(8):
            slow(torch.ones(2))
        train(torch.ones(2))
        """
    write({"helper.py": helper, "train.py": program})
    assert told(check("train.py")) == [("train.py", 8, "AGL101", "error")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_tree_tells_what_its_files_tell_alone(project: Path, jobs: int) -> None:
    write({"models.py": MODEL, "pkg/__init__.py": "from models import Net\n"})
    for number in range(10):
        write({f"train{number}.py": train("from models import Net" if number % 2 else "from pkg import Net")})
    alone = sorted(found for path in sorted(Path().rglob("*.py")) for found in told(check(str(path))))
    assert told(check(".", jobs=jobs)) == alone
    assert len(alone) == 10


def test_a_changed_file_is_read_again(project: Path) -> None:
    write({"models.py": MODEL, "train.py": train("from models import Net")})
    assert told(check("train.py")) == FAULT
    Path("models.py").write_text(Path("models.py").read_text().replace("Sigmoid", "Identity").replace("#", ""))
    assert told(check("train.py")) != FAULT


def test_findings_show_both_files(project: Path, command: Callable[..., object]) -> None:
    write({"models.py": MODEL, "train.py": train("from models import Net")})
    outcome = command("train.py")
    assert "models.py:12:" in outcome.out  # type: ignore[attr-defined]
    assert "saved for backward here" in outcome.out  # type: ignore[attr-defined]
