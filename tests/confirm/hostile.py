"""Programs with a true finding behind something that means harm; OUTSIDE is a folder of somebody else's."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Hostile:
    """What stands before the finding, and what the verdict says where that runs as it is, and where it runs in parts.

    `sliced` is empty where a slice takes the harm out: the finding is reached then.
    """

    name: str
    text: str
    reason: str
    sliced: str


_TIME, _MEMORY = "stopped: it ran for as long as it may|ran longer than", "can't allocate memory"

HOSTILE = [
    Hostile("endless_loop", "while True: pass", _TIME, ""),
    Hostile("endless_sleep", "import time\ntime.sleep(1e6)", _TIME, ""),
    Hostile("deaf", "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile 1: 1", _TIME, ""),
    Hostile("fork_bomb", "import os\nwhile True: os.fork()", "wanted to start a process", "wanted to start a process"),
    Hostile("huge_tensor", "import torch\ntorch.zeros(50_000_000_000)", _MEMORY, _MEMORY),
    Hostile("prints", "for _ in range(10_000): print('x' * 1_000_000)", "printed more than", ""),
    Hostile("exits", "import os\nos._exit(0)", r"left by os\._exit\(0\)", r"left by os\._exit\(0\)"),
    Hostile("kills_itself", "import os\nos.kill(os.getpid(), 9)", "killed by SIGKILL", "killed by SIGKILL"),
    Hostile(
        "kills_its_parent", "import os\nos.kill(os.getppid(), 9)", "wanted to send a signal", "wanted to send a signal"
    ),
    Hostile(
        "kills_by_system_call",
        "import ctypes, os\nassert ctypes.CDLL(None).kill(os.getppid(), 9) == 0, 'not allowed'",
        "not allowed",
        "not allowed",
    ),
    Hostile("segfaults", "import ctypes\nctypes.string_at(0)", "killed by SIGSEGV", "killed by SIGSEGV"),
    Hostile(
        "deletes",
        "import shutil\nshutil.rmtree('OUTSIDE')",
        "not permitted|wanted to remove",
        "Errno|wanted to remove",
    ),
    Hostile("removes", "import os\nos.remove('OUTSIDE/data.txt')", "wanted to remove", "wanted to remove"),
    Hostile("overwrites", "open('OUTSIDE/data.txt', 'w').write('x')", "wanted to write to", "wanted to write to"),
    Hostile(
        "connects",
        "import socket\nsocket.create_connection(('127.0.0.1', 80))",
        "host on the network",
        "host on the network",
    ),
    Hostile("opens_a_socket", "import socket\nsocket.socket()", "wanted to open a socket", "wanted to open a socket"),
    Hostile(
        "starts_a_program",
        "import subprocess\nsubprocess.run(['touch', 'OUTSIDE/x'])",
        "wanted to start another program",
        "wanted to start another program",
    ),
    Hostile(
        "replaces_torch",
        "import torch\ntorch.Tensor.backward = lambda *_, **__: None",
        "neither this nor the opposite; it replaced torch.Tensor.backward",
        "neither this nor the opposite; it replaced torch.Tensor.backward",
    ),
    Hostile(
        "replaces_the_write",
        "import torch\ntorch.Tensor.__iadd__ = lambda left, right: left",
        "neither this nor the opposite; it replaced torch.Tensor.__iadd__",
        "neither this nor the opposite; it replaced torch.Tensor.__iadd__",
    ),
    Hostile("stops_tracing", "import sys\nsys.settrace(None)", "wanted to trace", "wanted to trace"),
    Hostile("traces", "import sys\nsys.settrace(lambda *_: 1 / 0)", "wanted to trace", "wanted to trace"),
    Hostile(
        "closes_files", "import os\nos.closerange(0, 1000)", "closed or broke the result", "closed or broke the result"
    ),
    Hostile(
        "fills_the_disk",
        "with open('a', 'wb') as f:\n    while True: f.write(bytes(1 << 20))",
        "filled its scratch",
        "File too large|No space left",
    ),
    Hostile(
        "recurses",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(_): return list(map(f, [0]))\nf(0)",
        f"killed by SIGSEGV|RecursionError|{_TIME}",
        f"killed by SIGSEGV|RecursionError|{_TIME}",
    ),
    Hostile("reads", "input()", "EOFError", ""),
    Hostile("reads_on", "import sys\nassert sys.stdin.read(), 'nothing to read'", "nothing to read", "nothing to read"),
]

THREADS = "import threading, time\nfor _ in range(3): threading.Thread(target=time.sleep, args=(1e6,)).start()"
"""Left behind they keep no finding from its verdict."""

FINDING = """\
import torch

x = torch.ones(3, requires_grad=True)
y = x.exp()
y += 1
y.sum().backward()
"""


def as_script(text: str) -> str:
    """A script that does `text` first."""
    return f"{text}\n{FINDING}"


def as_function(text: str) -> str:
    """A function that nobody calls and that does `text` first."""
    return "import torch\n\n\ndef train():\n" + textwrap.indent(as_script(text), "    ")
