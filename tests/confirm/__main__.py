"""`python -m tests.confirm`: how many findings in random programs are confirmed, right ones and ones made wrong."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from autograd_lint.finding import Finding, Verdict
from autograd_lint.runner import RunResult, run
from tests.agreement.generate import KINDS, generate
from tests.confirm.conftest import Confirmed, confirm_result, settings_for
from tests.confirm.wrong import WAYS, witnessed


@click.command()
@click.option("--classes", default=",".join(KINDS), show_default=True, help="Which classes of programs.")
@click.option("--count", default=60, show_default=True, help="How many programs of each.")
@click.option("--seed", default=1, show_default=True)
@click.option("--only", default="", help="One way only: program, slice or replay.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the programs here.")
def main(classes: str, count: int, seed: int, only: str, folder: Path | None) -> None:
    """Confirm what is right and what is made wrong; exit 1 if a right one is refuted or a wrong one confirmed."""
    with TemporaryDirectory() as spare:
        written = folder or Path(spare)
        written.mkdir(parents=True, exist_ok=True)
        for kind in classes.split(","):
            for number in range(count):
                text = generate(kind, seed=seed, number=number)
                (written / f"{kind}_{seed}_{number}.py").write_text(text, encoding="utf-8")
        result = run([str(written)], settings_for(written))
        right = _told("right", result, witnessed(result), only)
        sound = right.counts[Verdict.REFUTED] == 0
        for name, way in WAYS.items():
            wrong = _told(f"wrong: {name}", result, tuple(way(result)), only)
            sound = sound and wrong.counts[Verdict.CONFIRMED] == 0
    sys.exit(0 if sound else 1)


def _told(what: str, result: RunResult, findings: tuple[Finding, ...], only: str) -> Confirmed:
    """Confirm `findings` and print how many were, and those with another verdict than they should have."""
    started = time.perf_counter()
    settings = settings_for(Path(result.files[0]).parent)
    seen = confirm_result(replace(result, findings=findings), settings, only=only)
    seconds = time.perf_counter() - started
    ways = Counter(finding.confirmation.how for finding in seen.findings if finding.confirmation)
    total = max(1, len(seen.findings))
    share = 100 * seen.counts[Verdict.CONFIRMED] / total
    verdicts = {verdict.value: number for verdict, number in seen.counts.items()}
    click.echo(
        f"{what}: {len(seen.findings)} findings, {share:.1f} % confirmed, {verdicts}, {dict(ways)}, {seconds:.0f} s"
    )
    expected = Verdict.CONFIRMED if what == "right" else None
    for finding in seen.findings:
        told = finding.confirmation
        if told is None or (told.verdict is not expected if expected else told.verdict is Verdict.CONFIRMED):
            verdict = "" if told is None else f"{told.verdict.value} by {told.how}: {told.evidence}"
            click.echo(f"  {Path(finding.filename).name}:{finding.range.start.row} {finding.code} {finding.message}")
            click.echo(f"      {verdict}")
    return seen


if __name__ == "__main__":
    main()
