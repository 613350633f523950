"""`retain_graph` of a backward pass: where it is asked for, and whether the call only hands it on."""

from __future__ import annotations

from autograd_lint.events import Site
from autograd_lint.static.interpret.state import Args, Run
from autograd_lint.static.patterns.testing import in_test
from autograd_lint.static.syntax import ir


def asked_at(run: Run, args: Args) -> Site | None:
    """Where the graph is asked to be kept. A condition in that place lets it go some time, and asks for nothing.

    What a test keeps does not matter.
    """
    arg = args.nodes.get("retain_graph")
    if arg is None or isinstance(arg.value, ir.IfExp | ir.Compare | ir.BoolOp | ir.UnaryOp) or in_test(run):
        return None
    return run.site(arg)


def is_handed_on(run: Run, args: Args) -> bool:
    """The flag is an argument of the function at work."""
    arg = args.nodes.get("retain_graph")
    name = arg.value.id if arg is not None and isinstance(arg.value, ir.Name) else None
    return any(given == name for given, _ in run.frame.given)
