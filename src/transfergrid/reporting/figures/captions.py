"""Figure captions, written from the data that the figure shows: n, interval, test."""

from __future__ import annotations

import pandas as pd

from transfergrid.reporting.figures.boost_plot import PLACE, drawn_boosts
from transfergrid.reporting.figures.curves import cuts_of, truncation_margin
from transfergrid.reporting.figures.data import FEWEST, FigureData, truncation_name
from transfergrid.reporting.figures.forest import drawn_contrasts
from transfergrid.reporting.figures.published_plot import published_of
from transfergrid.reporting.figures.seeds import seed_spread
from transfergrid.reporting.tables.cam_summary import pointing_summary
from transfergrid.reporting.words import count, level, listing, plural


def _range(values: pd.Series, word: str, many: str | None = None) -> str:
    low, high = int(values.min()), int(values.max())
    if low == high:
        return plural(low, word, many)
    return f"{count(low)} to {count(high)} {many or word + 's'}"


def tested_on(data: FigureData) -> str:
    """Say on how many studies and patients the networks were scored."""
    done = data.finished
    if done.empty:
        return "No cell has been scored yet"
    sizes = []
    for dataset, rows in done.groupby("dataset", sort=False):
        n = f"{_range(rows['n_studies'], 'study', 'studies')} of "
        sizes.append(f"{n}{_range(rows['n_patients'], 'patient')} in {dataset}'s test split")
    return listing(sizes)


def _seeds(data: FigureData) -> str:
    return plural(int(data.cells["seed"].nunique()), "seed")


def _interval(data: FigureData) -> str:
    return f"{level(data.confidence)} interval from sampling patients (cluster-robust)"


def auroc(data: FigureData) -> str:
    """Caption the forest of AUROC."""
    done, every = len(data.finished), len(data.cells)
    return (
        f"Macro AUROC, {tested_on(data)}; {done} of {every} cells scored, {_seeds(data)}. Large "
        "markers: mean over seeds; small dots: single seeds; lines: mean over seeds of each "
        f"cell's {_interval(data)}. Lines do not show the variance between seeds, and overlap of "
        "two lines is no test: the paired differences are."
    )


def _methods(table: pd.DataFrame) -> str:
    return "; ".join(str(method) for method in table["method"].dropna().unique())


def boosts(data: FigureData) -> str:
    """Caption the forest of contrasts."""
    every = int(data.contrasts["estimate"].notna().sum())
    table = drawn_contrasts(data)
    n = f"{_range(table['n_cells'], 'pair of networks', 'pairs of networks')}, "
    n += f"{_range(table['n_seeds'], 'seed')}, "
    n += f"{_range(table['n_studies'], 'study', 'studies')} of "
    n += _range(table["n_patients"], "patient")
    text = (
        f"Differences of the first named minus the second, on the same test patients, with "
        f"{level(data.confidence)} intervals. Interval and test: {_methods(table)}; p-values, "
        f"adjusted by Holm's method within a question, stand in contrasts.csv. Per contrast {n}. "
        "Filled squares: the interval, not adjusted for the number of contrasts, excludes zero. "
        "An interval that runs off the panel is given in full beside its label."
    )
    if len(table) < every:
        text += (
            f" Of {every} contrasts the {len(table)} over several networks are drawn; the others "
            "stand in contrasts.csv."
        )
    if table["margin"].notna().any():
        text += " Dotted lines: the margin that was fixed in advance."
    return text


def truncation(data: FigureData) -> str:
    """Caption the truncation curves."""
    n = len({(cut.setting, cut.architecture) for cut in cuts_of(data)})
    text = (
        f"Macro AUROC of {plural(n, 'network')} after removing final blocks; {tested_on(data)}; "
        f"mean over {_seeds(data)}. Vertical lines: mean over seeds of each cell's "
        f"{_interval(data)}; they are no test of a cut, which is the paired difference's."
    )
    margin = truncation_margin(data.contrasts)
    if margin is not None:
        text += (
            f" Bands: the margin of equivalence, ±{margin:g} around the whole network, fixed in "
            "advance; that a line leaves its band, or does not, decides nothing either."
        )
    return text


