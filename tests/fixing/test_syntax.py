"""Fixes in code of every form that Python's grammar allows: it parses, says the same, and keeps its comments."""

from __future__ import annotations

import ast
import difflib

import pytest

from autograd_lint.fixing.apply import fix_source
from autograd_lint.source import SourceFile
from tests.fixing.test_every_fix import check, codes, comments, fixed
from tests.fixing.torch_runs import compute, differences

HEAD = "import torch\nx = torch.ones(3, requires_grad=True)\nw = torch.ones(3, requires_grad=True)\nv = w\nh = x * 2\n"
TAIL = "h.sum().backward()\n"

CASES = {
    "tabs": (
        "def f():\n\th = x * 2\n\tif True:\n\t\th += 1  # c\n\t\tv.mul_(2)\n\treturn h\n\n\nf()\n",
        "-\t\th += 1  # c\n-\t\tv.mul_(2)\n+\t\th = h + 1  # c\n+\t\twith torch.no_grad():\n+\t\t\tv.mul_(2)\n",
    ),
    "form feeds": (
        "def f(h):\n    k = h * 2\n\f    k += 1\n\f    v.mul_(2)\n    return k\n\n\f\nf(x)\n\fw += 1\n",
        "-\f    k += 1\n-\f    v.mul_(2)\n+\f    k = k + 1\n+\f    with torch.no_grad():\n+        v.mul_(2)\n"
        "-\fw += 1\n+\fwith torch.no_grad():\n+    w += 1\n",
    ),
    "a very long row": (f"h += {'1 + ' * 1500}1\n", None),
    "continued rows": (
        "h \\\n    += \\\n    1\nw \\\n  += 1\n",
        "-    += \\\n+    = h + \\\n-w \\\n-  += 1\n+with torch.no_grad():\n+    w \\\n+      += 1\n",
    ),
    "arguments on rows of their own": (
        "h.add_(\n    1,  # one\n)\nw.add_(\n  # two\n  1\n)\n",
        "-h.add_(\n+h = h.add(\n-w.add_(\n-  # two\n-  1\n-)\n+with torch.no_grad():\n+    w.add_(\n"
        "+      # two\n+      1\n+    )\n",
    ),
    "one row with its condition": ("if True: h += 1\n", "-if True: h += 1\n+if True: h = h + 1\n"),
    "one row with its loop": ("for _ in range(2): h += 1; h *= 2\n", "-{0}+{1}"),
    "one row with its function": (
        "def f(): k = x * 2; k += 1; return k\nf()\n",
        "-def f(): k = x * 2; k += 1; return k\n+def f(): k = x * 2; k = k + 1; return k\n",
    ),
    "semicolons": ("h += 1; w += 1; h *= 2\n", "-h += 1; w += 1; h *= 2\n+h = h + 1; w += 1; h = h * 2\n"),
    "a semicolon at the end": ("h += 1;  # end\n", "-h += 1;  # end\n+h = h + 1;  # end\n"),
    "an f-string in an f-string": ("print(f\"{h.add_(1)!r:>{10}} {f'{h.mul_(2)}'}\")\n", ""),
    "coroutines": (
        "async def f(h):\n    async def g():\n        k = h * 2\n        k += 1\n        return k\n    w.mul_(2)\n"
        "    return await g()\n",
        "-    w.mul_(2)\n+    with torch.no_grad():\n+        w.mul_(2)\n",
    ),
    "assignment expressions": (
        "if (k := x * 2) is not None:\n    k += 1\n(y := k.add_(1))\nif (z := h.mul_(2)).sum() > 0: pass\n",
        "-    k += 1\n+    k = k + 1\n",
    ),
    "match": (
        "match 3:\n    case 3 if x is not None:\n        h += 1\n        w += 1\n    case _: h += 2\n",
        "-        h += 1\n-        w += 1\n+        h = h + 1\n+        with torch.no_grad():\n+            w += 1\n",
    ),
    "wide characters": (
        'é = "𝔘𝔫𝔦"; ñ = x * 2\nñ += 1  # ünïcode 𝔘\n𝔥 = x * 2\n𝔥 += 1\n',
        "-ñ += 1  # ünïcode 𝔘\n+ñ = ñ + 1  # ünïcode 𝔘\n-𝔥 += 1\n+𝔥 = 𝔥 + 1\n",
    ),
    "exception groups": (
        "try:\n    h += 1\n    w += 1\nexcept* RuntimeError as error:\n    pass\nfinally:\n    h += 2\n",
        "-    h += 1\n-    w += 1\n+    h = h + 1\n+    with torch.no_grad():\n+        w += 1\n-    h += 2\n+    h = h + 2\n",
    ),
    "a class body": ("class A:\n    k = x * 2\n    k += 1\n", "-    k += 1\n+    k = k + 1\n"),
    "annotated names": ("k: torch.Tensor = x * 2\nk += 1\n", "-k += 1\n+k = k + 1\n"),
    "parenthesised contexts": (
        "with (\n    torch.enable_grad() as a,\n    torch.enable_grad(),  # b\n):\n    h += 1\n",
        "-    h += 1\n+    h = h + 1\n",
    ),
    "a string of several rows": ('w.add_(len("""a\nb"""))\nh.add_(len("""a\n   b"""))  # k\n', '-h.add_(len("""a\n+h = h.add(len("""a\n'),
    "operands that need parentheses": (
        "h += 1 if True else 2\nh -= 2 - 1\nh *= not False\nh *= 2**2\n",
        "-h += 1 if True else 2\n-h -= 2 - 1\n-h *= not False\n-h *= 2**2\n"
        "+h = h + (1 if True else 2)\n+h = h - (2 - 1)\n+h = h * (not False)\n+h = h * 2**2\n",
    ),
    "parentheses and spaces": (
        "((h)).add_(1)\n(h.add_)(1)\nh . add_ (1)\n",
        "-((h)).add_(1)\n-(h.add_)(1)\n-h . add_ (1)\n+h = ((h)).add(1)\n+h = (h.add)(1)\n+h = h . add (1)\n",
    ),
    "comments around": (
        "if True:\n    w += 1  # a\n    # b\n# c\nelse:\n    pass\n  # d\n",
        "-    w += 1  # a\n+    with torch.no_grad():\n+        w += 1  # a\n",
    ),
    "globals": ("def f():\n    global h\n    h += 1\n\n\nf()\n", "-    h += 1\n+    h = h + 1\n"),
}  # fmt: skip
CASES["writes in a row"] = (
    "w += 1  # a\nw[0] = 2\n# b\nw.mul_(2)\n",
    "-w += 1  # a\n-w[0] = 2\n+with torch.no_grad():\n+    w += 1  # a\n+    w[0] = 2\n"
    "-w.mul_(2)\n+with torch.no_grad():\n+    w.mul_(2)\n",
)
CASES["one row with its loop"] = (
    "for _ in range(2): h += 1; h *= 2\n",
    "-for _ in range(2): h += 1; h *= 2\n+for _ in range(2): h = h + 1; h = h * 2\n",
)


