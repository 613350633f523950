"""The contract of a rule, and how rules are found: one file in `autograd_lint.rules` each, no list to edit."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, ClassVar, Final

from autograd_lint.errors import RuleError
from autograd_lint.events import Cut, Event, How, Site, Stale, Write
from autograd_lint.evidence import Seen
from autograd_lint.facts import table
from autograd_lint.finding import Fix, Severity

if TYPE_CHECKING:
    from autograd_lint.fixing.code import Code


@dataclass(frozen=True, slots=True)
class Report:
    """What a rule says of an event: the place, the message, and every other place of the fault.

    `related` pairs a message with a place; `severity` lowers the rule's own when the event does not prove it.
    """

    site: Site
    message: str
    related: tuple[tuple[str, Site], ...] = ()
    help: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """The two programs in a rule's docstring: one that is flagged, one that is clean."""

    bad: str
    good: str


def quoted(name: str, *, otherwise: str) -> str:
    """`name` as messages show code, or `otherwise` for what the source gives no name."""
    return f"`{name}`" if name else otherwise


def writer(event: Write) -> str:
    """What writes, as the subject of a message."""
    if event.how is How.MODULE:
        return "a module built with `inplace=True`"
    if event.how is How.OUT:
        return f"`out=` of `{event.op}`"
    if event.op == "[]=":
        return "an index assignment"
    return f"`{event.op}`"


def out_of_place_form(event: Write) -> str:
    """The advice for an augmented assignment or a method that ends in `_`; torch has no `zero`, `fill` or `copy`."""
    name = event.target.name or "x"
    if event.how is How.AUGMENTED:
        return f"use the out-of-place form, `{name} = {name} {event.op.removesuffix('=')} …`"
    method = event.op.removesuffix("_")
    if table.parameters(f"Tensor.{method}") is None:
        return f"make a new tensor, `{name} = …`"
    return f"use the out-of-place form, `{name} = {name}.{method}(…)`"


def saved_and_needed(stale: Stale) -> tuple[tuple[str, Site], tuple[str, Site]]:
    """The places that explain a stale saved tensor: where it was saved, and where backward needs it."""
    needed = (
        "needed when backward runs through what is returned here" if stale.needed_implied else "needed here by backward"
    )
    return (f"saved for backward here by `{stale.saved_by}`", stale.saved), (needed, stale.needed)


def ways_in(event: Write) -> tuple[tuple[str, Site], ...]:
    """The places that lead to a write: the call of the helper it is in, and the module's constructor.

    The helper's call is the innermost one; of a stale tensor, the one that leads away from where it is saved or needed.
    """
    places: list[tuple[str, Site]] = []
    if event.constructor is not None:
        places.append(("built with `inplace=True` here", event.constructor))
    calls = event.site.calls[-1:]
    if event.stale is not None:
        calls = event.site.calls[_shared_depth(event.site, event.stale.saved, event.stale.needed) :]
    if calls:
        places.append(("called from here", calls[0]))
    return tuple(places)


def _shared_depth(*places: Site) -> int:
    """How many calls all these places have in common, from the outermost on."""
    levels = zip(*(place.calls for place in places), strict=False)
    return sum(1 for _ in takewhile(lambda level: len({call.key for call in level}) == 1, levels))


def missing_gradient(event: Cut) -> tuple[str, tuple[tuple[str, Site], ...]]:
    """What a cut of the graph does, and the places: the trainable leaf, the backward, where no gradient is found."""
    name = quoted(event.target.name, otherwise="a value")
    leaf = quoted(event.leaf.name, otherwise="a leaf")
    cuts = "cuts" if event.certain else "may cut"
    what = f"`{event.how}` {cuts} {name} from the graph" if event.how != "no_grad" else f"`no_grad` {cuts} the graph"
    found = f"{leaf} has no gradient in this step" if event.stepped else f"the gradient of {leaf} read here is None"
    places = [("backward runs here", event.needed), (found, event.missed)]
    if event.leaf.made is not None:
        places.insert(0, (f"{leaf} made here", event.leaf.made))
    return f"{what}, and {leaf} gets no gradient", tuple(places)


