"""AGL606: anomaly detection is left on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from autograd_lint.events import AnomalyMode, Event
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule


class AnomalyModeLeftOn(Rule):
    """Anomaly detection is left on.

    ## What it does

    Reports `torch.autograd.set_detect_anomaly(True)` that is neither the context of a `with` block nor switched off
    again, in a file that is not a test.

    ## Why is this bad

    It records a stack trace for every operation and looks for NaN in every gradient: a training step takes up to eleven
    times as long. It is for finding a fault, and is forgotten once that is found.

    ## Example

    ```python
    import torch

    torch.autograd.set_detect_anomaly(True)
    w = torch.tensor(2.0, requires_grad=True)
    (w * w).backward()
    print(torch.is_anomaly_enabled())  # True
    ```

    ## Use instead

    ```python
    import torch

    w = torch.tensor(2.0, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        (w * w).backward()
    print(torch.is_anomaly_enabled())  # False
    ```

    ## Confirmation

    Confirmed when a step takes longer than with the mode off: the evidence says how much.

    ## References

    - [Anomaly detection](https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection)
    - [`torch.autograd.set_detect_anomaly`](https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.set_detect_anomaly)
    """

    code = "AGL606"
    name = "anomaly-mode-left-on"
    severity = Severity.INFO
    on = (AnomalyMode,)

    def judge(self, event: Event) -> Iterator[Report]:
        """A mode that is never switched off, outside of tests."""
        if not isinstance(event, AnomalyMode) or not event.certain or _is_test(event.site.filename):
            return
        yield Report(
            event.site,
            "anomaly detection is switched on and stays on: each step takes several times as long",
            (),
            "drop it, or wrap what is being debugged in `with torch.autograd.detect_anomaly():`",
        )


def _is_test(filename: str) -> bool:
    path = PurePath(filename)
    return "tests" in path.parts or path.stem.startswith("test_") or path.stem.endswith("_test")
