"""What scoring asks of a kind of task; each kind is a module that has these functions.

For each image, what the learn half's `keep` kept is stored: a logit per task, or the counts from
which a metric of another kind is made. Either way the first axes are checkpoint, image and task.
A kind that stores several numbers of each names them in `STORED`; what is kept begins with them.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from numpy.typing import ArrayLike, NDArray

from transfergrid.tasks.lookup import half_of


class ScoreHalf(Protocol):
    """The half of a kind of task that needs numpy alone."""

    def check_labels(self, labels: NDArray[Any], image_id: NDArray[Any]) -> None:
        """Refuse labels (N, T) of images, 0 to 1 or NaN, that this kind cannot have.

        Raises:
            UserError: The sentence names the first image.
        """
        ...

    def check_cases(self, labels: NDArray[Any], case_id: NDArray[Any]) -> None:
        """Refuse labels (S, T) of cases, as `truth` made them, that this kind cannot have.

        Raises:
            UserError: The sentence names the cases.
        """
        ...

    def cases(self, stored: ArrayLike, index: ArrayLike, how: str) -> NDArray[Any]:
        """Return (C, S, T, ...) what metrics take, from what is stored of (C, N, T, ...) images.

        Args:
            stored: Of C checkpoints and N images.
            index: (N,) number of each image's case, see `transfergrid.tasks.score.units`.
            how: How the views of a case are combined, "max" or "mean".
        """
        ...

    def truth(self, labels: ArrayLike, index: ArrayLike) -> NDArray[Any]:
        """Return the labels of S cases, from those of N images."""
        ...

    def probabilities(self, logits: ArrayLike) -> NDArray[Any]:
        """Return (..., T) float64 probabilities of (..., T) logits.

        Ties are those of the logits (float32 would saturate).
        """
        ...

    def accuracy(self, probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
        """Return the share of cases (S, T) that are right, or NaN without a known label."""
        ...

    def chance(self, labels: NDArray[Any]) -> float:
        """Return the accuracy of always giving the commonest answer, or NaN."""
        ...


def stored_numbers(task_kind: str) -> tuple[str, ...]:
    """Return what the numbers are that are stored of an image and task; none for a logit.

    Raises:
        UserError: There is no such kind.
    """
    return tuple(getattr(half_of(task_kind, "score"), "STORED", ()))


def score_half(task_kind: str) -> ScoreHalf:
    """Return the half of a kind of task by name.

    Raises:
        UserError: There is no such kind.
    """
    return cast(ScoreHalf, half_of(task_kind, "score"))
