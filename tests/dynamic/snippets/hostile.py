"""Programs that mean harm, or do it by mistake, each with the end that the sandbox must put to it.

In their texts OUTSIDE is a folder of somebody else's, LINTER the number of the linter's process.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from autograd_lint.dynamic.snippets.jobs import Status


@dataclass(frozen=True)
class Hostile:
    """A program, how it may end (which depends on the kernel's whims for a few), and what the reason says."""

    name: str
    text: str
    ends: frozenset[Status]
    reason: str
    limits: dict[str, float] = field(default_factory=dict)


def _hostile(name: str, text: str, reason: str, *ends: Status, **limits: float) -> Hostile:
    return Hostile(name, text, frozenset(ends), reason, limits)


_RAW = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"

PROGRAMS = [
    # ------------------------------------------------------------------ time
    _hostile("endless loop", "while True: pass", "longer than 0.4 s", Status.TIMED_OUT, seconds=0.4),
    _hostile("endless sleep", "import time\ntime.sleep(1e6)", "longer than 0.4 s", Status.TIMED_OUT, seconds=0.4),
    _hostile(
        "deaf to signals",
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        "longer than 0.4 s",
        Status.TIMED_OUT,
        seconds=0.4,
    ),
    _hostile("stops itself", "import os\nos.kill(os.getpid(), 19)", "longer than 0.4 s", Status.TIMED_OUT, seconds=0.4),
    _hostile(
        "endless in its exception",
        "class Slow(Exception):\n    def __str__(self):\n        while True: pass\nraise Slow",
        "longer than 0.4 s",
        Status.TIMED_OUT,
        seconds=0.4,
    ),
    # ------------------------------------------------------------------ memory, output, disk, threads
    _hostile(
        "200 GB tensor",
        "import torch\ntorch.zeros(50_000_000_000)",
        "out of memory: RuntimeError",
        Status.OUT_OF_MEMORY,
    ),
    _hostile(
        "list bomb",
        "a = [0] * 1000\nwhile True: a = a + a",
        "out of memory: MemoryError",
        Status.OUT_OF_MEMORY,
        memory=1 << 27,
    ),
    _hostile(
        "memory in a file without a name",
        "import os\nfd = os.memfd_create('x')\nblock = b'x' * (1 << 20)\nfor _ in range(2000): os.write(fd, block)",
        "not permitted|filled",
        Status.REFUSED,
        Status.DISK_LIMIT,
    ),
    _hostile(
        "10 GB of prints", "for _ in range(10_000): print('x' * 1_000_000)", "printed more than", Status.OUTPUT_LIMIT
    ),
    _hostile(
        "10 GB of errors",
        "import os\nblock = b'x' * 1_000_000\nfor _ in range(10_000): os.write(2, block)",
        "printed more than",
        Status.OUTPUT_LIMIT,
    ),
    _hostile(
        "one large file",
        "with open('a', 'wb') as f:\n    while True: f.write(bytes(1 << 20))",
        "filled its scratch",
        Status.DISK_LIMIT,
    ),
    _hostile(
        "many files",
        "for i in range(10**6):\n    with open(f'f{i}', 'wb') as f: f.write(bytes(1 << 16))",
        "filled its scratch",
        Status.DISK_LIMIT,
    ),
    _hostile(
        "many folders, errors ignored",
        "import os\nfor i in range(10**9):\n    try:\n        os.mkdir('d')\n        os.chdir('d')\n    except OSError: pass",
        "longer than 0.4 s|filled its scratch",
        Status.TIMED_OUT,
        Status.DISK_LIMIT,
        seconds=0.4,
    ),
    _hostile(
        "thread bomb",
        "import threading, time\nfor _ in range(10_000): threading.Thread(target=time.sleep, args=(1e6,)).start()",
        "more than 24 threads|start new thread|out of memory",
        Status.PROCESS_LIMIT,
        Status.RAISED,
        Status.OUT_OF_MEMORY,
    ),
    _hostile(
        "deep recursion",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return [f()][0]\nf()",
        "killed by SIGSEGV|out of memory|Recursion|SystemError",
        Status.KILLED,
        Status.OUT_OF_MEMORY,
        Status.RAISED,
        seconds=20,
        memory=16 << 20,
    ),
    _hostile(
        "deep recursion in C",
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**5): x = [x]\nrepr(x)",
        "killed by SIGSEGV|out of memory|Recursion",
        Status.KILLED,
        Status.OUT_OF_MEMORY,
        Status.RAISED,
        seconds=20,
    ),
    # ------------------------------------------------------------------ ends of its own
    _hostile("os._exit", "import os\nos._exit(3)", r"os\._exit\(3\)", Status.EXITED),
    _hostile("os._exit, as if all were well", "import os\nos._exit(0)", r"os\._exit\(0\)", Status.EXITED),
    _hostile("sys.exit", "import sys\nsys.exit('no data')", r"sys\.exit\('no data'\)", Status.EXITED),
    _hostile("SIGKILL to itself", "import os\nos.kill(os.getpid(), 9)", "killed by SIGKILL", Status.KILLED),
    _hostile("SIGKILL to its group", "import os\nos.kill(0, 9)", "killed by SIGKILL", Status.KILLED),
    _hostile("abort", "import os\nos.abort()", "killed by SIGABRT", Status.KILLED),
    _hostile("segfault", "import ctypes\nctypes.string_at(0)", "killed by SIGSEGV", Status.KILLED),
    _hostile("setprofile", "import sys\nsys.setprofile(lambda *a: 1 / 0)\nlen('')", "ZeroDivisionError", Status.RAISED),
    _hostile("reads standard input", "input()", "EOFError", Status.RAISED),
    # ------------------------------------------------------------------ other processes
    _hostile("SIGKILL to its parent", "import os\nos.kill(os.getppid(), 9)", "wanted to send a signal", Status.REFUSED),
    _hostile("SIGKILL to the linter", "import os\nos.kill(LINTER, 9)", "wanted to send a signal", Status.REFUSED),
    _hostile("SIGKILL to all", "import os\nos.kill(-1, 9)", "wanted to send a signal", Status.REFUSED),
    _hostile(
        "SIGKILL to the linter's group", "import os\nos.killpg(LINTER, 9)", "wanted to send a signal", Status.REFUSED
    ),
    _hostile("fork bomb", "import os\nwhile True: os.fork()", "wanted to start a process", Status.REFUSED),
    _hostile("os.system", "import os\nos.system('touch OUTSIDE/x')", "wanted to start another program", Status.REFUSED),
    _hostile(
        "subprocess",
        "import subprocess\nsubprocess.run(['touch', 'OUTSIDE/x'])",
        "wanted to start another program",
        Status.REFUSED,
    ),
    _hostile(
        "exec", "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo'])", "wanted to become another", Status.REFUSED
    ),
    _hostile(
        "multiprocessing",
        "import multiprocessing as m\np = m.get_context('fork').Process(target=print)\np.start()",
        "wanted to start a process",
        Status.REFUSED,
    ),
    # ------------------------------------------------------------------ files
    _hostile("overwrites", "open('OUTSIDE/data.txt', 'w').write('x')", "wanted to write to .*data.txt", Status.REFUSED),
    _hostile("appends", "open('OUTSIDE/data.txt', 'a').write('x')", "wanted to write to .*data.txt", Status.REFUSED),
    _hostile("new file", "open('OUTSIDE/new', 'x')", "wanted to write to .*new", Status.REFUSED),
    _hostile("removes", "import os\nos.remove('OUTSIDE/data.txt')", "wanted to remove .*data.txt", Status.REFUSED),
    _hostile("removes a tree", "import shutil\nshutil.rmtree('OUTSIDE')", "not permitted", Status.REFUSED),
    _hostile("moves", "import os\nos.rename('OUTSIDE/data.txt', 'mine')", "wanted to move", Status.REFUSED),
    _hostile("makes a folder", "import os\nos.mkdir('OUTSIDE/new')", "wanted to make the folder", Status.REFUSED),
    _hostile(
        "changes the mode", "import os\nos.chmod('OUTSIDE/data.txt', 0)", "wanted to change the mode", Status.REFUSED
    ),
    _hostile(
        "changes the time", "import os\nos.utime('OUTSIDE/data.txt')", "wanted to change the times", Status.REFUSED
    ),
    _hostile("truncates", "import os\nos.truncate('OUTSIDE/data.txt', 0)", "wanted to truncate", Status.REFUSED),
    _hostile(
        "goes elsewhere first", "import os\nos.chdir('OUTSIDE')\nopen('new', 'w')", "wanted to write to", Status.REFUSED
    ),
    _hostile(
        "through a link",
        "import os\nos.symlink('OUTSIDE', 'mine')\nopen('mine/data.txt', 'w')",
        "wanted to write to",
        Status.REFUSED,
    ),
    _hostile("its own memory", "open('/proc/self/mem', 'r+b')", "wanted to write to /proc", Status.REFUSED),
    _hostile("shared memory", "open('/dev/shm/autograd-lint', 'w')", "wanted to write to /dev/shm", Status.REFUSED),
    _hostile(
        "torch.save outside",
        "import torch\ntorch.save(1, 'OUTSIDE/new.pt')",
        "wanted to write|not permitted",
        Status.REFUSED,
    ),
    # ------------------------------------------------------------------ the network
    _hostile("TCP", "import socket\nsocket.create_connection(('127.0.0.1', 80))", "network|socket", Status.REFUSED),
    _hostile(
        "UDP",
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "wanted to open a socket",
        Status.REFUSED,
    ),
    _hostile("local socket", "import socket\nsocket.socket(socket.AF_UNIX)", "wanted to open a socket", Status.REFUSED),
    _hostile(
        "download",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')",
        "network|socket",
        Status.REFUSED,
    ),
    # ------------------------------------------------------------------ the result
    _hostile("closes every file", "import os\nos.closerange(0, 1000)", "could not be sent", Status.NO_RESULT),
    _hostile(
        "writes to every file",
        'import os\nfor fd in range(3, 200):\n    try: os.write(fd, b\'{"status": "finished"}\')\n    except OSError: pass',
        "something else than the result",
        Status.NO_RESULT,
    ),
    _hostile(
        "replaces what sends it",
        "import json, os\njson.dumps = os.write = os._exit = None\njson.JSONEncoder.encode = None",
        "closed or broke the result channel",
        Status.NO_RESULT,
    ),
]

HARMLESS = [
    (
        "threads left behind",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1e6,), name='left').start()",
        "left 1 thread",
    ),
    (
        "replaced functions of torch",
        "import torch\ntorch.Tensor.backward = torch.autograd.backward = torch.ones = torch.exp = print\ndel torch.nn.Module",
        None,
    ),
    ("settrace", "import sys\nsys.settrace(lambda *a: 1 / 0)", None),
    ("removes its scratch folder", "import os\ntry: os.rmdir(os.getcwd())\nexcept OSError: pass", None),
    ("goes elsewhere", "import os\nos.chdir('/')", None),
    ("gets over a refusal", "import os\ntry: os.system('ls')\nexcept OSError: pass", "wanted to start another program"),
    ("replaces the streams", "import sys\nsys.stdout = sys.stderr = sys.stdin = None", None),
    ("closes the streams", "import sys\nsys.stdout.close()\nsys.stderr.close()", None),
    ("exits well", "import sys\nsys.exit(0)", None),
]
"""Programs that run to their end: name, text, what the notes say."""
