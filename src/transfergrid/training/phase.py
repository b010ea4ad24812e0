"""One phase of a training: what learns, from what, in which order."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

from transfergrid.planning.recipe import Phase
from transfergrid.training.batches import Batch, Feed, Order
from transfergrid.training.freezing import freeze
from transfergrid.training.job import Job
from transfergrid.training.optimisation import build_optimizer
from transfergrid.training.view import View


@dataclass(frozen=True)
class Running:
    """One phase, ready for its steps.

    Attributes:
        index: Its number, from 0.
        phase: What it is told by the recipe.
        order: The order of its steps.
        train: What its steps go through.
        valid: What its validations go through.
        feed: The rows of `train` and what is learned from them.
        optimizer: For the layers that learn.
        validate_every: Training examples between validations.
    """

    index: int
    phase: Phase
    order: Order
    train: View
    valid: View
    feed: Feed
    optimizer: Optimizer
    validate_every: int

    def last(self, batch: Batch) -> bool:
        """Tell whether the phase has no step after this batch."""
        return batch.step + 1 == self.order.steps

    def validates(self, batch: Batch) -> bool:
        """Tell whether a validation follows this batch: after N more examples, or at the end."""
        before = batch.examples - len(batch.rows)
        return self.last(batch) or batch.examples // self.validate_every > (
            before // self.validate_every
        )


def open_phase(job: Job, index: int) -> Running:
    """Set a network to what learns in a phase, with a fresh optimiser.

    Raises:
        UserError: The phase asks for blocks that the network does not have.
    """
    phase, order = job.recipe.phases[index], job.orders[index]
    freeze(job.model, phase.train_layers, phase.norms)
    # Gradients that an earlier phase left would count where their norm is clipped.
    job.model.zero_grad(set_to_none=True)
    train, valid = job.view(index)
    return Running(
        index=index,
        phase=phase,
        order=order,
        train=train,
        valid=valid,
        feed=Feed(train.images, job.target, order.rows, job.device),
        optimizer=build_optimizer(job.model, job.recipe, phase.rate),
        validate_every=job.recipe.validate_every_examples or len(order.rows),
    )
