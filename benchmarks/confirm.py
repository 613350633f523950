"""How long 100 findings in 10 files take to confirm, torch's import included: `python benchmarks/confirm.py`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

FINDINGS: Final = 10
FILES: Final = 10
FUNCTION: Final = """
def step_{number}():
    x = torch.ones(3, requires_grad=True)
    e = x.exp()
    e.add_(1)
    try:
        e.sum().backward()
    except RuntimeError:
        pass


step_{number}()
"""


def main() -> None:
    """Write the files, confirm, print the time and the verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            text = "import torch\n" + "".join(FUNCTION.format(number=each) for each in range(FINDINGS))
            (Path(folder) / f"file_{number}.py").write_text(text)
        started = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "autograd_lint",
            "--isolated",
            "--confirm",
            "--output-format",
            "concise",
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    verdicts = Counter(line.rpartition("(")[2].rstrip(")") for line in done.stdout.splitlines())
    print(f"{sum(verdicts.values())} findings in {FILES} files: {seconds:.1f} s, {dict(verdicts)}")


if __name__ == "__main__":
    main()
