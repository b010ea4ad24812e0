"""A mixed model of the scores of methods on several data sets, several seeds each."""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

NOT_CONVERGED = "the mixed model did not converge"
NOTHING_VARIES = "nothing varies beside the data sets, so there is no mixed model"


@dataclass(frozen=True)
class Mixed:
    """A fitted model.

    Attributes:
        effects: (k,) mean of each method over data sets.
        covariance: (k, k) of `effects`, NaN where the model did not converge.
        df: Degrees of freedom of a difference of two methods: cells of data set and method less
            the data sets' and the methods' means.
        dataset_sd: SD between data sets.
        interaction_sd: SD of what a method does on one data set beyond its mean; 0 where each has
            one seed, of which it is a part of `left_sd`.
        seed_sd: SD of what a seed does to all methods of a data set.
        left_sd: SD that is left.
        note: Why there is no answer, or empty.
    """

    effects: NDArray[np.float64]
    covariance: NDArray[np.float64]
    df: int
    dataset_sd: float
    interaction_sd: float
    seed_sd: float
    left_sd: float
    note: str = ""

    @classmethod
    def without(cls, effects: NDArray[np.float64], df: int, note: str) -> Mixed:
        """Return a model that has means alone, and why."""
        nothing = np.full((len(effects), len(effects)), np.nan)
        return cls(effects, nothing, df, math.nan, math.nan, math.nan, math.nan, note)

    def difference(self, a: int, b: int, alpha: float) -> tuple[float, float, float, float]:
        """Return one method less another: estimate, bounds and two-sided p-value."""
        cov = self.covariance
        estimate = float(self.effects[a] - self.effects[b])
        error = math.sqrt(max(float(cov[a, a] + cov[b, b] - 2 * cov[a, b]), 0.0))
        if not error > 0 or self.df < 1:  # NaN is not above 0 either
            return estimate, math.nan, math.nan, math.nan
        arm = -float(special.stdtrit(self.df, alpha / 2)) * error
        p = 2 * float(special.stdtr(self.df, -abs(estimate) / error))
        return estimate, estimate - arm, estimate + arm, p


def mixed_model(
    scores: ArrayLike, methods: ArrayLike, datasets: ArrayLike, seeds: ArrayLike
) -> Mixed:
    """Fit score = method + data set + (method on data set) + (seed on data set) + rest.

    Methods are fixed, all else is random, by restricted likelihood. Data sets are the sample: what
    a method does on one of them is the error by which two methods are compared, and it has
    (data sets - 1) (methods - 1) degrees of freedom where nothing is missing.

    Args:
        scores: (N,) scores, higher better.
        methods: (N,) numbers from 0, each of which occurs.
        datasets: (N,) numbers from 0.
        seeds: (N,) seeds; one of a data set is shared by its methods.
    """
    y, method, dataset, seed = (np.asarray(v) for v in (scores, methods, datasets, seeds))
    k = int(method.max()) + 1
    cells = len(set(zip(dataset.tolist(), method.tolist(), strict=True)))
    df = cells - len(np.unique(dataset)) - k + 1
    means = np.array([y[method == m].mean() for m in range(k)])
    scale = float((y - np.array([y[dataset == d].mean() for d in dataset])).std())
    if df < 1 or scale < 1e-12:
        return Mixed.without(means, df, NOTHING_VARIES)
    repeated = len(y) > cells
    parts = {"interaction": method, "seed": seed} if repeated else {}
    # Scores lie close together; the optimiser takes steps that fit a spread of about 1.
    found = _fit((y - y.mean()) / scale, method, dataset, parts)
    if found is None:
        return Mixed.without(means, df, NOT_CONVERGED)
    effects, covariance, variances = found
    sds = {name: scale * math.sqrt(max(value, 0.0)) for name, value in variances.items()}
    return Mixed(
        effects * scale + y.mean(),
        covariance * scale**2,
        df,
        sds["dataset"],
        sds.get("interaction", 0.0),
        sds.get("seed", 0.0),
        sds["left"],
    )