def changed(before: str, after: str) -> str:
    """The rows that a fix takes away and puts in."""
    rows = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return "".join(f"{row}\n" for row in list(rows)[2:] if not row.startswith("@@"))


@pytest.mark.parametrize("name", CASES)
def test_edits_are_what_they_should_be(name: str) -> None:
    body, expected = CASES[name]
    program = HEAD + body + TAIL
    after = fixed(program, unsafe=True).source.text
    ast.parse(after)
    assert comments(after) == comments(program)
    assert expected is None or changed(program, after) == expected
    assert sum(codes(after).values()) <= sum(codes(program).values())


@pytest.mark.parametrize("name", CASES)
def test_safe_edits_change_nothing_that_is_computed(name: str) -> None:
    program = HEAD + CASES[name][0] + TAIL
    after = fixed(program, unsafe=False).source.text
    ast.parse(after)
    before, then = compute(program), compute(after)
    assert then.raised == before.raised
    assert before.raised or differences(before, then) == []


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not-ended"])
def test_line_ends_stay(end: str, *, last: bool) -> None:
    program = (HEAD + "h += 1  # c\n" + TAIL + "w += 1" + "\n" * last).replace("\n", end)
    after = fix_source(SourceFile("/program.py", program, newline=end), check, unsafe=True).source.text
    wanted = (HEAD + "h = h + 1  # c\n" + TAIL + "with torch.no_grad():\n    w += 1" + "\n" * last).replace("\n", end)
    assert after == wanted


