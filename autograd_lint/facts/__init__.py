"""What torch does, measured: per public name what is saved, aliased, written, differentiable.

`ops.json` is written by `python -m autograd_lint.facts.measure` (needs torch); this package only reads it.
"""

from __future__ import annotations
