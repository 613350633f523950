"""AGL001: a suppression comment suppresses nothing."""

from __future__ import annotations

from autograd_lint.finding import Severity
from autograd_lint.rule import Rule


class UnusedSuppression(Rule):
    """A suppression comment suppresses nothing.

    ## What it does

    Reports an `# autograd-lint: ignore[…]` or `file-ignore[…]` comment, or an `AGL…` code in a `# noqa:` comment, that
    hides no finding. A bare `# noqa` and the codes of other tools are left alone.

    It is reported only when the rules the comment names have run: a comment for a rule that is switched off may well
    be needed when it is on. And only where the file alone decides: what a comment inside a function hides may appear
    only through a file that calls the function, unless the file is a program with a `__main__` block.

    ## Why is this bad

    The code it excused is gone. Left in place, the comment hides the next fault on that line.

    ## Example

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2  # autograd-lint: ignore[AGL103]
    y.sum().backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.sum().backward()
    ```

    ## References

    - The section on suppression in the README
    """

    code = "AGL001"
    name = "unused-suppression"
    severity = Severity.INFO