def correlation(data: FigureData) -> str:
    """Caption the panels of correlations."""
    rows = data.correlations
    known = rows[rows["rho"].notna() & (rows["n"] >= FEWEST) & (rows["y"] == "auroc")]
    text = (
        f"Whole networks, mean over {_seeds(data)}; {tested_on(data)}. Each point is one "
        f"architecture with its {_interval(data)}. "
    )
    if known.empty:
        return text + "No test is made: no correlation could be computed."
    return text + (
        f"Above each panel Spearman's ρ of n, {_range(known['n'], 'architecture')}"
        f"{f', with its {level(data.confidence)} interval' if known['low'].notna().any() else ''}. "
        f"Interval and test: {_methods(known)}; p-values stand in correlations.csv."
    )


def boost_size(data: FigureData) -> str:
    """Caption the clouds of boosts."""
    table = drawn_boosts(data)
    sizes = table.groupby(PLACE)["architecture"].nunique()
    return (
        f"Paired differences of whole networks between two pretrainings, "
        f"{_range(table['n_seeds'], 'seed')}, {_range(table['n_studies'], 'study', 'studies')} of "
        f"{_range(table['n_patients'], 'patient')}, against parameters; "
        f"{_range(sizes, 'architecture')} a panel. Vertical lines: {level(data.confidence)} "
        f"intervals. Interval and test: {_methods(table)}; a filled point's interval, not "
        "adjusted for the number of points, excludes zero. Above a panel Spearman's ρ over "
        "architectures, where the study asked for it; its test stands in correlations.csv."
    )


def published(data: FigureData) -> str:
    """Caption the networks of a published figure against the study's."""
    shown = published_of(data)
    panel = shown[0][0]
    families = pd.Series([rho["n_families"] for _, rho, _ in shown])
    grade = "published as a picture only: read off (digitised), with an error of about .0001"
    stand = [
        f"{each.place['pretraining']} stands for {each.arm}"
        for each, _, _ in shown
        if each.place["pretraining"] != each.arm
    ]
    text = (
        f"Macro AUROC of whole networks, {tested_on(data)}, mean over {_seeds(data)}, against "
        f"those of the paper's own figure, {grade}. Source: {panel.source}. Vertical lines: "
        f"mean over seeds of each cell's {_interval(data)}. Dashed: equal differences. "
        f"Above a panel Spearman's ρ with its {level(data.confidence)} interval, over networks of "
        f"{_range(families, 'family', 'families')}, and the mean of ours minus theirs; "
        "findings.csv has each network's difference. No test is made."
    )
    return f"{text} {'; '.join(dict.fromkeys(stand))}." if stand else text


def tasks(data: FigureData) -> str:
    """Caption the grid of tasks."""
    cuts = "−1, −2: blocks removed. " if data.cells["truncation"].nunique() > 1 else ""
    return (
        f"AUROC of every task, mean over {_seeds(data)}; {tested_on(data)}. {cuts}Brighter is "
        f"higher, on one scale. The {_interval(data)} of every number, and the count of positives, "
        "stand in cells.csv (auroc_<task>_low and _high). No test is made."
    )


def seeds(data: FigureData) -> str:
    """Caption the spread of seeds."""
    spread = seed_spread(data.cells)
    arm = (spread["auroc_high"] - spread["auroc_low"]) / 2
    ratio = float((spread["sd"] / arm).median())
    sd = float((spread["sd"] ** 2).mean() ** 0.5)
    return (
        f"Seeds of {plural(len(spread), 'network')}, each around its own mean; {tested_on(data)}; "
        f"up to {_seeds(data)}. Grey bars: mean over seeds of each cell's {_interval(data)}. SD: "
        f"between seeds (n − 1). Over networks it is {sd:.3f} (root mean square), and in the "
        f"median {ratio:.2f} of half the patients' interval. The bar is how far one AUROC would "
        "move with other patients; seeds share theirs, so it is no test of the seeds."
    )


