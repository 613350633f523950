"""How much memory a run over the whole installed torch package needs, in one process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from trees import python_files, tell_goal, torch_folder

GOAL = 400.0


def main() -> None:
    """Measure, print, and exit with 1 when the goal is missed."""
    paths = [Path(name) for name in sys.argv[1:]] or [torch_folder()]
    command = [sys.executable, "-m", "autograd_lint", "--isolated", "--jobs=1", "--output-format=json"]
    started = time.perf_counter()
    done = subprocess.run([*command, *map(str, paths)], stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - started
    # Linux counts in KiB, macOS in bytes.
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / scale
    codes = Counter(found["code"] for found in json.loads(done.stdout))
    print(f"{len(python_files(paths))} files in {seconds:.0f} s, exit status {done.returncode}")
    print("findings: " + (", ".join(f"{number} {code}" for code, number in sorted(codes.items())) or "none"))
    sys.exit(0 if tell_goal("peak memory", peak, GOAL, " MiB") else 1)


if __name__ == "__main__":
    main()
