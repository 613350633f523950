"""The walls themselves, attacked below Python: with system calls, which no guard rail sees; each set of walls by itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import autograd_lint
from autograd_lint.dynamic.sandbox.walls import Walls
from autograd_lint.dynamic.snippets.jobs import Job, Status
from autograd_lint.dynamic.snippets.pool import Pool
from tests.dynamic.snippets.conftest import descendants, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are walls on Linux only")

ATTACKS = """
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
data, inner, socket_path = (os.fsencode(p) for p in ("OUTSIDE/data.txt", "OUTSIDE/inner", "SOCKET"))
address = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H", PORT) + bytes([127, 0, 0, 1]) + bytes(8), 16)
local = ctypes.create_string_buffer(struct.pack("=H", 1) + socket_path + b"\\0", 110)

def connects(family, kind, where, length):
    fd = libc.socket(family, kind, 0)
    return fd >= 0 and libc.connect(fd, where, length) >= 0

def descends():
    child = libc.fork()
    if child == 0:
        libc.setsid()
        if libc.fork() == 0:
            libc.sleep(1000)
        os._exit(0)
    return child > 0

def maps_memory_of(path):
    fd = libc.open(path, os.O_RDWR)
    return fd >= 0

ATTACKS = {
    "write": lambda: libc.open(data, os.O_WRONLY) >= 0,
    "create": lambda: libc.open(b"OUTSIDE/new", os.O_WRONLY | os.O_CREAT, 0o600) >= 0,
    "empty": lambda: libc.open(data, os.O_RDONLY | os.O_TRUNC) >= 0,
    "truncate": lambda: libc.truncate(data, 1) >= 0,
    "remove": lambda: libc.unlink(data) >= 0,
    "remove folder": lambda: libc.rmdir(inner) >= 0,
    "make folder": lambda: libc.mkdir(b"OUTSIDE/new folder", 0o700) >= 0,
    "move": lambda: libc.rename(data, b"mine") >= 0,
    "link": lambda: libc.link(data, b"mine") >= 0 and libc.chmod(b"mine", 0) >= 0,
    "mode": lambda: libc.chmod(data, 0o640) >= 0,
    "mode of open file": lambda: libc.fchmod(libc.open(data, os.O_RDONLY), 0o640) >= 0,
    "owner": lambda: libc.chown(data, os.getuid(), os.getgid()) >= 0,
    "times": lambda: libc.utimensat(-100, data, None, 0) >= 0,
    "attribute": lambda: libc.setxattr(data, b"user.x", b"y", 1, 0) >= 0,
    "own memory": lambda: maps_memory_of(b"/proc/self/mem"),
    "memory of the parent": lambda: maps_memory_of(b"/proc/%d/mem" % os.getppid()),
    "shared memory": lambda: libc.open(b"/dev/shm/autograd-lint-test", os.O_RDWR | os.O_CREAT, 0o600) >= 0,
    "raw disk": lambda: any(libc.open(b"/dev/" + d, os.O_RDWR) >= 0 for d in (b"vda", b"sda", b"nvme0n1", b"mem")),
    "terminal": lambda: any(libc.open(b"/dev/pts/%d" % n, os.O_RDWR) >= 0 for n in range(5)),
    "TCP": lambda: connects(2, 1, address, 16),
    "UDP": lambda: connects(2, 2, address, 16),
    "local socket": lambda: connects(1, 1, local, 2 + len(socket_path) + 1),
    "kill parent": lambda: libc.kill(os.getppid(), 9) >= 0,
    "kill linter": lambda: libc.kill(LINTER, 9) >= 0,
    "kill linter's group": lambda: libc.kill(-LINTER, 9) >= 0,
    "kill linter's thread": lambda: libc.syscall(200 if os.uname().machine == "x86_64" else 130, LINTER, 9) >= 0,
    "trace parent": lambda: libc.ptrace(16, os.getppid(), 0, 0) >= 0,
    "child": descends,
    "mount": lambda: libc.mount(b"none", b"OUTSIDE", b"tmpfs", 0, None) >= 0,
    "unmount": lambda: libc.umount2(b".", 2) >= 0,
    "segment": lambda: libc.shmctl(libc.shmget(4242, 1 << 20, 0o1600), 0, None) >= 0,
    "limits of the parent": lambda: libc.prlimit(os.getppid(), 7, (ctypes.c_ulong * 2)(5, 5), None) >= 0,
    "own limits": lambda: libc.prlimit(0, 7, (ctypes.c_ulong * 2)(5000, 5000), None) >= 0,
    "priority of the parent": lambda: libc.setpriority(0, os.getppid(), 19) >= 0,
}
for name, attack in ATTACKS.items():
    if attack():
        print(name)
