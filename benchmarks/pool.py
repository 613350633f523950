"""How many small programs a second the pool runs, and what its start costs: `python benchmarks/pool.py [JOBS]`.

Each program is judged several times in turn; the median counts, and the spread is shown, since machines are shared.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from typing import Final

from autograd_lint.dynamic.snippets.jobs import Job, Status
from autograd_lint.dynamic.snippets.launch import ALL_WALLS, Setup
from autograd_lint.dynamic.snippets.pool import Pool

PROGRAMS: Final = {
    "empty": "",
    "one backward": """
import torch
x = torch.ones(3, requires_grad=True)
y = x.exp()
y.mul_(2)
try:
    y.sum().backward()
except RuntimeError:
    pass
""",
    "training loop": """
import torch
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    model(torch.randn(4, 8)).square().mean().backward()
    optimizer.step()
""",
}
ROUNDS: Final = 7
BATCH: Final = 20


def main() -> None:
    """Measure with all walls and with none, on one core and on `JOBS`."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:jobs])
    for label, without in (("all walls", frozenset[str]()), ("no walls", ALL_WALLS)):
        measure(label, Setup(jobs=jobs, without=without))
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time of all: {spent.ru_utime:.1f} s user, {spent.ru_stime:.1f} s system")


def measure(label: str, setup: Setup) -> None:
    """Print what a pool of `setup` takes to start, and per program."""
    started = time.perf_counter()
    with Pool(setup) as pool:
        interpreter = pool.interpreter()
        seconds = time.perf_counter() - started
        print(f"{label}, {setup.jobs} at a time, torch {interpreter.torch}: starts in {seconds:.2f} s")
        for name, text in PROGRAMS.items():
            first = batch(pool, text, 1)
            rounds = sorted(batch(pool, text, BATCH) / BATCH for _ in range(ROUNDS))
            middle = statistics.median(rounds)
            print(
                f"  {name:14} {1 / middle:6.1f} a second: {middle * 1e3:5.1f} ms each "
                f"({rounds[0] * 1e3:.1f} to {rounds[-1] * 1e3:.1f}), the first {first * 1e3:.0f} ms"
            )


def batch(pool: Pool, text: str, size: int) -> float:
    """The seconds that `size` runs of `text` take."""
    started = time.perf_counter()
    for result in pool.run([Job(text)] * size):
        assert result.status is Status.FINISHED, result
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
