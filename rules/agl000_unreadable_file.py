"""AGL000: a file cannot be read, decoded or parsed."""

from __future__ import annotations

from autograd_lint.finding import Severity
from autograd_lint.rule import Rule


class UnreadableFile(Rule):
    """A file cannot be read, decoded or parsed.

    ## What it does

    Reports a file that was named or found but cannot be judged: it cannot be opened, its bytes are not text in the
    encoding it declares, or it is not valid Python 3. The message says why, and the position is where reading stopped.
    All other files are still checked.

    ## Why is this bad

    Nothing is known about such a file. A run that skipped it in silence would look like a clean one.

    A file that must stay as it is (a template, a fixture of another tool, Python 2) belongs in `exclude`, or its
    finding in `per-file-ignores`.

    ## References

    - [PEP 263: source code encodings](https://peps.python.org/pep-0263/)
    """

    code = "AGL000"
    name = "unreadable-file"
    severity = Severity.ERROR
