"""What the observer costs: training steps plain, observed, and under anomaly mode, interleaved in one process.

    python benchmarks/observer.py [--rounds N] [--seconds S] [--steps N] [--json PATH]

Prints, for each model, the median milliseconds of a step and the ratios to the plain one. A round starts the observer,
runs as many steps as take about `--seconds` plain (or just `--steps`), and stops it: what starting and the first steps
cost is in the ratio, and is also told by itself, in milliseconds, since a program pays it once. Losses of all variants
must be equal, bit for bit, or it fails. On a GPU, where there is one, the same again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from autograd_lint.dynamic.observer import SequenceObserver

Step = Callable[[], torch.Tensor]


def mlp(device: str) -> Step:
    """A tiny one, bound by the cost of calling operations."""
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x, y = torch.randn(16, 8, device=device), torch.randn(16, 1, device=device)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def cnn(device: str) -> Step:
    """Two convolutions with batch norm."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    ).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    x, y = torch.randn(16, 3, 24, 24, device=device), torch.randint(10, (16,), device=device)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def transformer(device: str) -> Step:
    """Two encoder layers."""
    layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    x = torch.randn(8, 16, 128, device=device)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def lstm(device: str) -> Step:
    """A cell called in a loop of Python, 20 times a step."""
    cell, head = nn.LSTMCell(16, 32).to(device), nn.Linear(32, 1).to(device)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], 1e-3)
    x = torch.randn(20, 8, 16, device=device)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        h, c = torch.zeros(8, 32, device=device), torch.zeros(8, 32, device=device)
        for t in range(20):
            h, c = cell(x[t], (h, c))
        loss = head(h).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


MODELS = {"tiny MLP": mlp, "CNN": cnn, "transformer": transformer, "LSTM loop": lstm}


def anomaly() -> AbstractContextManager[object]:
    """Torch's own way to find where a failing backward comes from."""
    return torch.autograd.set_detect_anomaly(True)


VARIANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "plain": nullcontext,
    "observer": SequenceObserver,
    "anomaly": anomaly,
}


@dataclass(frozen=True)
class Result:
    """Medians over the rounds: milliseconds of a step, its ratio to the plain one, milliseconds of the beginning."""

    model: str
    device: str
    steps: int
    milliseconds: dict[str, float]
    ratios: dict[str, float]
    beginning: dict[str, float]


@dataclass(frozen=True)
class Round:
    """Seconds of one round: all of it, and its beginning (starting the variant, and the first step)."""

    seconds: float
    beginning: float
    loss: torch.Tensor


def measure(name: str, device: str, *, rounds: int, seconds: float, steps: int | None) -> Result:
    """Each round runs every variant on a model of its own, from one seed; the first round only warms up."""
    made: dict[str, Step] = {}
    for variant in VARIANTS:
        torch.manual_seed(0)
        made[variant] = MODELS[name](device)
    count = steps or steps_in(seconds, MODELS[name](device), device)
    kept: dict[str, list[Round]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds + 1):
        now = {variant: run_round(around, made[variant], count, device) for variant, around in VARIANTS.items()}
        if not all(torch.equal(now["plain"].loss, each.loss) for each in now.values()):
            sys.exit(f"{name}: the losses differ: { {v: each.loss.item() for v, each in now.items()} }")
        if number:
            for variant, each in now.items():
                kept[variant].append(each)
    return Result(
        name,
        device,
        count,
        {v: statistics.median(each.seconds / count for each in kept[v]) * 1000 for v in VARIANTS},
        {
            v: statistics.median(a.seconds / b.seconds for a, b in zip(kept[v], kept["plain"], strict=True))
            for v in VARIANTS
        },
        {v: statistics.median(each.beginning for each in kept[v]) * 1000 for v in VARIANTS},
    )


def steps_in(seconds: float, step: Step, device: str) -> int:
    """How many plain steps take about so long; at least 20."""
    step()
    tried = 20
    taken = run_round(nullcontext, step, tried, device).seconds
    return max(20, round(seconds / taken * tried))


def run_round(around: Callable[[], AbstractContextManager[object]], step: Step, count: int, device: str) -> Round:
    """Run so many steps inside one variant. On the CPU its own time counts: other programs may be running."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    synchronize(device)
    started = clock()
    with around():
        loss = step()
        synchronize(device)
        begun = clock()
        for _ in range(count - 1):
            loss = step()
        synchronize(device)
        ended = clock()
    return Round(ended - started, begun - started, loss.detach())


def synchronize(device: str) -> None:
    """Wait for what the GPU still does."""
    if device == "cuda":
        torch.cuda.synchronize()


def show(result: Result) -> None:
    """One line of the table."""
    ours, theirs = result.ratios["observer"], result.ratios["anomaly"]
    share = (ours - 1) / (theirs - 1) if theirs > 1 else float("nan")
    first = "  ".join(f"{result.beginning[variant]:8.2f}" for variant in VARIANTS)
    print(
        f"{result.model:13} {result.steps:8}  {result.milliseconds['plain']:8.3f}  {ours:7.2f}x {theirs:7.2f}x"
        f"  {share:15.0%}   {'':12}{first}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the observer costs.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.4, help="about how long a plain round takes")
    parser.add_argument("--steps", type=int, help="just so many steps a round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        print(
            f"{device:13} {'steps':>8}  plain ms  observer  anomaly  of its overhead"
            "   first step ms: plain  observer   anomaly"
        )
        for name in MODELS:
            result = measure(name, device, rounds=options.rounds, seconds=options.seconds, steps=options.steps)
            results.append(result)
            show(result)
    if options.json:
        options.json.write_text(json.dumps([vars(result) for result in results], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
