"""AGL003: autograd-lint itself failed on a file."""

from __future__ import annotations

from autograd_lint.finding import Severity
from autograd_lint.rule import Rule


class RuleCrashed(Rule):
    """autograd-lint itself failed on a file.

    ## What it does

    Reports an internal error: a rule, the analysis or a worker process failed on a file. The message names the file
    and line of autograd-lint that failed. The rest of the run is not affected, but the exit status is 2.

    ## Why is this bad

    The file was not judged, or not by all rules, so no finding there does not mean no fault. Please report it, with the
    message and, if possible, the file. Until it is mended, `exclude` the file. This finding cannot be
    suppressed.

    ## References

    - `autograd-lint --version` prints what a report should say
    """

    code = "AGL003"
    name = "rule-crashed"
    severity = Severity.ERROR
