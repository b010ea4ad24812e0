"""How often intervals over networks hold the truth, and tests err: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_networks.py

prints the tables of that page in a few minutes on one core; --quick shows that it runs. Networks,
families and their AUROCs are drawn, so the truth is known; every setting has a seed of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray
from scipy import stats

from transfergrid.planning.claims import known_claims
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.anova import one_way
from transfergrid.statistics.claims import NOT_REPRODUCED, UNDECIDED, Evidence, verdict
from transfergrid.statistics.correlation import fisher_interval, z_variance
from transfergrid.statistics.efficiency import COSTS, Cuts, summaries
from transfergrid.statistics.family import family_difference
from transfergrid.statistics.kinship import effective_number, permuted_over
from transfergrid.statistics.noise import Noise, disattenuate
from transfergrid.statistics.power import rho_critical, rho_detectable
from transfergrid.statistics.scale import Scale

Floats = NDArray[np.float64]
AUROC = Scale("auroc", sign=1, width=1.0, roc_area=True)

SIZES = {
    "16 in 6": (4, 3, 2, 1, 4, 2),  # CheXtransfer's
    "16 in 8": (2,) * 8,
    "36 in 12": (3,) * 12,
    "16 in 16": (1,) * 16,
}
"""Networks in families."""
Z = float(stats.norm.isf(0.025))


def families_of(name: str) -> NDArray[np.intp]:
    """Return the family of each network."""
    return np.repeat(np.arange(len(SIZES[name])), SIZES[name])


def draw(
    families: NDArray[np.intp], icc: float, between: float, within: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return two properties of networks.

    Args:
        families: (n,) the family of each.
        icc: Share of either's variance that lies between families.
        between: Correlation of the families' parts.
        within: Correlation of the networks' own parts.
        rng: Draws them.
    """
    parts = []
    for count, r in ((families.max() + 1, between), (len(families), within)):
        x, y = rng.normal(size=(2, count))
        parts.append((x, r * x + math.sqrt(1 - r * r) * y))
    kin, own = parts
    x, y = (math.sqrt(icc) * kin[i][families] + math.sqrt(1 - icc) * own[i] for i in (0, 1))
    return x, y


def spearman_of(r: float) -> float:
    """Return rho of normal values whose correlation is r."""
    return 6 / math.pi * math.asin(r / 2)


def _z(x: Floats, y: Floats) -> tuple[float, tuple[Floats, Floats]]:
    ranks = stats.rankdata(x), stats.rankdata(y)
    return math.atanh(float(np.clip(np.corrcoef(*ranks)[0, 1], -0.999, 0.999))), ranks


def of_tests(repeats: int) -> None:
    print(f"\n## Unrelated properties: how often a test at 5 % errs ({repeats} draws each)\n")
    table(["networks in families", "share between families", "networks permuted", "families too"])
    for name in SIZES:
        for icc in (0.0, 0.5, 0.8):
            rng = np.random.default_rng(seeded("tests", name, icc))
            families, wrong = families_of(name), np.zeros(2)
            for _ in range(repeats):
                _, ranks = _z(*draw(families, icc, 0, 0, rng))
                for i, kin in enumerate((np.arange(len(families)), families)):
                    wrong[i] += permuted_over(*ranks, kin, rng, 999) <= 0.05
            row(name, as_share(icc), *map(as_share, wrong / repeats))


def of_rho(repeats: int) -> None:
    print(f"\n## rho: how often 95 % intervals hold it ({repeats} draws each)\n")
    table(["networks in families", "share between", "r between, within", "independent", "ours"])
    for name in SIZES:
        for icc, between, within in (
            (0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.8, 0.0, 0.0),
            (0.8, 0.6, 0.6), (0.8, 0.9, 0.9), (0.5, 0.0, 0.8),
        ):  # fmt: skip
            rng = np.random.default_rng(seeded("rho", name, icc, between, within))
            families, hits = families_of(name), np.zeros(2)
            truth = math.atanh(spearman_of(icc * between + (1 - icc) * within))
            for _ in range(repeats):
                z, ranks = _z(*draw(families, icc, between, within, rng))
                ours, _, _ = z_variance(math.tanh(z), ranks, families)
                variances = np.array([1.06 / (len(families) - 3), ours])
                hits += abs(z - truth) <= Z * np.sqrt(variances)
            pair = f"{as_share(between)}, {as_share(within)}"
            row(name, as_share(icc), pair, *map(as_share, hits / repeats))


