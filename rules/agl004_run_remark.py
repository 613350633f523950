"""AGL004: a whole run showed something that no single line is at fault for."""

from __future__ import annotations

from autograd_lint.finding import Severity
from autograd_lint.rule import Rule


class RunRemark(Rule):
    """A whole run showed something that no single line is at fault for.

    ## What it does

    `autograd-lint run` reports with it what the whole program has shown: graphs of earlier rounds that are still alive
    at a backward, the bytes that `retain_graph=True` keeps, parameters that are stepped without ever having a gradient,
    and parameters that have one and are in no optimizer.

    ## Why is this bad

    It need not be: a frozen part of a model gets no gradient because it is meant to get none. Where it is not meant,
    memory grows, or a part of the model is never trained, and nothing says so.

    ## References

    - [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html)
    """

    code = "AGL004"
    name = "run-remark"
    severity = Severity.INFO