def calibration(data: FigureData) -> str:
    """Caption the reliability curves."""
    table = data.reliability
    text = (
        "Share of positives against mean predicted probability of the ensembles; "
        f"{tested_on(data)}; {_seeds(data)}. n: pairs of a test study and a scored task with a "
        "known label, of finished cells that all compared pretrainings have, pooled and cut into "
        f"bins of about equal count; vertical lines: Wilson {level(data.confidence)} interval of "
        "the share, on the number of cases that remains when a patient counts as one. ECE: mean "
        "distance from the dotted line, weighted by the bins' counts (it includes sampling noise). "
        "Brier: mean squared error of the probability. No test is made."
    )
    several = table["dataset"].nunique() > 1
    told = []
    for (dataset, comparison), part in table.groupby(["dataset", "comparison"], sort=False):
        arms = [_arm(str(name), bins) for name, bins in part.groupby("pretraining", sort=False)]
        networks = plural(part["n_networks"].iloc[0], "network")
        where = f" on {dataset}" if several else ""
        told.append(f"{comparison}{where} ({networks}): {'; '.join(arms)}")
    text += f" Compared: {'. '.join(told)}."
    left = table.drop_duplicates(["dataset", "comparison", "pretraining"])["n_cells_left_out"]
    if left.any():
        text += " Cells left out are of networks or seeds that another pretraining lacks."
    return text


def _arm(name: str, bins: pd.DataFrame) -> str:
    row = bins.iloc[0]
    left = f" ({count(row['n_cells_left_out'])} left out)" if row["n_cells_left_out"] else ""
    return (
        f"{name}, {plural(row['n_cases'], 'case')} of {plural(row['n_cells'], 'cell')}{left}, "
        f"{plural(row['n_studies'], 'study', 'studies')} and "
        f"{plural(row['n_patients'], 'patient')}, in {plural(len(bins), 'bin')} of "
        f"{_range(bins['n'], 'case')}"
    )


def cams(data: FigureData) -> str:
    """Caption the panels of class activation maps."""
    table = data.cams
    done = table[table["status"] == "finished"]
    text = (
        "Class activation maps of the best checkpoint by validation score, on the first positive "
        "test films in the order of their ids: chosen by label and name, the same for every "
        "network. Of each network the lowest seed. Colour: the map, rectified and enlarged from "
        "the size that stands above it; cross: its highest point, before "
        "it is rectified; blank: no pixel is above zero; p: the checkpoint's probability."
    )
    methods = {"CAM": "one product of feature map and weights", "Grad-CAM": "gradients"}
    used = [words for name, words in methods.items() if (done["method"] == name).any()]
    if used:
        text += f" Made by {listing(used)}."
    if done["n"].sum():
        text += (
            " Outline: the true region; IoU: its overlap with the map's region, by "
            f"{done['region'].iloc[0]}. {pointing_summary(done)} cams.csv has each cell and task, "
            f"with {_range(done['n'], 'film')} of {_range(done['n_patients'], 'patient')} and "
            f"{level(data.confidence)} intervals by patient (Wilson for the pointing game, "
            "Student's t for IoU). No test is made."
        )
    left = table.loc[table["status"] != "finished", ["cell", "status"]].drop_duplicates()
    if len(left):
        names = [f"{row['cell']} ({row['status']})" for row in left.to_dict("records")]
        text += f" Without maps: {listing(names)}."
    return text


def learning(data: FigureData) -> str:
    """Caption the learning curves."""
    drawn = sum(bool(data.histories.get(cell)) for cell in data.cells["cell"])
    text = (
        f"Mean validation AUROC during training of {plural(drawn, 'cell')}, one line each "
        f"({_seeds(data)}), without interval or test. Checkpoints are chosen on these scores "
        "alone; the test split takes no part."
    )
    cuts = sorted(int(k) for k in data.cells["truncation"].unique())
    if len(cuts) > 1:
        dashes = ("solid", "dashed", "dotted", "dash-dotted")
        names = [f"{dashes[i % 4]}: {truncation_name(k)}" for i, k in enumerate(cuts)]
        text += f" Lines: {', '.join(names)}."
    return text