def _fit(
    y: NDArray[np.float64],
    method: NDArray[np.int64],
    dataset: NDArray[np.int64],
    parts: dict[str, NDArray[np.int64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, float]] | None:
    """Return effects, their covariance and variances by part; None without convergence."""
    from statsmodels.regression.mixed_linear_model import (  # a second, if needed
        MixedLM,
        MixedLMParams,
    )

    fixed = _indicators(method, np.unique(method))
    spec = _components(dataset, parts) if parts else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of 0 is an answer here
        own = np.ones((len(y), 1))
        model = MixedLM(y, fixed, dataset, exog_re=own, exog_vc=spec)
        # From its own start statsmodels stops far from the optimum, and says that it has converged,
        # where data sets differ by much more than what methods do on one of them; by its gradient
        # it does so where a variance is 0.
        rough = _rough_variances(y, method, dataset, parts.get("seed", dataset))
        start = MixedLMParams.from_components(
            fe_params=np.array([y[method == m].mean() for m in np.unique(method)]),
            cov_re=np.array([[rough["dataset"] / rough["left"]]]),
            vcomp=np.array([rough[name] / rough["left"] for name in parts]),
        )
        fits = []
        for way in ("powell", "lbfgs"):
            with contextlib.suppress(np.linalg.LinAlgError):
                fits.append(model.fit(reml=True, method=[way], start_params=start))
    fit = max(fits, key=lambda one: float(np.nan_to_num(one.llf, nan=-np.inf)), default=None)
    if fit is None or not fit.converged:
        return None
    # vcomp is on the scale of y; the same among the model's params is over the error's variance.
    variances = dict(zip(model.exog_vc.names if parts else (), map(float, fit.vcomp), strict=True))
    variances |= {"dataset": float(np.asarray(fit.cov_re)[0, 0]), "left": float(fit.scale)}
    try:
        effects, covariance = _effects(y, fixed, dataset, parts, variances)
    except np.linalg.LinAlgError:
        return None
    return (effects, covariance, variances) if np.isfinite(covariance).all() else None


def _components(dataset: NDArray[np.int64], parts: dict[str, NDArray[np.int64]]) -> Any:
    """Return statsmodels' declaration of what is random within a data set."""
    from statsmodels.regression.mixed_linear_model import VCSpec

    groups = [dataset == group for group in np.unique(dataset)]
    levels = {name: [np.unique(labels[own]) for own in groups] for name, labels in parts.items()}
    return VCSpec(
        list(parts),
        [[[str(one) for one in own] for own in levels[name]] for name in parts],
        [
            [
                _indicators(labels[own], there)
                for own, there in zip(groups, levels[name], strict=True)
            ]
            for name, labels in parts.items()
        ],
    )


def _rough_variances(
    y: NDArray[np.float64],
    method: NDArray[np.int64],
    dataset: NDArray[np.int64],
    seed: NDArray[np.int64],
) -> dict[str, float]:
    """Return variances by part from means of cells, for the optimiser to start at."""

    def means(values: NDArray[np.float64], *labels: NDArray[np.int64]) -> NDArray[np.float64]:
        _, which = np.unique(np.stack(labels), axis=1, return_inverse=True)
        found: NDArray[np.float64] = (np.bincount(which, values) / np.bincount(which))[which]
        return found

    beyond = y - means(y, method)
    of_dataset, of_cell = means(beyond, dataset), means(beyond, dataset, method)
    of_seed = means(beyond - of_cell, dataset, seed)
    parts = {"dataset": of_dataset, "interaction": of_cell - of_dataset, "seed": of_seed}
    parts["left"] = beyond - of_cell - of_seed
    return {name: max(float(values.var()), 1e-3) for name, values in parts.items()}


def _effects(
    y: NDArray[np.float64],
    fixed: NDArray[np.float64],
    dataset: NDArray[np.int64],
    parts: dict[str, NDArray[np.int64]],
    variances: dict[str, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the effects by generalised least squares for these variances, and their covariance.

    The inverse of the fit's Hessian has them too, but is none where a variance is 0.
    """
    information = np.zeros((fixed.shape[1],) * 2)
    weighted = np.zeros(fixed.shape[1])
    for group in np.unique(dataset):
        rows = np.flatnonzero(dataset == group)
        spread = variances["left"] * np.eye(len(rows)) + variances["dataset"]
        for name, labels in parts.items():
            spread += variances[name] * (labels[rows, None] == labels[rows])
        left = np.linalg.solve(spread, fixed[rows])
        information += fixed[rows].T @ left
        weighted += left.T @ y[rows]
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return covariance @ weighted, covariance


def _indicators(labels: NDArray[np.int64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(labels[:, None] == np.asarray(levels)[None], dtype=np.float64)
