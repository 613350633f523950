"""The analyser on made-up records: no torch runs here."""

from __future__ import annotations

from autograd_lint.dynamic.analyse import to_events
from autograd_lint.dynamic.records import (
    AccumulationNote,
    GradReadNote,
    NodeFacts,
    PassNote,
    Place,
    Records,
    RefusedNote,
    Spot,
    StaleSave,
    Via,
    WriteFacts,
    row_of,
)
from autograd_lint.dynamic.syntax import Sources, add_text, word_of_node
from autograd_lint.events import Accumulation, Backward, Event, Failure, GradRead, How, Refusal, Refused, Write
from autograd_lint.finding import Position, Range

NAME = "<made-up>"


def place(text: str, part: str, *, after: int = 0) -> Place:
    """Where `part` stands in `text`, as an instruction would tell."""
    start = text.index(part, after)
    return Place(NAME, Range(position(text, start), position(text, start + len(part))))


def position(text: str, offset: int) -> Position:
    row = text.count("\n", 0, offset) + 1
    return Position(row, offset - (text.rfind("\n", 0, offset) + 1) + 1)


def events(text: str, records: Records) -> list[Event]:
    add_text(NAME, text)
    return to_events(records, Sources())


def one_write(text: str, facts: WriteFacts) -> Write:
    (event,) = events(text, Records(writes={facts: None}))
    assert isinstance(event, Write)
    return event


def range_of(text: str, part: str) -> Range:
    return place(text, part).range


def test_augmented_assignment() -> None:
    text = "h *= 2\n"
    event = one_write(text, WriteFacts(Spot(place(text, "h *= 2")), "__imul__", Via.OPERATOR, in_graph=True))
    assert (event.how, event.op, event.target.name) == (How.AUGMENTED, "*=", "h")
    assert event.target.in_graph


def test_write_back_of_an_augmented_element_is_the_whole_statement() -> None:
    text = "h[0] += 1\n"
    event = one_write(text, WriteFacts(Spot(place(text, "h[0]")), "[]=", Via.INDEX))
    assert (event.how, event.op, event.target.name) == (How.INDEX_AUGMENTED, "+=", "h")
    assert event.site.token == range_of(text, "h[0] += 1")


def test_method_of_an_element_is_an_index_write() -> None:
    text = "self.buffer[i].mul_(2)\n"
    event = one_write(text, WriteFacts(Spot(place(text, "self.buffer[i].mul_(2)")), "mul_", Via.METHOD))
    assert (event.how, event.op, event.target.name) == (How.INDEX, "mul_", "self.buffer")


def test_instructions_of_a_method_call_over_several_rows_begin_at_its_name() -> None:
    text = "y = (x\n     .mul_(2)\n     .add_(1))\n"
    event = one_write(text, WriteFacts(Spot(place(text, "mul_(2)")), "mul_", Via.METHOD))
    assert event.site.token == Range(Position(1, 6), Position(2, 14))
    assert event.target.name == "x"


def test_function_names_its_first_argument() -> None:
    text = "F.relu(h, inplace=True)\n"
    event = one_write(text, WriteFacts(Spot(place(text, text.strip())), "relu_", Via.FUNCTION))
    assert (event.how, event.op, event.target.name) == (How.FUNCTION, "relu", "h")


def test_out_argument_is_what_is_written() -> None:
    text = "torch.add(a, b, out=total)\n"
    event = one_write(text, WriteFacts(Spot(place(text, text.strip())), "add", Via.OUT))
    assert (event.how, event.op, event.target.name) == (How.OUT, "add", "total")


def test_calls_lead_to_the_site() -> None:
    text = "def f(h):\n    h.add_(1)\n\nf(x)\n"
    event = one_write(text, WriteFacts(Spot(place(text, "h.add_(1)"), (place(text, "f(x)"),)), "add_", Via.METHOD))
    assert [call.token for call in event.site.calls] == [range_of(text, "f(x)")]


def test_columns_count_characters() -> None:
    text = "größe = 'ä'; h.add_(1)\n"
    event = one_write(text, WriteFacts(Spot(place(text, "h.add_(1)")), "add_", Via.METHOD))
    assert event.site.token == Range(Position(1, 14), Position(1, 23))


