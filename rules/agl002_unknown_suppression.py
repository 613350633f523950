"""AGL002: a suppression comment names a rule that does not exist."""

from __future__ import annotations

from autograd_lint.finding import Severity
from autograd_lint.rule import Rule


class UnknownSuppression(Rule):
    """A suppression comment names a rule that does not exist, or cannot be understood.

    ## What it does

    Reports an `# autograd-lint:` comment that cannot be understood, or that names a code, prefix or rule name no rule
    has, and an `AGL…` code in a `# noqa:` comment that no rule has. The message gives the nearest known name.

    ## Why is this bad

    A misspelt suppression suppresses nothing: the finding it was written for is still reported, or will be on the day
    the rule begins to see it.

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.mul_(2)  # autograd-lint: ignore[AGL193]
    y.sum().backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.mul_(2)  # autograd-lint: ignore[AGL103]
    y.sum().backward()
    ```

    ## References

    - `autograd-lint rule --all` lists every code and name
    """

    code = "AGL002"
    name = "unknown-suppression"
    severity = Severity.WARNING
