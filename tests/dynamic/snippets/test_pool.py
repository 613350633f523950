"""The pool: what programs see, what comes back, and what happens when a server or the linter dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import autograd_lint
from autograd_lint.dynamic.sandbox.limits import Limits
from autograd_lint.dynamic.snippets import launch
from autograd_lint.dynamic.snippets.jobs import Frame, Job, JobResult, Status
from autograd_lint.dynamic.snippets.launch import Setup, scrubbed
from autograd_lint.dynamic.snippets.pool import Pool
from autograd_lint.errors import ConfirmError
from tests.dynamic.snippets.conftest import SMALL, descendants, wait_until

HOOKS = "autograd_lint.dynamic.snippets.program."


@pytest.fixture(scope="module", params=["forked", "spawned"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """A pool without torch, of either kind."""
    with Pool(Setup(jobs=2, limits=SMALL, preload=("json",)), spawn=request.param == "spawned") as pool:
        yield pool


def run(pool: Pool, text: str, **fields: object) -> JobResult:
    (result,) = pool.run([Job(textwrap.dedent(text), **fields)])  # type: ignore[arg-type]
    return result


# ------------------------------------------------------------------ what a program sees


def test_program_is_main(pool: Pool) -> None:
    text = """
        import inspect, pickle, sys
        class Net: pass
        def f():
            return 1
        print(__name__, __file__, sys.argv, sys.modules["__main__"].f is f)
        print(type(pickle.loads(pickle.dumps(Net()))) is Net, inspect.getsource(f).splitlines()[1].strip())
    """
    result = run(pool, text, filename="/project/train.py", argv=("--epochs", "2"))
    assert result.output.splitlines() == [
        "__main__ /project/train.py ['/project/train.py', '--epochs', '2'] True",
        "True return 1",
    ], result


def test_program_may_import_from_its_project(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def fail():\n    raise KeyError('lr')\n")
    result = run(pool, "import helper\nhelper.fail()", path=(str(tmp_path),), filename="train.py")
    assert result.status is Status.RAISED
    assert result.failure is not None
    assert (result.failure.type, result.failure.message) == ("KeyError", "'lr'")
    assert result.failure.frames == (Frame("train.py", 2, "<module>"), Frame(str(tmp_path / "helper.py"), 2, "fail"))
    assert not list(tmp_path.glob("__pycache__"))


def test_program_sees_no_secret_and_no_file_of_others(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(
        pool,
        "import os\nprint(os.listdir('.'), sorted(os.environ), os.path.realpath(os.environ['HOME']) == os.getcwd())",
    )
    assert result.output.startswith("[] ")
    assert result.output.endswith("True\n")
    assert "TOKEN" not in result.output
    kept = scrubbed({"PATH": "p", "LC_ALL": "C", "GITHUB_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "y", "PYTHONPATH": "."})
    assert {"PATH", "LC_ALL"} <= set(kept)
    assert not {"GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(kept)


def test_program_may_use_its_scratch_folder(pool: Pool) -> None:
    text = """
        import os, tempfile, shutil, pathlib
        pathlib.Path("a/b").mkdir(parents=True)
        with tempfile.NamedTemporaryFile("w") as f, open("a/b/c", "w") as g:
            g.write("x")
        shutil.move("a/b/c", "c")
        shutil.rmtree("a")
        print(os.listdir("."), open("c").read(), open(os.devnull, "w").write("gone"))
    """
    result = run(pool, text)
    assert (result.output, result.notes) == ("['c'] x 4\n", ()), result


def test_programs_do_not_see_each_other(pool: Pool) -> None:
    first = run(
        pool,
        "import json, os, random\njson.dumps = None\nopen('left', 'w')\nos.environ['LEFT'] = '1'\nprint(random.random())",
    )
    second = run(
        pool,
        "import json, os, random\nassert json.dumps and not os.listdir('.') and 'LEFT' not in os.environ\nprint(random.random())",
    )
    assert (first.status, second.status) == (Status.FINISHED, Status.FINISHED)
    assert first.output == second.output, "a program repeats itself"


def test_program_with_a_syntax_error(pool: Pool) -> None:
    result = run(pool, "x = (")
    assert result.status is Status.RAISED
    assert result.reason.startswith("SyntaxError")


# ------------------------------------------------------------------ what comes back


def test_results_come_in_order_with_their_own_limits(pool: Pool) -> None:
    quick = Limits(seconds=0.3)
    jobs = [Job("import time; time.sleep(9)", limits=quick), *(Job(f"print({i})") for i in range(5))]
    results = list(pool.run(jobs))
    assert results[0].status is Status.TIMED_OUT
    assert 0.3 <= results[0].seconds < 2
    assert [result.output for result in results[1:]] == [f"{i}\n" for i in range(5)]


def test_output_is_kept_up_to_the_end(pool: Pool) -> None:
    result = run(pool, "import sys, os\nprint('a', end='')\nsys.stderr.write('b\\n')\nsys.stdout.flush()\nos._exit(7)")
    assert (result.status, sorted(result.output)) == (Status.EXITED, ["\n", "a", "b"])
    assert run(pool, "import sys\nsys.stdout.buffer.write(b'\\xff')").output == "\ufffd"


@pytest.mark.parametrize("spawn", [False, True])
def test_hook_runs_around_the_program(spawn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(autograd_lint.__file__).parent
    for path in [package / "__init__.py", *package.glob("dynamic/**/*.py")]:
        copy = tmp_path / path.relative_to(package.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "autograd_lint" / "dynamic" / "echo.py").write_text(
        "def watch(program):\n"
        "    before = program.error\n"
        "    program.run()\n"
        "    x = program.module.x\n"
        "    return {'options': dict(program.options), 'x': x, 'before': before, 'error': type(program.error).__name__}\n"
    )
    monkeypatch.setattr(launch, "_BOOT", str(tmp_path / "autograd_lint/dynamic/snippets/boot.py"))
    with Pool(Setup(preload=("json",)), spawn=spawn) as pool:
        result = run(pool, "x = 6\n1 / 0", hook="autograd_lint.dynamic.echo.watch", options={"depth": [1, 2]})
    assert result.status is Status.RAISED
    assert result.value == {"options": {"depth": [1, 2]}, "x": 6, "before": None, "error": "ZeroDivisionError"}


@pytest.mark.parametrize(
    ("hook", "status", "reason"),
    [
        ("os.system", Status.NOT_RUN, "a hook is a function in autograd_lint.dynamic"),
        (HOOKS + "missing", Status.NOT_RUN, "AttributeError"),
        (HOOKS + "_PACKAGE", Status.NOT_RUN, "no function"),
        (HOOKS + "Program", Status.HOOK_FAILED, "cannot be sent"),
        (HOOKS + "find_hook", Status.HOOK_FAILED, "the observation failed"),
    ],
)
def test_hook_that_cannot_be_used(pool: Pool, hook: str, status: Status, reason: str) -> None:
    result = run(pool, "", hook=hook)
    assert result.status is status, result
    assert reason in result.reason


def test_exception_that_cannot_be_told(pool: Pool) -> None:
    result = run(pool, "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E")
    assert result.status is Status.RAISED
    assert result.failure is not None
    assert "cannot be had" in result.failure.message


def test_traceback_of_deep_recursion_is_bounded(pool: Pool) -> None:
    result = run(pool, "def f(n): return f(n + 1)\nf(0)")
    assert result.failure is not None
    assert result.failure.type == "RecursionError"
    assert len(result.failure.frames) == 100
    assert result.failure.frames[0] == Frame("<program>", 2, "<module>")


# ------------------------------------------------------------------ interpreters


def test_linter_never_imports_torch_and_interpreter_needs_no_other_package(tmp_path: Path) -> None:
    """The interpreter sees the standard library only; what lies in the folder of the linter is not imported from it."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    for name in ("json.py", "limits.py", "jobs.py"):
        (tmp_path / name).write_text("raise SystemExit('a file of the project was imported')")
    code = (
        "import sys\n"
        "from autograd_lint.dynamic.snippets.pool import Pool\n"
        "from autograd_lint.dynamic.snippets.launch import Setup\n"
        "from autograd_lint.dynamic.snippets.jobs import Job\n"
        f"with Pool(Setup(python={str(bare)!r}, preload=('json',))) as pool:\n"
        "    print(next(pool.run([Job('import sys; print(\"libcst\" in sys.modules)')])).output, 'torch' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n False\n", "")


