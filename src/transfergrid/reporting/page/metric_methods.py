"""How a study's cells are scored, in words: its metrics, their intervals and operating points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transfergrid.reporting.metric_words import MetricWords, metric_words
from transfergrid.reporting.words import capital, count, level, listing

_MASKS = (
    "A pixel is marked where its probability is over one half, or is the largest where structures "
    "exclude each other. Masks are compared film by film, over the pixels of which the truth is "
    "known; counts of pixels and distances are kept, and no mask. Films that show a structure and "
    "films that do not all have a value; how many were missed or falsely marked stands below the "
    "leaderboard."
)


def scoring(study: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe the metrics and their intervals.

    Args:
        study: The study's JSON.
        cards: Per data set name its card.json.
    """
    words = metric_words(study, cards)
    targets = dict.fromkeys(e["dataset"] for e in study["cells"] if e["role"] == "target")
    found = [
        _primary(name, words[study["primary_metric"][name]], cards[name])
        for name in targets
        if name in cards
    ]
    here = [cards[name] for name in targets if name in cards]
    masked = [bool(card.get("masks")) for card in here]
    if not all(masked) or not masked:
        found.append(
            "Images of a study are combined on the logit, checkpoint by checkpoint; scores are "
            "float32 logits. A task that lacks a class which its metric needs has no score and is "
            "never counted as 0."
        )
    if any(masked):
        found += [_MASKS, *_sizes(study, [name for name in targets if _has_masks(name, cards)])]
    declared = list(study["metrics"].values())
    found += [capital(f"{m['title']}: {_about(m)}.") for m in declared if _about(m)]
    calibrated = [] if masked and all(masked) else [_calibration()]
    return [*found, *_intervals(study, words), *calibrated]


def _has_masks(dataset: str, cards: Mapping[str, Mapping[str, Any]]) -> bool:
    return bool(cards.get(dataset, {}).get("masks"))


def _sizes(study: Mapping[str, Any], datasets: list[str]) -> Iterator[str]:
    """Say at which size masks of data sets are compared, and what distances are in."""
    settings = study["resolved"]["datasets"]
    far = any(metric.get("outlines") for metric in study["metrics"].values())
    for name in datasets:
        at_film = settings[name].get("scored_at") == "film"
        told = f"Masks of {name} are compared at "
        if at_film:
            told += (
                "each film's own size, to which probabilities are brought back as the film was "
                "brought to the network; what a crop had cut off counts as not marked"
            )
        else:
            told += "the size of the network's input"
        if far:
            known = settings[name].get("spacing") is not None
            told += "; distances are in " + ("mm" if known else "pixels of that size")
        yield f"{told}."


def _about(metric: Mapping[str, Any]) -> str:
    """Say how a metric is computed, and where that comes from; empty for a study's own."""
    source = f"see {metric['source']}" if metric["source"] else ""
    return "; ".join(filter(None, (metric["note"], source)))


def _primary(dataset: str, metric: MetricWords, card: Mapping[str, Any]) -> str:
    tasks = list(card["score_tasks"])
    over = "over all classes at once"
    if metric.averaged:
        over = f"unweighted mean over {listing(tasks)}"
    elif len(tasks) == 1:
        over = f"of {tasks[0]}"
    return (
        f"{metric.score} of {dataset}{metric.direction}: {over}. Checkpoints, patience and trials "
        "go by it, on validation images."
    )


def _intervals(study: Mapping[str, Any], words: Mapping[str, MetricWords]) -> Iterator[str]:
    evaluation, declared = study["evaluation"], list(study["metrics"].values())
    boot = evaluation["bootstrap"]
    areas = [words[metric["name"]].inline for metric in declared if metric["roc_area"]]
    others = [words[metric["name"]].inline for metric in declared if not metric["roc_area"]]
    told = f"Intervals are for {level(evaluation['confidence'])}, and count patients"
    if areas:
        told += (
            f"; those of {listing(areas)} are score intervals with DeLong's variance, clustered by "
            "patient, and with Newcombe's model of it as far as a class has too few patients to "
            "show one"
        )
    yield f"{told}."
    if others:
        yield (
            f"Those of {listing(others)} are made of the contribution of each patient: Wilson's on "
            "the effective number of cases where a metric has two bounds, on a logarithmic scale "
            "where it has one, with Student's t."
        )
    if any(metric["operating_point"] for metric in declared):
        yield (
            "Thresholds are chosen on validation scores, and intervals take them as given: what "
            "another validation set would have chosen is not in them."
        )
    yield (
        "Beside those of each data set's own metric stand percentile intervals from "
        f"{count(boot['replicates'])} bootstrap samples of patients (seed {boot['seed']})."
    )


def _calibration() -> str:
    return (
        "Calibration is that of the same probabilities: the scored tasks of a pretraining's cells "
        "are pooled, and patients count once in the intervals."
    )
