"""How long a check takes beside TorchFix, each in an environment of its own: TorchFix pins an older LibCST.

Both are started as commands and in one process, so that start-up counts; the trees are those of the speed goal.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from trees import python_files, usual_trees

TORCHFIX = "torchfix==0.7.0"


def main() -> None:
    """Install TorchFix, measure both in turns, print."""
    arguments = _arguments()
    paths = [str(path) for path in arguments.paths or usual_trees()]
    with tempfile.TemporaryDirectory() as folder:
        torchfix = _install(arguments.environment or Path(folder))
        ours = [str(Path(sys.executable).parent / "autograd-lint"), "--isolated", "--jobs=1", "--exit-zero", *paths]
        theirs = [str(torchfix), "--select=ALL", *paths]
        _seconds(ours), _seconds(theirs)  # the files are in the system's cache now
        rounds = [(_seconds(ours), _seconds(theirs)) for _ in range(arguments.rounds)]
    print(f"{len(python_files([Path(path) for path in paths]))} files, {arguments.rounds} rounds")
    print(f"autograd-lint: {statistics.median(our for our, _ in rounds):.2f} s")
    print(f"{TORCHFIX}: {statistics.median(their for _, their in rounds):.2f} s")
    print(f"autograd-lint / TorchFix: {statistics.median(our / their for our, their in rounds):.2f} x")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; torch/nn and torch/optim if none")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--environment", type=Path, help="where to keep TorchFix for another time")
    return parser.parse_args()


def _install(folder: Path) -> Path:
    """The TorchFix command in a virtual environment at `folder`, made unless it is there."""
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if not (scripts / "torchfix").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", TORCHFIX], check=True)
    return scripts / "torchfix"


def _seconds(command: list[str]) -> float:
    """The wall time of a command. The exit status says whether something was found, which does not matter here."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