@pytest.mark.parametrize("spawn", [False, True])
def test_interpreter_without_torch_is_told(spawn: bool) -> None:
    with Pool(Setup(preload=("no_such_module",)), spawn=spawn) as pool:
        future = pool.submit(Job("1"))
        with pytest.raises(ConfirmError, match=r"No module named 'no_such_module'"):
            pool.interpreter()
        with pytest.raises(ConfirmError, match=r"No module named 'no_such_module'"):
            future.result(10)


@pytest.mark.parametrize("spawn", [False, True])
@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false", "/bin/cat"])
def test_what_is_no_interpreter_is_told(spawn: bool, python: str) -> None:
    with Pool(Setup(python=python), spawn=spawn) as pool:
        with pytest.raises(ConfirmError, match=python):
            pool.interpreter()
        with pytest.raises(ConfirmError, match=python):
            pool.submit(Job("1")).result(10)


def test_torch_runs_forked_and_spawned(torch_pool: Pool) -> None:
    text = "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.exp()\ny.mul_(2)\ny.sum().backward()"
    with Pool(Setup(limits=SMALL), spawn=True) as spawned:
        results = [run(spawned, text), run(torch_pool, text)]
    for result in results:
        assert result.status is Status.RAISED
        assert "modified by an inplace operation" in result.reason
        assert result.failure is not None
        assert result.failure.frames[0].row == 5
    assert torch_pool.interpreter().torch