class Rule:
    """Base of all rules. The subclass's docstring is its documentation, in Markdown under fixed headings:

    `## What it does`, `## Why is this bad`, `## Example`, `## Use instead`, `## References`; the two code blocks
    run, and the tests run them.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    on: ClassVar[tuple[type[Event], ...]] = ()
    """The event types `judge` is given."""
    default: ClassVar[bool] = True
    """False: runs only when selected."""
    talk: ClassVar[bool] = False
    """The talk shows it."""
    since: ClassVar[str] = "0.1.0"
    raises: ClassVar[bool] = False
    """The finding claims that torch raises at one of its places: a run in which it does not refutes it."""
    says: ClassVar[tuple[str, ...]] = ()
    """Words, one of which is in what torch raises or warns of at the place, or where it is needed."""
    heard: ClassVar[bool] = False
    """Torch says so at the finding's own place, and that alone confirms it."""
    edges: ClassVar[bool] = False
    """Only tensors at an edge show it: where a run had none, functions are given zeros."""
    callers: ClassVar[bool] = False
    """A caller is part of it: where a run had none that shows it, functions are called by one that does."""
    probes: ClassVar[bool] = False
    """Whether a hook of a module runs shows it: a run hangs one on the modules at the place, for that time."""
    supersedes: ClassVar[tuple[str, ...]] = ()
    """Codes that are not reported at a place where this rule reports."""

    akin: ClassVar[tuple[str, ...]] = ()
    """Codes of findings that what this rule reports of a run bears out too: the same fault in another form."""

    def judge(self, event: Event) -> Iterator[Report]:
        """Yield what is wrong with `event`; nothing if it is fine. Only called with types named in `on`."""
        raise RuleError(f"{type(self).__name__} listens to events but does not judge them")

    def fix(self, event: Event, code: Code) -> Fix | None:
        """How the reported `event` can be mended in the file `code`; None where there is no way.

        `code.safe(…)` only what keeps all values and gradients, `code.unsafe(…)` all else. Helpers are imported here,
        not above: they cost time that a run without findings does not have.
        """
        return None

    def confirmed(self, seen: Seen) -> str:
        """What torch showed that bears a finding out, quoted; empty if nothing does.

        `seen.event` is the event at its place that this rule reports in a real run; None if there was none, and then
        only a rule that needs no event, because it looks at values, may say anything.
        """
        if not self.says or (seen.event is None and not self.heard):
            return ""
        return seen.quote(*self.says) if seen.event is not None else seen.quote_here(*self.says)

    def refuted(self, seen: Seen) -> str:
        """What torch showed that speaks against a finding whose place ran; empty if nothing does.

        It is asked only of findings of the rule's own severity: what may happen no single run refutes. Where a rule
        claims an exception (`raises`), it is refuted by a run through all the places of the finding that raised none.
        """
        through = seen.everywhere() and not seen.run.ended and not seen.quote(*self.says)
        if not self.raises or not through or seen.run.invented:
            return ""
        rows = ", ".join(map(str, sorted({place.start.row for _, place in seen.places()})))
        return f"row {rows} ran to the end of the program, and torch raised nothing there"

    def undecided(self, seen: Seen) -> str:
        """Why a run through the place showed neither, where this rule knows more than that; follows "it ran, and"."""
        return ""

    @classmethod
    def documentation(cls) -> str:
        """The docstring, dedented."""
        return inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def example(cls) -> Example | None:
        """The programs under `## Example` and `## Use instead`, if the rule has them."""
        blocks = dict(_BLOCK.findall(cls.documentation()))
        if "Example" not in blocks:
            return None
        return Example(bad=blocks["Example"], good=blocks.get("Use instead", ""))


_BLOCK: Final = re.compile(r"^## (Example|Use instead)\n+```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"AGL\d{3}\Z")
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


@cache
def all_rules() -> tuple[type[Rule], ...]:
    """Every rule class in `autograd_lint.rules`, by code. Raises RuleError when a file breaks the contract."""
    package = importlib.import_module("autograd_lint.rules")
    found: dict[str, type[Rule]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"autograd_lint.rules.{info.name}")
        for rule in _rules_in(module.__name__, vars(module)):
            if rule.code in found:
                raise RuleError(f"{module.__name__}: {rule.code} is already taken by {found[rule.code].__module__}")
            found[rule.code] = rule
    return tuple(found[code] for code in sorted(found))


def _rules_in(module: str, names: dict[str, object]) -> list[type[Rule]]:
    rules = [
        value
        for value in names.values()
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module
    ]
    if len(rules) != 1:
        raise RuleError(f"{module}: a rule file defines exactly one rule, this one defines {len(rules)}")
    rule = rules[0]
    if not _CODE.match(rule.code) or not _NAME.match(rule.name):
        raise RuleError(f"{module}: code {rule.code!r} or name {rule.name!r} is not of the form AGL123, kebab-case")
    return rules