def of_power(repeats: int) -> None:
    print(f"\n## What so many networks can find (medians of {repeats} draws)\n")
    table(["networks in families", "share between families", "independent networks",
           "significant from rho", "found with 80 % power from rho"])  # fmt: skip
    for name in SIZES:
        for icc in (0.0, 0.5, 0.8):
            rng = np.random.default_rng(seeded("power", name, icc))
            families, found = families_of(name), []
            for _ in range(repeats):
                _, ranks = _z(*draw(families, icc, 0, 0, rng))
                found.append(effective_number(*ranks, families))
            n = float(np.median(found))
            row(
                name,
                as_share(icc),
                f"{n:.0f}",
                as_share(rho_critical(n)),
                as_share(rho_detectable(n)),
            )


def of_noise(repeats: int) -> None:
    print(f"\n## Noise in AUROCs: how often 95 % intervals hold the true rho ({repeats} draws)\n")
    table(
        ["families", "true rho", "reliability", "rho", "freed of noise", "median", "median freed"]
    )
    for name, icc in (("16 in 16", 0.0), ("16 in 6", 0.7)):
        for r in (0.0, 0.5, 0.95):
            for reliability in (0.9, 0.7, 0.5):
                found = noise_coverage(name, icc, r, reliability, repeats)
                row(name, as_share(spearman_of(r)), as_share(reliability), *map(as_share, found))


def noise_coverage(
    name: str, icc: float, r: float, reliability: float, repeats: int
) -> tuple[float, ...]:
    """Return how often rho's interval and the freed one's hold the truth, and both medians."""
    rng = np.random.default_rng(seeded("noise", name, icc, r, reliability))
    families, truth = families_of(name), spearman_of(r)
    n, noise, seeds = len(families), 1 / reliability - 1, 3
    raw, freed, held = [], [], np.zeros(2)
    for _ in range(repeats):
        x, y = draw(families, icc, r, r, rng)
        runs = math.sqrt(noise / 2 * seeds) * rng.normal(size=(n, seeds))
        y = y + math.sqrt(noise / 2) * rng.normal(size=n) + runs.mean(axis=1)
        measured = Noise(noise / 2, float(runs.var(axis=1, ddof=1).mean()) / seeds, n * (seeds - 1))
        z, ranks = _z(x, y)
        variance, _, _ = z_variance(math.tanh(z), ranks, families)
        one = disattenuate(math.tanh(z), variance, y, measured, 0.05, rng)
        held += [
            abs(z - math.atanh(truth)) <= Z * math.sqrt(variance),
            one.low <= truth <= one.high,
        ]
        raw.append(math.tanh(z))
        freed.append(one.rho)
    return *(held / repeats), float(np.median(raw)), float(np.nanmedian(freed))


def of_families(repeats: int) -> None:
    print(f"\n## Three families against three: coverage of 95 % intervals ({repeats} draws each)\n")
    table(["share between families", "Welch over networks", "Welch over families",
           "the share itself, as measured", "freed of noise"])  # fmt: skip
    families = families_of("16 in 6")
    names = [f"f{family}" for family in families]
    for icc in (0.0, 0.2, 0.5, 0.8):
        rng = np.random.default_rng(seeded("families", icc))
        held = np.zeros(4)
        for _ in range(repeats):
            y = draw(families, icc, 0, 0, rng)[1]
            plain = stats.ttest_ind(y[families < 3], y[families >= 3], equal_var=False).pvalue
            (_, low, high), _ = family_difference(
                y, names, (("f0", "f1", "f2"), ("f3", "f4", "f5")), 0.05
            )
            layout = one_way(y + 0.5 * rng.normal(size=16), names)
            assert layout is not None
            _, *share = layout.share(0.05)
            _, *freed = layout.share_without(0.25, 0.05, rng)
            held += [plain > 0.05, low <= 0 <= high, share[0] <= icc <= share[1],
                     freed[0] <= icc + 1e-9 and icc <= freed[1] + 1e-9]  # fmt: skip
        row(as_share(icc), *map(as_share, held / repeats))


def of_spread(repeats: int) -> None:
    print(f"\n## The SD between networks: coverage of 95 % intervals ({repeats} draws each)\n")
    table(["networks in families", "share between families", "independent", "in families"])
    for name in ("16 in 6", "36 in 12"):
        for icc in (0.0, 0.5, 0.8):
            rng = np.random.default_rng(seeded("spread", name, icc))
            families, held = families_of(name), np.zeros(2)
            labels = np.repeat([f"{family}.{i}" for i, family in enumerate(families)], 3)
            for _ in range(repeats):
                y = np.repeat(draw(families, icc, 0, 0, rng)[1], 3)
                found = one_way(
                    y + 0.5 * rng.normal(size=len(y)), labels, lambda label: label.split(".")[0]
                )
                assert found is not None
                for i, layout in enumerate((replace(found, effective=None), found)):
                    _, low, high = layout.sd_between(0.05)
                    held[i] += low <= 1 <= high
            row(name, as_share(icc), *map(as_share, held / repeats))


