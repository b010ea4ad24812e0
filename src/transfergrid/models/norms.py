"""Batch norms that take their running statistics from given images.

Of loaded weights, scale and shift are set so that every norm goes on computing what it did in
evaluation mode; so does the network. A norm that was folded into the convolution before it is
thereby unfolded: before, it passed its input on, and training mode would have divided by a spread
that the convolution already contains.

Statistics of loaded weights are those of each norm's input in the network as it is. Of weights that
are just drawn, scale and shift stay the identity, so that each norm changes what those after it
see: there, norms that come before a norm use the statistics of the batch, and what is taken is
pooled over batches ("precise" batch norm; Wu and Johnson, 2021, Rethinking "Batch" in BatchNorm,
section 3). Statistics of the network as it is would be useless: in a deep one they are off by
factors of millions once the first norms have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from transfergrid.runtime.errors import UserError

MOST_CHANGE = 1e-2
"""Largest change of an output, relative to the largest output, that rounding may explain: float32
makes some 1e-6 of it, TF32 a thousand times that."""
_CONSTANT = 1e-6
"""A channel whose spread is below this share of its mean differs from image to image by float32's
rounding alone."""

_COMPARED = 8
"""Images whose outputs are compared from before and after: a whole batch would cost as much as a
pass over few images, and a norm that computes something else shows in any of them."""


class NotFiniteError(ArithmeticError):
    """The input of a batch norm was not a finite number."""


@dataclass(frozen=True)
class Moments:
    """Mean and spread of a norm's input, over images and positions.

    Attributes:
        count: Values of each channel.
        mean: (C,) float64.
        squares: (C,) float64, sum of squared deviations from the mean.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Return those of a (B, C, ...) tensor.

        Positions of one image are summed in the tensor's own type, which is several times faster on
        a CPU than in float64 and off by some 1e-8 of the sum; images are summed in float64.
        """
        shape = [1, -1, *[1] * (values.ndim - 2)]
        count = values.numel() // values.shape[1]
        mean = _sums(values) / count
        rounded = mean.to(values.dtype)
        squares = _sums((values - rounded.view(shape)).square_())
        squares -= count * (mean - rounded).square()
        return cls(count, mean, squares.clamp_(min=0))

    def __add__(self, other: Moments) -> Moments:
        """Pool two sets of values (Chan, Golub and LeVeque 1983)."""
        count, apart = self.count + other.count, other.mean - self.mean
        between = apart.square() * (self.count * other.count / count)
        mean = self.mean + apart * (other.count / count)
        return Moments(count, mean, self.squares + other.squares + between)

    @property
    def variance(self) -> Tensor:
        """(C,) float64, of these values: not the estimate for others, which divides by n - 1."""
        return self.squares / self.count


def _sums(values: Tensor) -> Tensor:
    """Return (C,) float64 sums of a (B, C, ...) tensor."""
    each = values.flatten(2).sum(2) if values.ndim > 2 else values
    return each.sum(0, dtype=torch.float64)


@dataclass(frozen=True)
class Calibration:
    """What was set.

    Attributes:
        norms: Names of the batch norms.
        images: Images that the statistics are from.
        constant: Channels that are constant over them, and so kept their variance.
    """

    norms: tuple[str, ...]
    images: int
    constant: int


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Return a network's batch norms by name."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)
    }


def check_calibration(model: nn.Module, keep: bool) -> None:
    """Refuse a network whose batch norms cannot take statistics.

    Args:
        model: The network.
        keep: Whether it is to go on computing what it does.

    Raises:
        UserError: It has no batch norms, one without statistics, or one that cannot keep what it
            computes.
    """
    norms, kind = batch_norms(model), type(model).__name__
    if not norms:
        raise UserError(
            f"norms: calibrate sets the statistics of batch norms, but {kind} has none; write "
            "norms: train or frozen, which are the same for it."
        )
    for name, norm in norms.items():
        if norm.running_mean is None or norm.running_var is None:
            raise UserError(
                f"norms: calibrate sets running statistics, but batch norm {name} of {kind} keeps "
                "none; give it track_running_stats=True, or write norms: train."
            )
        if keep and (norm.weight is None or norm.bias is None):
            raise UserError(
                f"norms: calibrate would change what {kind} computes, because batch norm {name} "
                "has no scale and shift to make up for other statistics; write norms: train or "
                "frozen."
            )


def calibrate(model: nn.Module, batches: Iterable[Tensor], keep: bool) -> Calibration:
    """Take the statistics of all batch norms from one pass over images, in float32.

    Nothing is changed before the pass is over. Norms that the images do not go through stay as
    they are; a channel that is constant over the images keeps its variance, since its scale cannot
    be known from them. The network is left in evaluation mode.

    Args:
        model: The network, which `check_calibration` has let pass.
        batches: (B, 3, H, W) inputs on its device, in a fixed order; none of a single image.
        keep: Whether scale and shift are set so that the network's output in evaluation mode stays
            as it is; otherwise they are not touched.

    Raises:
        NotFiniteError: The input of a norm is not finite.
        UserError: The network computes something else afterwards all the same.
    """
    norms, found = batch_norms(model), dict[str, Moments]()
    images, first = 0, None
    for batch in batches:
        first = batch[:_COMPARED] if first is None else first
        images += len(batch)
        for name, moments in _moments(model, norms, batch, not keep).items():
            found[name] = found[name] + moments if name in found else moments
    for name, moments in found.items():
        if not (moments.mean.isfinite() & moments.squares.isfinite()).all():
            raise NotFiniteError(f"the input of batch norm {name} was not finite")
    before = _outputs(model, first) if keep and first is not None else None
    constant = sum(_set(norms[name], moments, keep) for name, moments in found.items())
    if before is not None and first is not None:
        _check_kept(model, before, _outputs(model, first))
    return Calibration(tuple(found), images, constant)


def _moments(
    model: nn.Module, norms: Mapping[str, _BatchNorm], batch: Tensor, by_batch: bool
) -> dict[str, Moments]:
    """Return the moments of each norm's input over a batch; in halves if memory runs out."""
    try:
        with _listening(norms) as found, _in_mode(model, norms, by_batch):
            _outputs(model, batch)
        return found
    except torch.OutOfMemoryError:
        if len(batch) < 4:  # a norm cannot use the statistics of a single image
            raise
    # Outside the handler, whose traceback would keep the tensors alive.
    one, two = (_moments(model, norms, half, by_batch) for half in batch.tensor_split(2))
    return {name: moments + two[name] for name, moments in one.items()}