def test_stale_save_names_the_operand() -> None:
    text = "z = h * y\ny += 1\nz.backward()\n"
    write = WriteFacts(Spot(place(text, "y += 1")), "__iadd__", Via.OPERATOR)
    stale = StaleSave(
        NodeFacts("MulBackward0", place(text, "h * y")), "other", Spot(place(text, "z.backward()")), write
    )
    (event,) = events(text, Records(writes={write: None}, stale={stale: None}))
    assert isinstance(event, Write)
    assert event.stale is not None
    assert (event.stale.saved_by, event.stale.saved_name) == ("*", "y")
    assert event.stale.saved.token == range_of(text, "h * y")
    assert event.stale.needed.token == range_of(text, "z.backward()")


def test_of_a_row_the_expression_that_fits_the_node_is_taken() -> None:
    text = "z = torch.exp(a) + b * c\n"
    for name, part in (("ExpBackward0", "torch.exp(a)"), ("MulBackward0", "b * c")):
        note = PassNote(spot=Spot(row_of(NAME, 1)), failure=Failure.TWICE, shared=NodeFacts(name, row_of(NAME, 1)))
        (event,) = events(text, Records(passes=[note]))
        assert isinstance(event, Backward)
        assert event.shared is not None
        assert event.shared.token == range_of(text, part)


def test_of_a_row_where_two_expressions_fit_the_statement_is_taken() -> None:
    text = "z = a * b + c * d\n"
    node = NodeFacts("MulBackward0", row_of(NAME, 1))
    (event,) = events(text, Records(passes=[PassNote(spot=Spot(row_of(NAME, 1)), shared=node)]))
    assert isinstance(event, Backward)
    assert event.shared is not None
    assert (event.shared.token, event.shared_by) == (range_of(text, "z = a * b + c * d"), "*")


def test_root_of_a_backward() -> None:
    text = "loss.backward(retain_graph=True)\ntorch.autograd.grad([loss], x)\n"
    first = PassNote(spot=Spot(place(text, "loss.backward(retain_graph=True)")), retain_graph=True)
    second = PassNote(spot=Spot(place(text, "torch.autograd.grad([loss], x)")), call="grad")
    first.reused.append((second.spot.place, True))
    one, two = events(text, Records(passes=[first, second]))
    assert isinstance(one, Backward)
    assert isinstance(two, Backward)
    assert (one.root.name, two.root.name) == ("loss", "loss")
    assert (one.call, two.call) == ("backward", "autograd.grad")
    assert one.reused_roots == ("loss",)
    assert one.retain is not None
    assert one.retain.token == range_of(text, "True")


def test_notes() -> None:
    text = "print(w.grad)\nloss.backward()\nw.numpy()\n"
    read, passed = place(text, "w.grad"), place(text, "loss.backward()")
    records = Records()
    records.note(GradReadNote(read, leaf=True, passes=(passed, passed), expected_alone=True))
    records.note(AccumulationNote(passed, passed, name="w", in_loop=True))
    records.note(RefusedNote(place(text, "w.numpy()"), Refusal.NUMPY))
    grad_read, accumulation, refused = events(text, records)
    assert isinstance(grad_read, GradRead)
    assert (grad_read.target.name, len(grad_read.backwards)) == ("w.grad", 2)
    assert isinstance(accumulation, Accumulation)
    assert accumulation.leaf.name == "w"
    assert isinstance(refused, Refused)
    assert refused.target.name == "w"


def test_without_the_source_places_stay_as_they_are() -> None:
    here = Place("<nowhere>", Range(Position(3, 5), Position(3, 9)))
    (event,) = to_events(Records(writes={WriteFacts(Spot(here), "add_", Via.METHOD): None}), Sources())
    assert isinstance(event, Write)
    assert (event.site.token, event.op, event.target.name) == (here.range, "add_", "")


def test_words_of_nodes() -> None:
    words = {"MulBackward0": "*", "ExpBackward0": "exp", "LogSoftmaxBackward0": "log_softmax", "CopySlices": "[]="}
    assert {name: word_of_node(name) for name in words} == words
