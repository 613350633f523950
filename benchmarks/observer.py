"""What the observer costs: training steps plain, observed, and under anomaly mode, interleaved in one process.

    python benchmarks/observer.py [--rounds N] [--steps N] [--json PATH]

Prints, for each model, the median milliseconds of a step and the ratios to the plain one. Losses of all variants must
be equal, bit for bit, or it fails. On a GPU, where there is one, the same again.
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


@dataclass
class Result:
    """The median of a step's time, and the ratios to the plain one."""

    model: str
    device: str
    milliseconds: dict[str, float]
    ratios: dict[str, float]


def measure(name: str, device: str, *, rounds: int, steps: int) -> Result:
    """Each round runs every variant on a model of its own, from one seed; the first is left out."""
    made: dict[str, Step] = {}
    for variant in VARIANTS:
        torch.manual_seed(0)
        made[variant] = MODELS[name](device)
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds + 1):
        losses = []
        for variant, around in VARIANTS.items():
            with around():
                seconds, loss = run_steps(made[variant], steps, device)
            losses.append(loss)
            if number:
                times[variant].append(seconds / steps * 1000)
        if not all(torch.equal(losses[0], loss) for loss in losses):
            sys.exit(f"{name}: the losses differ: {losses}")
    pairs = {v: statistics.median(a / b for a, b in zip(times[v], times["plain"], strict=True)) for v in VARIANTS}
    return Result(name, device, {v: statistics.median(times[v]) for v in VARIANTS}, pairs)


def run_steps(step: Step, count: int, device: str) -> tuple[float, torch.Tensor]:
    """Seconds for so many steps, and the last loss. On the CPU its own time counts: other programs may be running."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    synchronize(device)
    started = clock()
    for _ in range(count):
        loss = step()
    synchronize(device)
    return clock() - started, loss.detach()


def synchronize(device: str) -> None:
    """Wait for what the GPU still does."""
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the observer costs.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        print(f"{'':14}{device:>10} ms  {'observer':>9}  {'anomaly':>9}  share of anomaly's overhead")
        for name in MODELS:
            result = measure(name, device, rounds=options.rounds, steps=options.steps)
            results.append(result)
            ours, theirs = result.ratios["observer"], result.ratios["anomaly"]
            share = (ours - 1) / (theirs - 1) if theirs > 1 else float("nan")
            print(f"{name:14}{result.milliseconds['plain']:13.3f}  {ours:8.2f}x  {theirs:8.2f}x  {share:8.0%}")
    if options.json:
        options.json.write_text(json.dumps([vars(result) for result in results], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
