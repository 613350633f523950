"""`python -m tests.agreement`: how often the linter and torch agree on random programs, and where they do not."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import click

from tests.agreement.compare import Disagreement
from tests.agreement.generate import KINDS
from tests.agreement.show import figures, program
from tests.agreement.sweep import Case, Tally, check_text, shrunk, sweep


@click.command()
@click.option("--classes", default=",".join(KINDS), show_default=True, help="Which classes of programs.")
@click.option("--count", default=1000, show_default=True, help="How many programs of each.")
@click.option("--seed", default=1, show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--show", default=10, show_default=True, help="How many disagreeing programs to shrink and print.")
@click.option("--each", default=3, show_default=True, help="How many of them of one sort.")
@click.option("--folder", type=click.Path(path_type=Path), help="Also write them here, one file each.")
def main(classes: str, count: int, seed: int, jobs: int, show: int, each: int, folder: Path | None) -> None:
    """Compare the linter with torch on random programs; exit 1 if they disagree on any."""
    agree = True
    for kind in classes.split(","):
        if kind not in KINDS:
            raise click.BadParameter(f"no class {kind!r}; there are {', '.join(KINDS)}", param_hint="--classes")
        start, tally, cases = time.perf_counter(), Tally(), []
        for case in sweep(kind, seed=seed, count=count, jobs=jobs):
            tally.add(case.comparison)
            if case.comparison.disagreements:
                cases.append(case)
        click.echo("\n".join(figures(kind, tally, time.perf_counter() - start)))
        agree = agree and not cases
        for name, text in _programs(cases, show, each):
            click.echo(f"\n{text}")
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.exit(0 if agree else 1)


def _programs(cases: list[Case], show: int, each: int) -> list[tuple[str, str]]:
    """The first disagreeing programs of every sort, shrunk."""
    sorts: Counter[object] = Counter()
    chosen: list[tuple[Case, Disagreement]] = []
    for case in cases:
        wanted = case.comparison.disagreements[0]
        sorts[wanted.key] += 1
        if sorts[wanted.key] <= each:
            chosen.append((case, wanted))
    found = []
    for case, wanted in chosen[:show]:
        text = shrunk(case.text, wanted)
        shown = next(d for d in check_text(text).disagreements if d.key == wanted.key)
        found.append((case.name, program(case.name, text, shown)))
    return found


if __name__ == "__main__":
    main()
