"""AGL108: parameters are updated between a forward and a later backward through it."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lint.events import Event, How, Stale, Write
from autograd_lint.finding import Severity
from autograd_lint.rule import Report, Rule, quoted, saved_and_needed, ways_in


class OptimizerStepBeforeBackward(Rule):
    """Parameters are updated between a forward and a later backward through it.

    ## What it does

    Reports an optimizer's `step()`, and other calls that write a module's state (`load_state_dict`,
    `reset_parameters`), that change what a forward saved, where a backward through that forward comes later.
    Actor-critic, GAN and multi-loss loops are where it happens.

    A parameter that was not saved does no harm: a bias, or the weight of a first `Linear` whose input needs no
    gradient.

    ## Why is this bad

    A step writes the parameters in place. The backward that follows needs the old ones for the chain rule, so torch
    raises. With `fused=True` no version counter moves: torch does not notice, and computes gradients for a mixture of
    old activations and new weights.

    `retain_graph=True` does not help: it keeps the graph, not the values.

    ## What torch says

    ```text
    RuntimeError: one of the variables needed for gradient computation has been modified by an inplace operation
    ```

    It says so at the later backward; with `fused=True` it says nothing.

    ## Example

    ```python
    import torch

    x = torch.ones(1, 2)
    actor, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    actor_loss = -critic(actor(x)).mean()  # saves the critic's weight
    critic_loss = (critic(x) - 1).square().mean()
    critic_loss.backward()
    optimizer.step()
    actor_loss.backward()
    ```

    ## Use instead

    ```python
    import torch

    x = torch.ones(1, 2)
    actor, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    critic_loss = (critic(x) - 1).square().mean()
    critic_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    actor_loss = -critic(actor(x)).mean()  # a forward with the new weight
    actor_loss.backward()
    ```

    ## Confirmation

    Confirmed when the later backward raises, or its gradients differ from those computed without the step, and the
    saved tensor is a parameter that the step wrote. Refuted when it runs and the gradients are the same.

    ## References

    - [Autograd mechanics: in-place correctness checks](https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks)
    - [`torch.optim`: taking an optimization step](https://docs.pytorch.org/docs/stable/optim.html#taking-an-optimization-step)
    """

    code = "AGL108"
    name = "optimizer-step-before-backward"
    severity = Severity.ERROR
    on = (Write,)
    says = ("modified by an inplace operation",)
    supersedes = ("AGL103", "AGL104")

    def judge(self, event: Event) -> Iterator[Report]:
        """A write by an optimizer or to a module's state that a later backward meets."""
        if not isinstance(event, Write) or event.stale is None or event.how not in (How.OPTIMIZER, How.STATE):
            return
        yield Report(
            event.site,
            _message(event, event.stale),
            (*saved_and_needed(event.stale), *ways_in(event)),
            _help(event),
            None if event.certain else Severity.WARNING,
        )


def _message(event: Write, stale: Stale) -> str:
    changes = "changes" if event.certain else "may change"
    otherwise = "a parameter" if event.target.parameter or event.how is How.OPTIMIZER else "a tensor"
    name = quoted(event.target.name or stale.saved_name, otherwise=otherwise)
    told = f"`{event.op}` {changes} {name}, which `{stale.saved_by}` saved for a backward that runs later"
    return f"{told}; no version counter moves, so the gradient is wrong without an error" if stale.silent else told


def _help(event: Write) -> str:
    if event.how is How.OPTIMIZER:
        return "run every backward through this forward before `step()`, or run the forward again after it"
    return f"finish the backward before `{event.op}`, or run the forward again after it"