def _outputs(model: nn.Module, batch: Tensor) -> Tensor:
    with torch.inference_mode(), torch.autocast(batch.device.type, enabled=False):
        outputs: Tensor = model(batch)
        return outputs


@contextmanager
def _listening(norms: Mapping[str, _BatchNorm]) -> Iterator[dict[str, Moments]]:
    """Yield a dictionary that fills with the moments of what goes into each norm."""
    found: dict[str, Moments] = {}

    def hear(name: str, values: Tensor) -> None:
        moments = Moments.of(values.float())
        # A norm may be used more than once in a pass.
        found[name] = found[name] + moments if name in found else moments

    hooks = [
        norm.register_forward_pre_hook(lambda _, given, name=name: hear(name, given[0]))
        for name, norm in norms.items()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _in_mode(model: nn.Module, norms: Mapping[str, _BatchNorm], by_batch: bool) -> Iterator[None]:
    """Put a network into evaluation mode, its norms perhaps using the statistics of the batch."""
    model.eval()
    tracked = {name: norm.track_running_stats for name, norm in norms.items()}
    try:
        if by_batch:
            for norm in norms.values():
                norm.training, norm.track_running_stats = True, False
        yield
    finally:
        model.eval()
        for name, norm in norms.items():
            norm.track_running_stats = tracked[name]


def _set(norm: _BatchNorm, moments: Moments, keep: bool) -> int:
    """Give a norm statistics; return how many channels keep their variance."""
    assert norm.running_mean is not None and norm.running_var is not None
    constant = moments.variance <= (_CONSTANT * moments.mean).square()
    # As they will be stored, so that scale and shift make up for their rounding too.
    mean = moments.mean.to(norm.running_mean.dtype)
    variance = torch.where(constant, norm.running_var, moments.variance.to(norm.running_var.dtype))
    with torch.no_grad():
        if keep:
            slope = norm.weight.double() / _spread(norm.running_var, norm.eps)
            shift = slope * (mean.double() - norm.running_mean.double())
            norm.bias.copy_(norm.bias.double() + shift)
            norm.weight.copy_(slope * _spread(variance, norm.eps))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
    return int(constant.sum())


def _spread(variance: Tensor, eps: float) -> Tensor:
    return (variance.double() + eps).sqrt()


def _check_kept(model: nn.Module, before: Tensor, after: Tensor) -> None:
    """Refuse a network whose norms do not compute what batch norms do, or share scale and shift."""
    change = ((after - before).abs().max() / before.abs().max().clamp_min(1e-30)).item()
    if not change <= MOST_CHANGE:
        raise UserError(
            f"norms: calibrate changed the outputs of {type(model).__name__} by up to "
            f"{100 * change:.2g} % of the largest, so its batch norms do not compute what "
            "torch.nn.BatchNorm2d does, or share their tensors; write norms: train or frozen."
        )
