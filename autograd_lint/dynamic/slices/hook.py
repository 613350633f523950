"""The hook around a file that is run in parts: its definitions and statements, then what the findings are in."""

from __future__ import annotations

import sys

from autograd_lint.dynamic.sandbox.limits import allow_report
from autograd_lint.dynamic.slices.disarming import disarm
from autograd_lint.dynamic.slices.driving import DRIVER, Slice
from autograd_lint.dynamic.slices.finder import StubModules, map_devices
from autograd_lint.dynamic.slices.guesses import Guesses
from autograd_lint.dynamic.snippets.program import Program
from autograd_lint.dynamic.testify import EnoughTime, Part, Witness, observed, settle
from autograd_lint.dynamic.tracer import set_trace
from autograd_lint.evidence import STEPPED_OVER


def testify(program: Program) -> object:
    """Run the parts of `program` that the rows in its options are in, and tell what they showed."""
    settle(program)
    rows = [int(row) for row in program.options.get("rows", ())]
    sliced = Slice(
        program.text, program.filename, program.module.__dict__, Guesses(zeros=bool(program.options.get("zeros")))
    )
    sys.modules["__main__"] = program.module
    sys.argv = [program.filename]
    disarm(sliced.guesses)
    modules = StubModules(sliced.guesses)
    sys.meta_path.append(modules)
    map_devices()

    def run(witness: Witness) -> Part:
        trace = sys.gettrace()
        sliced.again = witness.again
        try:
            script = bool(program.options.get("script"))
            if script:
                sliced.run_script(rows, lambda: witness.reached.get(program.filename, ()))
            else:
                sliced.run_module(script=False)
                sliced.drive(rows, lambda: witness.reached.get(program.filename, ()))
        except EnoughTime as error:
            program.error = error
        finally:
            set_trace(trace)
            allow_report()
        left_out = [f"row {row} is left out" for row in sliced.omitted]
        passed = [f"row {row} is taken to be passed" for row in sliced.guards.passed]
        over = [f"row {row} {STEPPED_OVER}" for row in sliced.over.rows]
        return (*modules.made, *sliced.supplied, *sliced.guesses.specs, *left_out, *passed, *over), sliced.ended

    return observed(program, run, extra=(DRIVER,))
