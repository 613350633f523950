"""Notebooks: those exported to a script are confirmed, as they are or in parts; the format itself is told to be unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.finding import Verdict
from autograd_lint.runner import run
from tests.confirm.conftest import Confirmed, confirm_result, settings_for

pytest.importorskip("torch")

EXPORTED = """\
#!/usr/bin/env python
# coding: utf-8

# # Exponents

# In[1]:


get_ipython().run_line_magic('matplotlib', 'inline')
import torch
get_ipython().system('pip install tqdm')
x = torch.ones(3, requires_grad=True)


# In[2]:


y = x.exp()
y += 1


# In[3]:


display(y)
get_ipython().run_cell_magic('time', '', 'y.sum()\\n')
y.sum().backward()
"""
"""As `jupyter nbconvert --to script` writes it: magics have become calls of what only a notebook has."""

PERCENT = """\
# %% [markdown]
# # Exponents

# %%
import torch
x = torch.ones(3, requires_grad=True)

# %%
y = x.exp()
y += 1

# %%
y.sum().backward()
"""
"""As jupytext and editors write it."""


@pytest.mark.parametrize(
    ("text", "only", "how"), [(EXPORTED, "", "slice"), (EXPORTED, "replay", "replay"), (PERCENT, "", "program")]
)
def test_exported_notebook(confirm_text: Callable[..., Confirmed], text: str, only: str, how: str) -> None:
    (verdict,) = confirm_text(text, only=only).of("AGL101")
    assert (verdict.verdict, verdict.how) == (Verdict.CONFIRMED, how)
    assert "modified by an inplace operation" in verdict.evidence


def test_exported_notebook_that_must_run_as_it_is(confirm_text: Callable[..., Confirmed]) -> None:
    (verdict,) = confirm_text(EXPORTED, only="program").of("AGL101")
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "name 'get_ipython' is not defined" in verdict.evidence


def test_notebook_itself_has_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    settings = settings_for(path)
    (finding,) = confirm_result(run([str(path)], settings), settings).findings
    assert (finding.code, finding.confirmation) == ("AGL000", None)