def test_optimizers_and_large_kernels_run_in_a_forked_process(torch_pool: Pool) -> None:
    text = """
        import torch
        model = torch.nn.Sequential(torch.nn.Linear(8, 600), torch.nn.ReLU(), torch.nn.Linear(600, 1))
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(64, 8)).square().mean().backward()
            optimizer.step()
        print((torch.rand(600, 600) @ torch.rand(600, 600)).shape, torch.rand(2_000_000).exp().shape, torch.get_num_threads())
    """
    result = run(torch_pool, text, limits=Limits(seconds=20))
    assert result.output == "torch.Size([600, 600]) torch.Size([2000000]) 1\n", result


# ------------------------------------------------------------------ deaths


def server_beside(others: set[int]) -> int:
    """The process number of the fork server that was started after `others`."""
    mine = descendants(os.getpid()) - others
    (keeper,) = [pid for pid in mine if parent_of(pid) == os.getpid()]
    (server,) = [pid for pid in mine if parent_of(pid) == keeper]
    return server


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_server_that_is_killed_is_replaced_and_no_job_is_lost() -> None:
    others = descendants(os.getpid())
    with Pool(Setup(jobs=2, limits=SMALL, preload=("json",))) as pool:
        pool.interpreter()
        server = server_beside(others)
        futures = [pool.submit(Job(f"import time; time.sleep(0.4); print({i})")) for i in range(5)]
        time.sleep(0.2)
        os.kill(server, signal.SIGKILL)
        assert [future.result(20).output for future in futures] == [f"{i}\n" for i in range(5)]
        assert server_beside(others) != server


def test_job_that_kills_its_server_takes_nobody_with_it(pool_without: Callable[..., Pool]) -> None:
    """Only where no wall stands can it: with them the attack fails, see the tests of the walls."""
    kill = "import ctypes, os, time\nctypes.CDLL(None).kill(os.getppid(), 9)\ntime.sleep(9)"
    pool = pool_without("namespaces", "landlock", "seccomp")
    slow = [Job(f"import time; time.sleep(0.1); print({i})") for i in range(4)]
    results = list(pool.run([*slow[:2], Job(kill), *slow[2:]]))
    assert [result.output for result in results] == ["0\n", "1\n", "", "2\n", "3\n"]
    assert (results[2].status, results[2].reason) == (
        Status.NO_RESULT,
        "the server that watched it died, and so did it",
    )


def test_closing_ends_what_runs() -> None:
    before = descendants(os.getpid())
    for spawn in (False, True):
        pool = Pool(Setup(jobs=2, preload=("json",)), spawn=spawn)
        pool.interpreter()
        futures = [pool.submit(Job("import time; time.sleep(100)")) for _ in range(4)]
        time.sleep(0.2)
        started = time.monotonic()
        pool.close()
        assert time.monotonic() - started < 5
        assert wait_until(lambda: descendants(os.getpid()) == before)
        assert all(isinstance(future.exception(1), ConfirmError) for future in futures)


@pytest.mark.parametrize("without", [(), ("namespaces", "landlock", "seccomp")], ids=["walls", "no walls"])
def test_nothing_is_left_when_the_linter_is_killed(without: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from autograd_lint.dynamic.snippets.pool import Pool\n"
        "from autograd_lint.dynamic.snippets.launch import Setup\n"
        "from autograd_lint.dynamic.snippets.jobs import Job\n"
        f"pool = Pool(Setup(jobs=2, preload=('json',), without=frozenset({without!r})))\n"
        'futures = [pool.submit(Job(\'open("f", "w").write("x")\\nimport time; time.sleep(100)\')) for _ in range(3)]\n'
        "pool.interpreter(); time.sleep(0.3); print('ready', flush=True); time.sleep(100)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as linter:
        assert linter.stdout is not None
        assert linter.stdout.readline() == b"ready\n"
        started = descendants(linter.pid)
        assert len(started) >= 4, "a keeper, a server and two jobs"
        linter.kill()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert wait_until(lambda: not os.listdir(tmp_path))
