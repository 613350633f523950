"""How long the command takes to start: `--version`, a file without torch, and a small program that is judged."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trees import tell_goal

GOAL = 0.15
ROUNDS = 15
PROGRAM = "import torch\nx = torch.ones(3, requires_grad=True)\ny = x * x\ny.sum().backward()\n"


def main() -> None:
    """Measure, print, and exit with 1 when the goal is missed."""
    command = [str(Path(sys.executable).parent / "autograd-lint")]
    with tempfile.TemporaryDirectory() as folder:
        plain, program = Path(folder, "plain.py"), Path(folder, "program.py")
        plain.write_text("x = 1\n")
        program.write_text(PROGRAM)
        met = tell_goal("autograd-lint --version", _seconds([*command, "--version"]), GOAL, " s")
        for what, path in (("a file without torch", plain), ("a small program", program)):
            print(f"{what}: {_seconds([*command, '--isolated', str(path)]):.3g} s")
    print(f"python -c pass: {_seconds([sys.executable, '-c', 'pass']):.3g} s")
    print(f"imported by --version: {_heavy_imports()}")
    sys.exit(0 if met else 1)


def _seconds(command: list[str]) -> float:
    """The median wall time of a command that must succeed."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _heavy_imports() -> str:
    """The modules that took longest to import, in milliseconds, their own imports left out."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "autograd_lint", "--version"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line]
    own = sorted(((int(row[0]), row[2].strip()) for row in rows if row[0].strip().isdigit()), reverse=True)
    return ", ".join(f"{name} {microseconds / 1000:.1f} ms" for microseconds, name in own[:6])


if __name__ == "__main__":
    main()
