"""`autograd-lint run`: the program sees what Python itself would show it, and the report comes however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
FAULTY = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x.exp()
y += 1
y.sum().backward()
"""
CLEAN = "import torch\n\nx = torch.ones(3, requires_grad=True)\nx.exp().sum().backward()\n"


def lint(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(project, "-m", "autograd_lint", "run", *arguments)


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def write(project: Path, name: str, text: str) -> str:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


SHOWS = """\
import json, os, sys
import helper
json.dump(
    {
        "argv": sys.argv,
        "path": [os.path.realpath(p or os.getcwd()) for p in sys.path[:1]],
        "name": __name__,
        "file": __file__,
        "package": __package__,
        "spec": __spec__ and __spec__.name,
        "main": sys.modules["__main__"].__dict__ is globals(),
        "helper": helper.__name__,
    },
    sys.stdout,
)
print()
"""


def test_script_sees_what_python_shows_it(project: Path) -> None:
    write(project, "src/helper.py", "")
    script = write(project, "src/shows.py", SHOWS)
    arguments = (script, "--epochs", "3", "-m", "--output-format=json")
    plain, ran = python(project, *arguments), lint(project, *arguments)
    assert (plain.returncode, ran.returncode) == (0, 0)
    assert ran.stdout.splitlines()[0] == plain.stdout.splitlines()[0]


def test_module_sees_what_python_shows_it(project: Path) -> None:
    write(project, "helper.py", "")
    write(project, "package/__init__.py", "")
    write(project, "package/__main__.py", "from . import part\n" + SHOWS)
    write(project, "package/part.py", "")
    for name in ("package", "package.__main__"):
        plain, ran = python(project, "-m", name, "-x"), lint(project, "-m", name, "-x")
        assert json.loads(ran.stdout.splitlines()[0]) == json.loads(plain.stdout)


def test_report_after_the_traceback_of_a_failing_backward(project: Path) -> None:
    script = write(project, "train.py", FAULTY)
    plain, ran = python(project, script), lint(project, "--output-format=concise", script)
    assert (plain.returncode, ran.returncode) == (1, 1)
    folder = str(project)
    note = f"autograd-lint: saved for backward at {folder}/train.py:4, changed at {folder}/train.py:5 by __iadd__"
    *told, last = ran.stderr.splitlines()
    assert last.startswith(note)
    assert told == plain.stderr.splitlines()
    assert ran.stdout.startswith("train.py:5:1: AGL101 ")


def test_findings_of_a_program_that_ends_well(project: Path) -> None:
    script = write(project, "train.py", "import torch\n\nx = torch.ones(3, requires_grad=True) * 1\nx.add_(1)\n")
    ran = lint(project, "--output-format=json", "--ignore=AGL402", script)
    assert ran.returncode == 1
    (finding,) = json.loads(ran.stdout)
    assert (finding["code"], finding["location"]["row"]) == ("AGL103", 4)
    assert finding["fingerprint"]
    assert finding["url"]


def test_statuses(project: Path) -> None:
    clean, faulty = write(project, "clean.py", CLEAN), write(project, "faulty.py", FAULTY)
    leaving = write(project, "leaving.py", FAULTY.replace("y.sum().backward()", "raise SystemExit(7)"))
    saying = write(project, "saying.py", "raise SystemExit('out of data')\n")
    assert lint(project, clean).returncode == 0
    assert lint(project, leaving).returncode == 7
    assert lint(project, "--exit-code=4", faulty).returncode == 4
    said = lint(project, saying)
    assert (said.returncode, said.stderr) == (1, "out of data\n")


def test_comments_and_selection_are_heeded(project: Path) -> None:
    script = write(project, "train.py", CLEAN + "y = x * 1\ny.add_(1)  # noqa: AGL103\ny.mul_(2)\n")
    ran = lint(project, "--output-format=concise", script)
    assert [line.split(":")[1] for line in ran.stdout.splitlines() if "AGL103" in line] == ["7"]
    assert lint(project, "--ignore=AGL103", script).returncode == 0


def test_what_cannot_be_run(project: Path) -> None:
    broken = write(project, "broken.py", "def\n")
    for arguments in (["missing.py"], ["-m", "missing.module"], [write(project, "a.ipynb", "{}")], ["."]):
        ran = lint(project, *arguments)
        assert ran.returncode == 2
        assert ran.stderr.startswith("error: ")
    ran, plain = lint(project, broken), python(project, broken)
    assert ran.returncode == 1
    assert ran.stderr.replace(str(project) + "/", "") == plain.stderr.replace(str(project) + "/", "")


def test_hook_of_the_program_gets_its_exception(project: Path) -> None:
    hook = "import sys\nsys.excepthook = lambda kind, error, tb: print('mine:', kind.__name__, tb.tb_lineno)\n"
    ran = lint(project, write(project, "train.py", hook + FAULTY))
    assert ran.stdout.startswith("mine: RuntimeError 8\n")


def test_raise_at_write(project: Path) -> None:
    script = write(project, "train.py", FAULTY)
    ran = lint(project, "--raise-at-write", script)
    assert ran.returncode == 1
    assert 'train.py", line 5, in <module>\n    y += 1' in ran.stderr
    assert f"saved for backward at {project}/train.py:4" in ran.stderr
    assert "train.py:5:1: AGL004" in ran.stdout
    assert "stopped before this write to a tensor saved for backward" in ran.stdout
    assert lint(project, "--raise-at-write", write(project, "clean.py", CLEAN + "x.detach().add_(1)\n")).returncode == 0


def test_beside_a_tracer(project: Path) -> None:
    """A debugger or coverage has taken `sys.settrace`: hooks see the saves, and the tracer is left alone."""
    start = "import sys\nhits = []\nsys.settrace(lambda *event: hits.append(event[0].f_lineno))\n"
    code = start + "from autograd_lint.cli import main\nmain(sys.argv[1:])\n"
    write(project, "traced.py", code)
    script = write(project, "train.py", FAULTY + "\n")
    ran = python(project, "traced.py", "run", "--output-format=concise", script)
    assert ran.stdout.startswith("train.py:5:1: AGL101 ")


WAITING = FAULTY.replace("y = x.exp()", "y = x * 1").replace(
    "y.sum().backward()\n", "print('ready', flush=True)\nimport time\ntime.sleep(60)\n"
)


def ended_by(project: Path, text: str, number: signal.Signals) -> tuple[int, str, str]:
    """Status, output and errors of a program that is sent a signal once it is ready."""
    script = write(project, "train.py", text)
    command = [sys.executable, "-m", "autograd_lint", "run", "--output-format=concise", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=project, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_interrupted(project: Path) -> None:
    status, out, err = ended_by(project, WAITING, signal.SIGINT)
    assert status == 130
    assert "KeyboardInterrupt" in err
    assert "train.py:5:1: AGL103" in out


def test_terminated(project: Path) -> None:
    """The report comes, nothing of the program's runs any more, and the signal ends it as before."""
    text = WAITING.replace("time.sleep(60)", "\ntry:\n    time.sleep(60)\nfinally:\n    print('unwound', flush=True)")
    status, out, err = ended_by(project, text, signal.SIGTERM)
    assert status == -signal.SIGTERM
    assert "train.py:5:1: AGL103" in out
    assert "unwound" not in out
    assert err == ""


def test_program_that_sees_to_the_signal_itself(project: Path) -> None:
    own = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    status, out, _ = ended_by(project, own + WAITING, signal.SIGTERM)
    assert status == 7
    assert "train.py:7:1: AGL103" in out


def test_workers_and_threads_do_not_disturb(project: Path) -> None:
    script = write(
        project,
        "train.py",
        "import threading, time\n"
        "import torch\n"
        "from torch.utils.data import DataLoader, TensorDataset\n\n"
        "def late():\n"
        "    time.sleep(0.2)\n"
        "    y = torch.ones(2, requires_grad=True) * 1\n"
        "    y += 1\n"
        "    print('late')\n\n"
        "if __name__ == '__main__':\n"
        "    for workers in (0, 2):\n"
        "        loader = DataLoader(TensorDataset(torch.arange(4.0)), num_workers=workers)\n"
        "        print(sum(batch.item() for (batch,) in loader))\n"
        "    threading.Thread(target=late).start()\n",
    )
    ran = lint(project, "--output-format=concise", "--select=AGL103", script)
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["6.0", "6.0", "late"]
    assert [line.split(":")[1] for line in lines[3:] if "AGL103" in line] == ["8"]
    assert ran.stderr == ""


UNSEEN = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x.exp()
(name,) = [name for name in dir(y) if name.startswith("add_")]
getattr(y, name)(1)
y.sum().backward()
"""


def test_what_only_the_run_could_see_is_marked(project: Path) -> None:
    seen, unseen = write(project, "seen.py", FAULTY), write(project, "unseen.py", UNSEEN)
    for script, alone in ((seen, False), (unseen, True)):
        (found,) = json.loads(lint(project, "--output-format=json", script).stdout)
        assert (found["code"], found["runtime_only"]) == ("AGL101", alone)
        assert ("(error, seen only at run time)" in lint(project, script).stdout) is alone
        assert lint(project, "--output-format=concise", script).stdout.endswith("(only at run time)\n") is alone


ONE_FINDING = "import torch\n\nx = torch.ones(3, requires_grad=True) * 1\nx.add_(1)\n"


@pytest.mark.parametrize(
    "end",
    [
        "import sys\nsys.stdout.close()\nsys.stderr.close()",
        "import io, sys\nsys.stdout = sys.stderr = io.StringIO()",
        "import sys\nsys.stdout = sys.stderr = None",
        "import os\nos.close(1)\nos.close(2)",
        "import os\nos.dup2(os.open('log', os.O_WRONLY | os.O_CREAT), 1)",
        "import os\nos.mkdir('elsewhere')\nos.chdir('elsewhere')",
        "import os\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')",
    ],
    ids=["closes", "replaces", "removes", "closes files", "redirects", "goes elsewhere", "goes nowhere"],
)
def test_report_goes_where_the_command_was_given(project: Path, end: str) -> None:
    script = write(project, "train.py", f"{ONE_FINDING}{end}\n")
    ran = lint(project, "--output-format=concise", "--output-file=json=out.json", "--select=AGL103", script)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout == "train.py:4:1: AGL103 `add_` changes `x`, which is in the graph\n"
    assert [found["code"] for found in json.loads((project / "out.json").read_text())] == ["AGL103"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_report_that_cannot_be_written_is_told(project: Path) -> None:
    script = write(project, "train.py", ONE_FINDING)
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "autograd_lint", "run", script]
        ran = subprocess.run(command, cwd=project, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (2, "error: cannot write to standard output: No space left on device\n")


def test_own_entry_point_is_no_place_of_the_program(project: Path) -> None:
    """Only what is below the program's own first line called it."""
    write(project, "entry", "from autograd_lint.cli import main\n\nmain()\n")
    text = ONE_FINDING.replace("x.add_(1)", "def grow(h):\n    h.add_(1)\n\ngrow(x)")
    script = write(project, "train.py", text)
    ran = python(project, "entry", "run", "--output-format=json", "--select=AGL103", script)
    (found,) = json.loads(ran.stdout)
    assert {Path(place["filename"]).name for place in found["related"]} == {"train.py"}


WARNS = """\
import torch

x = torch.ones(2, requires_grad=True)
print(float((x * 1).sum()))
torch.add(torch.zeros(2), 1, out=torch.zeros(3))
(x * 1).grad
"""


def test_warnings_name_the_same_lines(project: Path) -> None:
    script = write(project, "train.py", WARNS)
    plain, ran = python(project, script), lint(project, script)
    assert plain.stderr.count("Warning: ") == 3
    assert ran.stderr == plain.stderr


def test_errors_pass_no_frames_of_ours(project: Path) -> None:
    text = "import torch\n\nx = torch.ones(2, requires_grad=True)\n{}\n"
    for line in ("float(x)", "torch.add(x, 1, out=torch.zeros(2))", "x.numpy()", "x.add_(1)"):
        script = write(project, "train.py", text.format(line))
        plain, ran = python(project, script), lint(project, script)
        assert plain.stderr
        assert ran.stderr == plain.stderr


def test_nothing_is_called_clear_that_was_only_run(project: Path) -> None:
    ran = lint(project, write(project, "train.py", CLEAN))
    assert (ran.returncode, ran.stdout) == (0, "Nothing found in what ran\n")


def test_package_without_main_is_told(project: Path) -> None:
    write(project, "package/__init__.py", "")
    ran = lint(project, "-m", "package")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "error: no module named package.__main__: package is a package that cannot be run itself\n"


def test_processes_that_the_program_spawns(project: Path) -> None:
    """The main module is imported anew there, and only this process reports."""
    text = (
        "import multiprocessing\nimport torch\n\n"
        "def work(n):\n    y = torch.ones(2, requires_grad=True) * 1\n    y += n\n    return y.sum().item()\n\n"
        "if __name__ == '__main__':\n"
        "    for method in ('spawn', 'fork'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "            print(pool.map(work, [1, 2]))\n"
        "    work(3)\n"
    )
    ran = lint(project, "--output-format=concise", "--select=AGL103", write(project, "train.py", text))
    lines = ran.stdout.splitlines()
    assert lines[:2] == ["[4.0, 6.0]"] * 2
    assert [line.split(":")[1] for line in lines[2:]] == ["6"]
    assert ran.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_forked_process_that_ends_as_the_program_does_is_silent(project: Path) -> None:
    fork = "import os\nchild = os.fork()\nif child:\n    print('child:', os.waitpid(child, 0)[1])\n"
    ran = lint(project, "--output-format=concise", "--select=AGL103", write(project, "train.py", ONE_FINDING + fork))
    assert ran.stdout.splitlines() == [
        "child: 0",
        "train.py:4:1: AGL103 `add_` changes `x`, which is in the graph",
    ]
