"""What the rules make of events: made-up events of every kind, judged without either engine."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from autograd_lint.events import (
    Accumulation,
    AliasRead,
    AnomalyMode,
    AttributeBound,
    AttributeSet,
    Backward,
    Checkpointed,
    ClippedNothing,
    ConstantTerm,
    ContextKept,
    Cut,
    DeadEnd,
    Discarded,
    Disorder,
    EvalForward,
    Event,
    Failure,
    ForwardCalled,
    FunctionReturned,
    GradientChecked,
    GradientWritten,
    GradRead,
    GradZero,
    GraphKept,
    Holder,
    HookRegistered,
    How,
    IndexRead,
    InfiniteDerivative,
    InputWritten,
    LeafLost,
    LostWrite,
    MadeInForward,
    Misordered,
    OptimizerRebuilt,
    Refusal,
    Refused,
    Singularity,
    Site,
    Stale,
    StateKept,
    TensorRef,
    Unregistered,
    Write,
)
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, all_rules

HERE, SAVED, NEEDED, MADE, CALL = (Site("train.py", place) for place in ("here", "saved", "needed", "made", "call"))
GRAPH = TensorRef("h", in_graph=True, leaf=False, made=MADE, made_by="*")
PLAIN = TensorRef("h", in_graph=False, leaf=True)
LEAF = TensorRef("w", in_graph=False, leaf=True, made=MADE)
STALE = Stale(SAVED, "*", "h", NEEDED)
ALIAS = AliasRead(MADE, "detach", "kept", NEEDED)
WRITE = Write(site=HERE, target=GRAPH, how=How.METHOD, op="mul_")
BACKWARD = Backward(site=HERE, root=GRAPH)

JUDGED = {Refusal.DEEPCOPY, Refusal.INFERENCE_SAVED, Refusal.NON_LEAF_FLAG}
CALLS = {Refusal.OUT, Refusal.NUMPY, Refusal.INTEGER_GRAD, Refusal.NON_LEAF_OPTIMIZER} | JUDGED


def judge(event: Event) -> dict[str, tuple[Report, type[Rule]]]:
    """What each rule says of `event`, without what another supersedes."""
    said: dict[str, tuple[Report, type[Rule]]] = {}
    for rule in all_rules():
        for report in rule().judge(event) if type(event) in rule.on else ():
            assert rule.code not in said, "one event, one report of a rule"
            said[rule.code] = (report, rule)
    hidden = {code for _, rule in said.values() for code in rule.supersedes}
    return {code: found for code, found in said.items() if code not in hidden}


def codes(event: Event) -> set[str]:
    return set(judge(event))


def only(event: Event) -> Report:
    ((report, _),) = judge(event).values()
    return report


# ------------------------------------------------------------------- writes


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("silent", [False, True], ids=["counted", "silent"])
@pytest.mark.parametrize("through", ["", "detach", "data", "numpy"])
def test_write_to_what_was_saved(how: How, silent: bool, through: str) -> None:
    event = replace(WRITE, how=how, through=through, stale=replace(STALE, silent=silent))
    if how in (How.OPTIMIZER, How.STATE):
        expected = "AGL108"
    else:
        expected = "AGL107" if through or silent else "AGL101"
    assert codes(event) == {expected}
    report = only(event)
    assert [site for _, site in report.related] == [SAVED, NEEDED]
    assert ("without an error" in report.message) == silent


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (How.METHOD, "AGL103"),
        (How.FUNCTION, "AGL103"),
        (How.AUGMENTED, "AGL103"),
        (How.MODULE, "AGL103"),
        (How.INDEX, "AGL104"),
        (How.INDEX_AUGMENTED, "AGL104"),
        (How.OPTIMIZER, None),
        (How.STATE, None),
        (How.DATA_ASSIGN, None),
    ],
)
def test_harmless_write(how: How, code: str | None) -> None:
    event = replace(WRITE, how=how)
    assert codes(event) == ({code} if code else set())
    assert codes(replace(event, grad_enabled=False)) == set()
    assert codes(replace(event, certain=False)) == set()
    assert codes(replace(event, target=PLAIN)) == set()
    assert codes(replace(event, target=replace(GRAPH, in_graph=None))) == set()


def test_value_of_the_graph_written_by_index() -> None:
    event = replace(WRITE, how=How.INDEX, op="[]=", target=PLAIN, value_in_graph=True)
    assert "puts a value of the graph into `h`" in only(event).message
    assert codes(replace(event, how=How.METHOD)) == set()


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal.LEAF, "AGL102"),
        (Refusal.VIEW_OF_LEAF, "AGL102"),
        (Refusal.MULTI_VIEW, "AGL106"),
        (Refusal.NO_GRAD_VIEW, "AGL106"),
        (Refusal.OVERLAP, "AGL106"),
        (Refusal.INFERENCE, "AGL106"),
        (Refusal.CUSTOM_VIEW, "AGL106"),
        (Refusal.OUT, "AGL111"),
    ],
)
def test_refused_write(refusal: Refusal, code: str) -> None:
    for how in (How.METHOD, How.INDEX, How.MODULE, How.AUGMENTED):
        event = replace(WRITE, how=how, refusal=refusal, target=LEAF, origin=SAVED)
        assert codes(event) == {code}
    assert code == "AGL111" or (SAVED in {site for _, site in only(event).related}) == (refusal is not Refusal.LEAF)


def test_every_refusal_is_judged() -> None:
    for refusal in Refusal:
        events = (Refused(site=HERE, reason=refusal, target=LEAF), replace(WRITE, refusal=refusal, target=LEAF))
        judged = [bool(codes(event)) for event in events]
        assert judged[0] == (refusal in CALLS)
        assert judged[1] == (refusal not in CALLS or refusal is Refusal.OUT)


def test_alias_read_after_write() -> None:
    report = only(replace(WRITE, alias_read=ALIAS))
    assert report.message == "`mul_` changes `h` and with it `kept`, which `detach` made from the same memory"
    assert [site for _, site in report.related] == [MADE, NEEDED]


def test_helper_and_constructor_are_related_places() -> None:
    outer = Site("train.py", "outer")
    inside = Site("train.py", "inside", calls=(outer, CALL))
    stale = replace(STALE, saved=replace(SAVED, calls=(outer,)), needed=replace(NEEDED, calls=(outer,)))
    for event in (
        replace(WRITE, stale=stale),
        replace(WRITE, refusal=Refusal.LEAF),
        replace(WRITE, refusal=Refusal.OVERLAP),
        WRITE,
        replace(WRITE, alias_read=ALIAS),
        replace(WRITE, how=How.STATE, stale=stale),
        replace(WRITE, how=How.INDEX),
    ):
        report = only(replace(event, site=inside, constructor=MADE))
        assert ("called from here", CALL) in report.related
        assert ("built with `inplace=True` here", MADE) in report.related
        assert outer not in (place for _, place in report.related)


def test_call_that_leads_to_all_places_is_no_related_place() -> None:
    inside, saved, needed = (replace(place, calls=(CALL,)) for place in (HERE, SAVED, NEEDED))
    report = only(replace(WRITE, site=inside, stale=replace(STALE, saved=saved, needed=needed)))
    assert CALL not in (place for _, place in report.related)


def test_message_tells_both_names_when_a_view_was_saved() -> None:
    report = only(replace(WRITE, op="[]=", how=How.INDEX, stale=replace(STALE, saved_name="h[…]")))
    assert report.message == (
        "an index assignment changes `h`, which shares memory with `h[…]`, saved for backward by `*`"
    )


@pytest.mark.parametrize(
    ("how", "op", "result", "words"),
    [
        (How.METHOD, "mul_", False, "`h = h.mul(…)`, or let `*` save a copy"),
        (How.AUGMENTED, "*=", False, "`h = h * …`"),
        (How.AUGMENTED, "*=", True, "clone it before the write"),
        (How.INDEX, "[]=", False, "`torch.cat`"),
        (How.MODULE, "relu_", False, "`inplace=False`"),
        (How.FUNCTION, "relu_", False, "use the out-of-place form"),
    ],
)
def test_advice_for_a_saved_tensor(how: How, op: str, result: bool, words: str) -> None:
    assert words in only(replace(WRITE, how=how, op=op, stale=replace(STALE, saved_result=result))).help


def test_backward_only_implied() -> None:
    report = only(replace(WRITE, stale=replace(STALE, needed_implied=True)))
    assert ("needed when backward runs through what is returned here", NEEDED) in report.related


# ------------------------------------------------------------------- backward passes


@pytest.mark.parametrize(
    ("failure", "carried", "code"),
    [
        (Failure.TWICE, False, "AGL202"),
        (Failure.TWICE, True, "AGL203"),
        (Failure.NON_SCALAR, False, "AGL501"),
        (Failure.NO_GRAPH, False, "AGL505"),
        (Failure.NOT_IMPLEMENTED, False, "AGL506"),
    ],
)
def test_failing_backward(failure: Failure, carried: bool, code: str) -> None:
    event = replace(BACKWARD, failure=failure, loop_carried=carried, shared=SAVED, shared_by="*", freed=NEEDED)
    assert codes(event) == {code}
    assert codes(replace(BACKWARD, failure=None)) == set()


def test_freed_at_the_same_call() -> None:
    event = replace(BACKWARD, failure=Failure.TWICE, shared=SAVED, shared_by="*", freed=HERE)
    assert ("freed here, the time before", HERE) in only(event).related


def test_shape_of_the_root() -> None:
    event = replace(BACKWARD, failure=Failure.NON_SCALAR, shape=(3, None))
    assert only(event).message == "backward without `gradient` of `h`, which is no scalar but of shape (3, ?)"
    assert "`grad_outputs`" in only(replace(event, call="grad")).message
    assert only(replace(event, shape=(3,))).message.endswith("(3,)")


RETAIN = replace(BACKWARD, retain_graph=True, scalar=True)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RETAIN, "drop the argument"),
        (replace(RETAIN, reused=(NEEDED,), reused_roots=("k",)), "`(h + k).backward()`"),
        (replace(RETAIN, reused=(NEEDED, SAVED), reused_roots=("k", "m")), "sum the losses"),
        (replace(RETAIN, reused=(NEEDED,), reused_roots=("h",)), "each with its factor"),
        (replace(RETAIN, reused=(NEEDED,), reused_roots=("k",), reused_scalars=(False,)), "pass `gradient=`"),
        (replace(RETAIN, reused=(NEEDED,), reused_roots=("k",), scalar=False), "pass `gradient=`"),
        (replace(RETAIN, reused=(NEEDED,), reused_roots=("k",), stepped=MADE), "AGL202 only turns into AGL108"),
    ],
)
def test_advice_on_retain_graph(event: Backward, words: str) -> None:
    report = only(event)
    assert words in report.help
    assert {site for _, site in report.related} == {*event.reused, *((event.stepped,) if event.stepped else ())}


# ------------------------------------------------------------------- gradients, leaves, hooks


@pytest.mark.parametrize("stepped", [None, SAVED])
@pytest.mark.parametrize("in_loop", [False, True])
@pytest.mark.parametrize("certain", [False, True])
def test_accumulation(stepped: Site | None, in_loop: bool, certain: bool) -> None:
    event = Accumulation(site=HERE, first=NEEDED, leaf=LEAF, stepped=stepped, in_loop=in_loop, certain=certain)
    if stepped and in_loop:
        assert only(event).severity is (None if certain else Severity.WARNING)
    elif stepped or not certain:
        assert codes(event) == set()
    else:
        assert only(event).severity is Severity.WARNING


def test_partly_cleared() -> None:
    event = Accumulation(site=HERE, first=HERE, leaf=LEAF, stepped=SAVED, in_loop=True, partly_cleared=True)
    assert "every optimizer" in only(event).help
    assert [site for _, site in only(event).related] == [SAVED]


def test_gradient_reads() -> None:
    event = GradRead(site=HERE, target=GRAPH)
    assert codes(event) == {"AGL502"}
    assert codes(replace(event, retained=True)) == set()
    assert codes(replace(event, certain=False)) == set()
    assert codes(replace(event, target=LEAF)) == set()
    assert codes(replace(event, target=replace(GRAPH, leaf=None))) == set()
    twice = replace(event, target=LEAF, backwards=(SAVED, NEEDED), expected_alone=True)
    assert codes(twice) == {"AGL304"}
    assert codes(replace(twice, expected_alone=False)) == set()
    assert codes(replace(twice, backwards=(SAVED,))) == set()


def test_gradient_zeroed() -> None:
    event = GradZero(site=HERE, target=LEAF, op="zero_")
    assert "`w.grad = None`" in only(event).help
    assert only(replace(event, target=replace(LEAF, name="w.grad"))).message == only(event).message
    assert "`optimizer.zero_grad()`" in only(replace(event, owner="optimizer")).help


def test_hooks() -> None:
    event = HookRegistered(site=HERE, target=LEAF, method="register_hook", repeated=True)
    assert codes(event) == {"AGL206"}
    assert codes(replace(event, removed=True)) == set()
    assert codes(replace(event, repeated=False)) == set()


def test_moves_are_warnings() -> None:
    bound = AttributeBound(site=HERE, attribute="w", owner="Net", value=GRAPH, parameter=MADE, op="**")
    lost = LeafLost(site=HERE, leaf=MADE, name="w", op="**")
    for event, code in ((bound, "AGL401"), (lost, "AGL402")):
        assert codes(event) == {code}
        assert only(event).severity is None
        assert " is the result of `**`" in only(event).message
        moved = only(replace(event, op="to", move=True))
        assert moved.severity is Severity.WARNING
        assert " may be the result of `to`" in moved.message
        assert moved.help != only(event).help


UNREGISTERED = Unregistered(site=HERE, attribute="layers", owner="Net", holder=Holder.LIST, member="Linear", made=MADE)


@pytest.mark.parametrize(
    ("holder", "member", "words"),
    [
        (Holder.LIST, "Linear", "`nn.ModuleList`"),
        (Holder.TUPLE, "Parameter", "`nn.ParameterList`"),
        (Holder.DICT, "Block", "`nn.ModuleDict`"),
        (Holder.DICT, "Parameter", "`nn.ParameterDict`"),
    ],
)
def test_what_a_module_does_not_see(holder: Holder, member: str, words: str) -> None:
    event = replace(UNREGISTERED, holder=holder, member=member)
    assert codes(event) == {"AGL403"}
    assert words in only(event).help
    assert holder.value in only(event).message
    assert [site for _, site in only(event).related] == [MADE]
    assert only(replace(event, made=HERE)).related == ()


def test_plain_tensors_are_another_rule_s() -> None:
    event = replace(UNREGISTERED, member="tensor", parameter=False)
    assert codes(event) == {"AGL404"}
    assert "a list" in only(event).message
    assert "`nn.Parameter(…)`" in only(replace(event, holder=Holder.ATTRIBUTE)).help


def test_made_in_forward() -> None:
    event = MadeInForward(site=Site("train.py", "inside", calls=(CALL,)), owner="Net", made="Linear")
    assert codes(event) == {"AGL405"}
    assert "in place of the one before" in only(replace(event, kept=True)).message
    assert [site for _, site in only(event).related] == [CALL]


@pytest.mark.parametrize("disorder", Disorder)
def test_order_of_a_training_step(disorder: Disorder) -> None:
    event = Misordered(site=HERE, disorder=disorder, optimizer="opt", backward=SAVED, cleared=MADE, step=NEEDED)
    assert codes(event) == {"AGL303"}
    assert [site for _, site in only(event).related] == [SAVED, MADE, NEEDED]
    assert ("`opt`" in only(event).message) == only(event).message.startswith("`step`")
    assert only(replace(event, certain=False)).severity is Severity.WARNING


def test_graphs_kept() -> None:
    event = GraphKept(site=HERE, value=GRAPH, holder="total", added=True, backward=NEEDED)
    assert only(event).message.startswith("each round adds `h` with its graph to `total`")
    assert " puts `h` with its graph into `total`" in only(replace(event, added=False)).message
    assert codes(event) == {"AGL204"}


def test_create_graph() -> None:
    event = replace(BACKWARD, create_graph=True)
    assert codes(event) == {"AGL205"}
    assert codes(replace(event, call="autograd.grad")) == set()
    assert codes(replace(event, failure=Failure.TWICE)) == {"AGL202"}


def test_clipped_nothing() -> None:
    event = ClippedNothing(site=HERE, target=GRAPH, op="clip_grad_norm_")
    assert codes(event) == {"AGL305"}
    assert only(event).severity is None
    assert only(replace(event, partly=True)).severity is Severity.WARNING
    assert "a gradient and no parameter" in only(replace(event, gradient=True)).message


def test_argument_mutated() -> None:
    event = replace(WRITE, target=PLAIN, argument="x")
    assert codes(event) == {"AGL110"}
    assert codes(replace(event, argument="")) == set()
    for how in (How.OUT, How.OPTIMIZER, How.STATE):
        assert "AGL110" not in codes(replace(event, how=how))
    assert "AGL110" not in codes(replace(event, refusal=Refusal.LEAF))


# ------------------------------------------------------------------- the flow of gradients

CUT = Cut(site=HERE, target=GRAPH, how="item", needed=NEEDED, leaf=LEAF, missed=SAVED, stepped=True)
DEAD_END = DeadEnd(site=HERE, target=GRAPH, how="torch.tensor", needed=NEEDED)


@pytest.mark.parametrize("rewrapped", [False, True])
@pytest.mark.parametrize("stepped", [False, True])
def test_cut(rewrapped: bool, stepped: bool) -> None:
    event = replace(CUT, rewrapped=rewrapped, stepped=stepped)
    assert codes(event) == {"AGL503" if rewrapped else "AGL504"}
    assert [site for _, site in only(event).related] == [MADE, NEEDED, SAVED]
    assert ("step" in only(event).related[-1][0]) == stepped


def test_cut_by_no_grad() -> None:
    report = only(replace(CUT, how="no_grad"))
    assert report.message == "`no_grad` cuts the graph, and `w` gets no gradient"
    assert "drop" not in report.help


def test_constant_term() -> None:
    report = only(ConstantTerm(site=HERE, target=GRAPH, how="item", added=SAVED, needed=NEEDED))
    assert report.severity is Severity.WARNING
    assert [site for _, site in report.related] == [SAVED, NEEDED]


@pytest.mark.parametrize("flagged", [False, True])
def test_dead_end(flagged: bool) -> None:
    event = replace(DEAD_END, flagged=flagged)
    assert codes(event) == {"AGL511" if flagged else "AGL503"}
    assert [site for _, site in only(replace(event, cut=SAVED)).related] == [SAVED, NEEDED]
    assert ("torch raises" in only(replace(event, raises=True)).message) == flagged


def test_discarded() -> None:
    assert only(Discarded(site=HERE, target=GRAPH, op="relu")).help == "assign it: `h = h.relu(…)`"


@pytest.mark.parametrize("kind", Singularity)
def test_infinite_derivative(kind: Singularity) -> None:
    event = InfiniteDerivative(site=HERE, kind=kind, op="sqrt", name="h", inner=MADE)
    assert [site for _, site in only(event).related] == [MADE]
    assert codes(replace(event, certain=False)) == set()


# ------------------------------------------------------------------- custom functions, flags, modes


@pytest.mark.parametrize(
    ("gradients", "nones", "required", "accepted", "said"),
    [
        (2, 1, 2, 2, None),
        (1, 0, 1, 2, None),
        (3, 0, 2, 3, None),
        (3, 1, 2, 2, None),
        (5, 4, 1, 1, None),
        (9, 0, 1, None, None),
        (1, 0, 2, 2, "1 gradient for 2 inputs"),
        (1, 1, 2, 2, "1 gradient for 2 inputs"),
        (1, 0, 2, None, "1 gradient for 2 inputs"),
        (3, 0, 1, 1, "3 gradients for 1 input"),
        (4, 1, 1, 2, "3 gradients for 2 inputs"),
    ],
)
def test_number_of_gradients(gradients: int, nones: int, required: int, accepted: int | None, said: str | None) -> None:
    event = FunctionReturned(
        site=HERE,
        function="F",
        gradients=gradients,
        nones=nones,
        required=required,
        accepted=accepted,
        forward=MADE,
    )
    assert codes(event) == (set() if said is None else {"AGL603"})
    assert said is None or said in only(event).message


def test_written_input() -> None:
    event = InputWritten(site=HERE, target=GRAPH, op="mul_", function="F")
    assert only(replace(event, used=NEEDED)).related[0][1] == NEEDED
    assert only(replace(event, certain=False)).severity is Severity.WARNING


def test_gradient_written_where_the_hook_is_registered() -> None:
    event = GradientWritten(site=HERE, op="mul_", registered=MADE, name="h")
    assert [site for _, site in only(event).related] == [MADE]
    assert only(replace(event, registered=HERE)).related == ()


@pytest.mark.parametrize("path", ["tests/loss.py", "a/test_loss.py", "loss_test.py"])
def test_anomaly_mode_in_tests(path: str) -> None:
    assert codes(AnomalyMode(site=HERE)) == {"AGL606"}
    assert codes(AnomalyMode(site=Site(path, "here"))) == set()


def test_flag_of_a_module() -> None:
    event = AttributeSet(site=HERE, target=TensorRef("net"), attribute="requires_grad", module=True)
    assert only(event).help == "call `net.requires_grad_(…)`"


# ------------------------------------------------------------------- all of them


WELL_FORMED = re.compile(r"(?!.*(?:  |``|\(\)\(\)))[`a-z].*[^.\s]")
OPS = {
    How.METHOD: "mul_",
    How.FUNCTION: "relu_",
    How.AUGMENTED: "*=",
    How.INDEX: "[]=",
    How.INDEX_AUGMENTED: "[]=",
    How.MODULE: "relu_",
    How.OUT: "add",
    How.DATA_ASSIGN: ".data =",
    How.OPTIMIZER: "step",
    How.STATE: "load_state_dict",
}


def every_event() -> Iterator[Event]:
    """Events of every type, with and without names, of every form."""
    refs = (GRAPH, LEAF, TensorRef(""), replace(GRAPH, name="", made=None, made_by=""))
    stales = (None, STALE, replace(STALE, saved_name="", saved_result=True), replace(STALE, silent=True))
    for ref, how in itertools.product(refs, How):
        write = Write(site=HERE, target=ref, how=how, op=OPS[how], value_in_graph=True)
        yield from (replace(write, stale=stale) for stale in stales)
        yield from (replace(write, through=through, stale=STALE) for through in ("detach", "data", "numpy"))
        yield from (replace(write, refusal=refusal) for refusal in Refusal)
        yield replace(write, alias_read=replace(ALIAS, name=ref.name, how="numpy"))
    for ref, failure in itertools.product(refs, Failure):
        yield Backward(site=HERE, root=ref, failure=failure)
        yield Backward(site=HERE, root=ref, failure=failure, loop_carried=True, freed=NEEDED, shared=MADE, shape=(2,))
        yield Backward(site=HERE, root=ref, retain_graph=True, reused=(NEEDED,), reused_roots=("",))
    for holder, made, sort in itertools.product(Holder, (None, MADE), (True, False)):
        yield replace(UNREGISTERED, holder=holder, made=made, parameter=sort)
    for site, kept in itertools.product((HERE, Site("train.py", "inside", calls=(CALL,))), (True, False)):
        yield MadeInForward(site=site, owner="Net", made="Linear", kept=kept)
    for disorder, name in itertools.product(Disorder, ("", "opt")):
        yield Misordered(site=HERE, disorder=disorder, optimizer=name, backward=SAVED, cleared=MADE, step=NEEDED)
    for name in ("", "best"):
        yield StateKept(site=HERE, name=name, stepped=NEEDED, read=SAVED)
        yield EvalForward(site=HERE, module=name, mode=MADE)
        yield OptimizerRebuilt(site=HERE, optimizer=name, step=NEEDED)
        yield replace(WRITE, argument="x", target=PLAIN)
    yield replace(BACKWARD, create_graph=True)
    for ref in refs:
        yield from (GraphKept(site=HERE, value=ref, holder=h, added=a) for h in ("", "total") for a in (True, False))
        yield from (LostWrite(site=HERE, target=ref, op=op, copied=MADE) for op in ("[]=", "mul_"))
        for gradient, partly in itertools.product((True, False), (True, False)):
            yield ClippedNothing(site=HERE, target=ref, op="clip_grad_norm_", gradient=gradient, partly=partly)
        yield from (Refused(site=HERE, reason=reason, target=ref) for reason in Refusal)
        yield Accumulation(site=HERE, first=NEEDED, leaf=ref, stepped=SAVED, in_loop=True)
        yield GradRead(site=HERE, target=ref, backwards=(SAVED, NEEDED), expected_alone=True)
        yield GradZero(site=HERE, target=ref, op="zero_")
        yield HookRegistered(site=HERE, target=ref, method="register_hook", repeated=True)
        yield AttributeBound(site=HERE, attribute="w", owner="Net", value=ref, op="to", move=True)
        yield LeafLost(site=HERE, leaf=MADE, name=ref.name, op="**")
        yield IndexRead(site=HERE, target=ref)
        yield from flow_events(ref)
        yield from function_events(ref)


def flow_events(ref: TensorRef) -> Iterator[Event]:
    for how, flag in itertools.product(("item", "no_grad", "nn.Parameter"), (False, True)):
        yield Cut(site=HERE, target=ref, how=how, needed=NEEDED, leaf=ref, missed=SAVED, stepped=flag, rewrapped=flag)
        yield DeadEnd(site=HERE, target=ref, how=how, needed=NEEDED, flagged=flag, cut=SAVED)
        yield DeadEnd(site=HERE, target=ref, how=how, needed=NEEDED, flagged=flag, raises=True)
    yield ConstantTerm(site=HERE, target=ref, how="item", added=SAVED, needed=NEEDED)
    yield Discarded(site=HERE, target=ref, op="to")
    yield AttributeSet(site=HERE, target=ref, attribute="require_grad")
    yield AttributeSet(site=HERE, target=ref, attribute="requires_grad", module=True)
    yield from (InfiniteDerivative(site=HERE, kind=kind, op="sqrt", name=ref.name) for kind in Singularity)


def function_events(ref: TensorRef) -> Iterator[Event]:
    yield FunctionReturned(site=HERE, function="F", gradients=3, nones=0, required=1, accepted=1, forward=MADE)
    yield InputWritten(site=HERE, target=ref, op="mul_", function="F", used=NEEDED)
    yield ContextKept(site=HERE, attribute="x", target=ref, role="input")
    yield GradientWritten(site=HERE, op="mul_", registered=MADE, name=ref.name)
    yield GradientChecked(site=HERE, target=ref, check="gradcheck", dtype="float32")
    yield AnomalyMode(site=HERE)
    yield from (ForwardCalled(site=HERE, name=ref.name, hooks=hooks) for hooks in (False, True))
    yield from (Checkpointed(site=HERE, function="checkpoint", reentrant=kind, lost=True) for kind in (None, True))


def test_texts_are_well_formed_whatever_the_event() -> None:
    heard = set()
    for event in every_event():
        for code, (report, _) in judge(event).items():
            heard.add(code)
            for text in (report.message, report.help, *(message for message, _ in report.related)):
                assert WELL_FORMED.fullmatch(text), (code, text)
                assert text.count("`") % 2 == 0, text
    assert heard == {rule.code for rule in all_rules() if rule.on}


def test_what_is_not_certain_is_never_an_error() -> None:
    for event in every_event():
        for code, (report, rule) in judge(replace(event, certain=False)).items():
            assert min(report.severity or rule.severity, rule.severity) < Severity.ERROR, code
            if rule.severity is Severity.ERROR:
                assert " may " in report.message, report.message


def test_what_is_certain_says_so() -> None:
    for event in every_event():
        for code, (report, _) in judge(event).items():
            doubtful = isinstance(event, AttributeBound | LeafLost) and event.move
            assert doubtful or " may " not in report.message, (code, report.message)
