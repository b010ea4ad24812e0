"""A mixed model of the scores of methods on several data sets, several seeds each."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

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
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec  # a second, if needed

    fixed = _indicators(method, np.unique(method))
    groups = np.unique(dataset)
    levels = {
        name: [np.unique(labels[dataset == group]) for group in groups]
        for name, labels in parts.items()
    }
    spec = VCSpec(
        list(parts),
        [[[str(one) for one in own] for own in levels[name]] for name in parts],
        [
            [
                _indicators(labels[dataset == group], own)
                for group, own in zip(groups, levels[name], strict=True)
            ]
            for name, labels in parts.items()
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of 0 is an answer here
        own = np.ones((len(y), 1))
        model = MixedLM(y, fixed, dataset, exog_re=own, exog_vc=spec if parts else None)
        try:
            fit = model.fit(reml=True, method=["bfgs", "lbfgs", "powell"])
            covariance = np.asarray(fit.cov_params())[: fixed.shape[1], : fixed.shape[1]]
        except np.linalg.LinAlgError:
            return None
    if not fit.converged or not np.isfinite(covariance).all():
        return None
    # vcomp is on the scale of y; the same among the model's params is over the error's variance.
    variances = dict(zip(model.exog_vc.names if parts else (), map(float, fit.vcomp), strict=True))
    variances |= {"dataset": float(np.asarray(fit.cov_re)[0, 0]), "left": float(fit.scale)}
    return np.asarray(fit.fe_params), covariance, variances


def _indicators(labels: NDArray[np.int64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(labels[:, None] == np.asarray(levels)[None], dtype=np.float64)