def of_cuts(repeats: int) -> None:
    print(f"\n## Cuts chosen for losing less than .01: coverage ({repeats} studies each)\n")
    table(["true changes", "SD of patients, seeds", "seeds", "cut too far", "bounds of the cut",
           "studies that cut", "the change: own interval", "ours"])  # fmt: skip
    for true in ((0.0, 0.0, 0.0), (0.0, -0.01, -0.02), (-0.005, -0.01, -0.03)):
        for sds in ((0.004, 0.003), (0.004, 0.01)):
            for seeds in (3, 5):
                found = cut_coverage(np.array(true), sds, seeds, repeats)
                told = ", ".join(f"{change:g}" for change in true)
                row(told, f"{sds[0]:g}, {sds[1]:g}", seeds, *map(as_share, found))


def cut_coverage(
    true: Floats, sds: tuple[float, float], seeds: int, repeats: int
) -> tuple[float, ...]:
    """Return shares of studies of one network that cut too far, whose bounds hold, that cut; of
    these, whose own interval and whose joint one hold the change at the cut."""
    rng = np.random.default_rng(seeded("cuts", *true, *sds, seeds))
    harmless = int(np.logical_and.accumulate(true > -0.01).sum())
    far = bounds = 0
    held = []
    for _ in range(repeats):
        one = _cuts(true, sds, seeds, rng)
        chosen = one.chosen("non_inferior", 0.01, 0.05)
        low, high = one.between(0.01, 0.05)
        far += chosen > harmless
        bounds += low <= harmless <= high
        if chosen:
            truth = true[chosen - 1]
            found = dict(summaries([one], "non_inferior", 0.01, 0.05))["score_change", ""]
            own = stats.t.isf(0.025, one.df[chosen - 1]) * one.se[chosen - 1]
            held.append((abs(found[0] - truth) <= own, found[1] <= truth <= found[2]))
    rates = np.mean(held, axis=0) if held else (math.nan, math.nan)
    return far / repeats, bounds / repeats, len(held) / repeats, *rates


def _cuts(true: Floats, sds: tuple[float, float], seeds: int, rng: np.random.Generator) -> Cuts:
    """Draw a network's cuts: patients move them partly alike, and the whole network's seeds do."""
    count, draws = len(true), 500
    patients = 0.6 * rng.normal(size=draws + 1) + 0.8 * rng.normal(size=(count, draws + 1))
    cut, whole = sds[1] * rng.normal(size=(count, seeds)), sds[1] * rng.normal(size=seeds)
    parts = cut.var(axis=1, ddof=1) / seeds, whole.var(ddof=1) / seeds
    between = parts[0] + parts[1]
    variance = sds[0] ** 2 + between
    df = variance**2 / ((parts[0] ** 2 + parts[1] ** 2) / (seeds - 1) + sds[0] ** 4 / 200)
    errors = sds[0] * patients[:, 1:] + np.sqrt(between)[:, None] * rng.normal(size=(count, draws))
    return Cuts(
        network="drawn",
        drops=np.arange(1, count + 1),
        estimates=true + sds[0] * patients[:, 0] + cut.mean(axis=1) - whole.mean(),
        se=np.sqrt(variance),
        df=df,
        costs={cost: 2.0 ** -np.arange(count + 1) for cost in COSTS},
        errors=errors * (stats.t.isf(0.025, df) / Z)[:, None],
        scale=AUROC,
    )


def of_claims(repeats: int) -> None:
    print(f"\n## Studies repeated exactly: how often they seem to disagree ({repeats} pairs)\n")
    table(["true rho", "published value outside our interval", "not reproduced", "undecided"])
    claim = known_claims()["cxt.rho_params.no_pt"]
    for r in (0.6, 0.8, 0.9):
        rng = np.random.default_rng(seeded("claims", r))
        told = np.zeros(3)
        for _ in range(repeats):
            theirs, ours = (
                math.tanh(_z(*draw(families_of("16 in 16"), 0, 0, r, rng))[0]) for _ in range(2)
            )
            low, high = fisher_interval(ours, 16)
            one = Evidence({}, "", ours, low, high, networks=16)
            found = verdict({**claim, "published": str(theirs)}, one)
            outside = not low <= theirs <= high
            told += [outside, found == NOT_REPRODUCED, found == UNDECIDED]
        row(as_share(spearman_of(r)), *map(as_share, told / repeats))


def main(words: Sequence[str] | None = None) -> None:
    few = parse(__doc__, words).quick
    of_tests(4 if few else 1000)
    of_rho(4 if few else 2000)
    of_power(4 if few else 1000)
    of_noise(4 if few else 1000)
    of_families(4 if few else 1000)
    of_spread(4 if few else 1000)
    of_cuts(8 if few else 1000)
    of_claims(4 if few else 2000)


if __name__ == "__main__":
    main()