def test_decorator_stands_with_the_others() -> None:
    program = (
        "import torch\n\nmodel = torch.nn.Linear(3, 1)\n\n\nclass T:\n    @staticmethod\n    # why\n"
        '    def evaluate(batches):\n        """Doc."""\n        model.eval()\n        for b in batches:\n'
        "            out = model(b)\n        return out\n\n\nT.evaluate(torch.ones(2, 3))\n"
    )
    after = fixed(program, unsafe=True).source.text
    assert after == program.replace("    def evaluate", "    @torch.no_grad()\n    def evaluate")
    assert compute(after).raised == ""


def test_fault_behind_a_fault_is_fixed_too() -> None:
    """The second write is not reached before the first is mended: that it is found then speaks not against the fix."""
    program = HEAD + "def f():\n    v.mul_(2)\n\n\nf()\nw += 1\n" + TAIL
    after = fixed(program, unsafe=True).source.text
    assert after.count("with torch.no_grad():") == 2
    assert compute(after).raised == ""


def test_forwards_in_a_row_come_under_one_context() -> None:
    """Where `torch` is imported in a `try` block, it is not imported again."""
    program = (
        "try:\n    import torch\nexcept ImportError:\n    raise\nnet = torch.nn.Linear(2, 2)\nnet.eval()\n"
        "for batch in torch.ones(2, 2):\n    one = net(batch)\n# two\nfor batch in torch.ones(2, 2):\n"
        "    two = net(batch)  # again\nprint(one, two)\n"
    )
    after = fixed(program, unsafe=True).source.text
    assert after == program.replace(
        "for batch in torch.ones(2, 2):\n    one = net(batch)\n# two\nfor batch in torch.ones(2, 2):\n"
        "    two = net(batch)  # again\n",
        "with torch.no_grad():\n    for batch in torch.ones(2, 2):\n        one = net(batch)\n    # two\n"
        "    for batch in torch.ones(2, 2):\n        two = net(batch)  # again\n",
    )


def test_line_behind_a_fixed_statement_is_not_needed() -> None:
    """The result of `to` is no leaf; that its gradient has to be retained is true no more once it is a Parameter."""
    program = (
        "import torch\n\n\nclass M(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = torch.nn.Parameter(torch.ones(3)).to(torch.float64)\n\n\n"
        "module = M()\nmodule.w.sum().backward()\nprint(module.w.grad)\n"
    )
    after = fixed(program, unsafe=True).source.text
    assert after == program.replace("(torch.ones(3)).to(torch.float64)", "(torch.ones(3).to(torch.float64))")
    assert compute(after).raised == ""


@pytest.mark.parametrize("write", ["y.data.mul_(2)", "y.data[0] = 3", "y.data += 1", "y.detach()[1:].add_(2)"])
def test_write_that_is_all_an_alias_is_made_for_stays(write: str) -> None:
    """Made on a copy it would do nothing."""
    program = f"import torch\n\nx = torch.ones(3, requires_grad=True)\ny = x.exp()\n{write}\ny.sum().backward()\n"
    assert codes(program)["AGL107"] == 1
    assert fixed(program, unsafe=True).source.text == program