# The last one: if it succeeds, this program is no more.
libc.execl(b"/bin/echo", b"echo", b"program", None)
"""


@pytest.fixture
def local_socket(tmp_path: Path) -> Iterator[Path]:
    """A socket of the machine that somebody listens on."""
    path = Path(os.path.relpath(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield path.resolve()


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the machine that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def attack(pool: Pool, without: frozenset[str], outside: Path, local_socket: Path, port: int) -> set[str]:
    """The attacks that came through; skips where this machine lacks one of the walls that should stand."""
    walls = pool.interpreter().walls
    stands = {"namespaces": walls.read_only_disk, "landlock": walls.landlock >= 6, "seccomp": walls.seccomp}
    missing = [name for name in stands if not stands[name] and name not in without]
    if missing:
        pytest.skip(f"this machine does not allow: {', '.join(missing)}")
    text = ATTACKS.replace("OUTSIDE", str(outside)).replace("SOCKET", str(local_socket)).replace("PORT", str(port))
    before = descendants(os.getpid())
    (result,) = pool.run([Job(text.replace("LINTER", str(os.getpid())))])
    assert result.status in (Status.FINISHED, Status.EXITED), result
    assert wait_until(lambda: descendants(os.getpid()) == before)
    return set(result.output.split("\n")) - {""}


WITHIN_THE_POOL = {"child", "local socket", "segment", "limits of the parent", "priority of the parent"}
"""What the filter alone prevents. A child is ended afterwards, the rest harms the program's own server or namespace."""


@pytest.mark.parametrize("left_out", ["", "namespaces", "landlock", "seccomp"])
def test_walls_hold_even_without_one_of_them(
    pool_without: Callable[..., Pool], left_out: str, outside: Path, local_socket: Path, port: int
) -> None:
    without = frozenset(filter(None, [left_out]))
    came_through = attack(pool_without(*without), without, outside, local_socket, port)
    assert came_through <= (WITHIN_THE_POOL if left_out == "seccomp" else set())


FILES = {"write", "create", "truncate", "remove", "remove folder", "make folder"}
ATTRIBUTES = {"mode", "mode of open file", "times"}
NETWORK = {"TCP", "UDP"}
SIGNALS = {"kill parent", "kill linter", "kill linter's group", "kill linter's thread"}
OTHERS = {"trace parent", "memory of the parent"}


@pytest.mark.parametrize(
    ("wall", "closed", "opened"),
    [
        # Its parent may be sent a signal, but is the first process of its space, which none from within ends.
        ("namespaces", FILES | ATTRIBUTES | NETWORK | SIGNALS - {"kill parent"}, {"child", "local socket"}),
        ("landlock", FILES | SIGNALS | OTHERS | {"TCP", "program"}, ATTRIBUTES | {"UDP", "child", "local socket"}),
        # Where files stand open, so does the memory of others, by its file in /proc.
        (
            "seccomp",
            ATTRIBUTES | NETWORK | SIGNALS | {"trace parent", "child", "program", "local socket", "mount"},
            FILES - {"truncate"},
        ),
    ],
)
def test_each_wall_alone_closes_what_it_should(
    pool_without: Callable[..., Pool],
    wall: str,
    closed: set[str],
    opened: set[str],
    tmp_path: Path,
    local_socket: Path,
    port: int,
) -> None:
    """What comes through without the other walls shows that the attacks are real ones."""
    without = frozenset({"namespaces", "landlock", "seccomp"} - {wall})
    (tmp_path / "inner").mkdir()
    (tmp_path / "data.txt").write_text("not so precious")
    came_through = attack(pool_without(*without), without, tmp_path, local_socket, port)
    Path("/dev/shm/autograd-lint-test").unlink(missing_ok=True)
    assert not came_through & closed
    assert came_through >= opened


def test_gaps_are_told(pool_without: Callable[..., Pool]) -> None:
    with_all, without_any = pool_without().interpreter().walls, Walls()
    assert any("network" in gap for gap in without_any.gaps())
    assert any("writing" in gap for gap in without_any.gaps())
    assert set(with_all.gaps()) < set(without_any.gaps())


AS_SOMEBODY = """
import os, sys
from autograd_lint.dynamic.snippets.jobs import Job
from autograd_lint.dynamic.snippets.launch import Setup
from autograd_lint.dynamic.snippets.pool import Pool

with Pool(Setup(preload=("json",))) as pool:
    texts = ["print(open(%r).read(), os.getuid())" % sys.argv[1], "open(%r, 'w')" % sys.argv[1], "os.fork()"]
    for result in pool.run(Job("import os\\n" + text) for text in texts):
        print(result.status.name, result.output.strip())
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else; others are")
def test_walls_stand_for_a_user_without_privileges() -> None:
    nobody = 65534
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, nobody, nobody)
        data = Path(folder, "data.txt")
        data.write_text("precious")
        os.chown(data, nobody, nobody)
        root = str(Path(autograd_lint.__file__).parent.parent)
        environment = {"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "PYTHONPATH": root}
        command = [sys.executable, "-c", AS_SOMEBODY, str(data)]
        rights = {"user": nobody, "group": nobody, "extra_groups": []}
        try:
            done = subprocess.run(
                command, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False, **rights
            )
        except PermissionError:
            pytest.skip("this interpreter is root's alone")
        assert (done.stderr, done.stdout.split("\n")) == (
            "",
            [f"FINISHED precious {nobody}", "REFUSED ", "REFUSED ", ""],
        )
        assert data.read_text() == "precious"
        assert os.listdir(folder) == ["data.txt"]
