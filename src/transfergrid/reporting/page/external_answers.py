"""What holds on films of other hospitals, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of
from transfergrid.reporting.page.findings import ShownFinding
from transfergrid.reporting.place_labels import arm, label, opening, varying
from transfergrid.reporting.words import (
    count,
    difference,
    known,
    level,
    number,
    p_value,
    plural,
    range_of,
    score,
    size,
    taken_as_given,
)
from transfergrid.statistics.named import UNDECIDED

Row = Mapping[Any, Any]
_AXES = {"architecture": "architectures", "truncation": "cuts", "protocol": "recipes"}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    many = _AXES.get(question["axis"], "initial weights")
    return f"Does what was found of {many} hold on films of other hospitals"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Finished cells were scored on films of other hospitals, by the checkpoints and operating "
        "points that their own validation films chose; nothing was chosen by these scores. A drop "
        "is the value on the own test films minus that on the others, over the tasks that both "
        "have, and its variance adds those of both sets of patients and of the seeds. Orders are "
        "compared by Kendall's tau and Spearman's rho, with intervals under draws of the patients "
        "of both sets and of seeds; these lean to less agreement than there is. A pair of arms is "
        "said to swap by Gail and Simon's test of a qualitative interaction, and to keep its order "
        "where both differences are surely of one sign, each by Holm's method."
    ]


def told(
    question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner, *, external_pairs: pd.DataFrame
) -> Told:
    """Put its rows of external_arms.csv and external_pairs.csv into words."""
    groups = rows[~rows.duplicated(_group(rows))]
    axes = varying(groups)
    answers: list[Answer] = []
    for row in groups.to_dict("records"):
        if int(row["n_arms"]) > 1:
            own = _same(external_pairs, row)
            answers.append(_order(row, own, _where(row, axes), manner))
    sure = external_pairs[external_pairs["verdict"] == "swapped"]
    answers += [_swap(row, _where(row, axes), manner) for row in sure.to_dict("records")]
    answers += [_drop(row, _where(row, axes), manner) for row in rows.to_dict("records")]
    # Of two arms the first answer has told all of this.
    many = rows[rows["n_arms"] > 2]
    shown = tuple(_ranks(row, _where(row, axes)) for row in many.to_dict("records"))
    return Told(tuple(answers), shown, _undecided(external_pairs) if len(many) else "")


def _where(row: Row, axes: list[str]) -> str:
    return label({**row, "n_cells_asked": row["n_cells"]}, axes)


def _group(rows: pd.DataFrame) -> list[str]:
    return [name for name in ("metric", "tested_on", *PLACE) if name in rows]


def _same(pairs: pd.DataFrame, row: Row) -> pd.DataFrame:
    """Return the pairs of one group of arms."""
    for name in _group(pairs):
        own, wanted = pairs[name], row[name]
        pairs = pairs[own == wanted if known(wanted) else ~own.map(known).astype(bool)]
    return pairs


def _undecided(pairs: pd.DataFrame) -> str:
    open_ones = int((pairs["verdict"] == UNDECIDED).sum()) if len(pairs) else 0
    if not open_ones:
        return ""
    return (
        f"Of {plural(len(pairs), 'pair')}, {count(open_ones)} can neither be said to keep "
        f"{'its' if open_ones == 1 else 'their'} order nor to swap."
    )


def _order(row: Row, pairs: pd.DataFrame, where: str, manner: Manner) -> Answer:
    if int(row["n_arms"]) == 2:
        return _order_of_two(row, pairs, where)
    value = f"Kendall's tau {number(row['tau'])}" if known(row["tau"]) else "no tau, for all tie"
    if known(row["tau_low"]):
        value += f" ({range_of(row['tau_low'], row['tau_high'])})"
    parts = [
        f"Spearman's rho {number(row['rho'])} ({range_of(row['rho_low'], row['rho_high'])})"
        if known(row["rho_low"])
        else "",
        f"{level(manner.confidence)} intervals under draws of patients and seeds",
    ]
    return Answer(
        subject=where,
        lead=f"The order of {plural(row['n_arms'], 'arm')} on {row['tested_on']} goes with that "
        "at home by",
        number=value,
        rest=f"; {_counted(pairs)}",
        support=tuple(part for part in parts if part),
        bounds=None,
        clear=False,
    )


def _order_of_two(row: Row, pairs: pd.DataFrame, where: str) -> Answer:
    """Say how two arms rank, of which a correlation says no more than the one pair."""
    orders, verdicts = set(pairs["order"]), set(pairs["verdict"])
    sure = "which is told apart from noise" if verdicts - {UNDECIDED} else "which may be noise"
    ranks = {"kept": "as at home", "swapped": "the other way round"}
    return Answer(
        subject=where,
        lead=f"On {row['tested_on']} the 2 arms rank",
        number=next((words for order, words in ranks.items() if order in orders), "alike"),
        rest=f", {sure}",
        support=(),
        bounds=None,
        clear=False,
    )


def _counted(pairs: pd.DataFrame) -> str:
    """Say how many pairs swap and how many keep their order, and of how many that is sure."""
    verdicts, swapped = pairs["verdict"], int((pairs["order"] == "swapped").sum())
    sure, kept = (int((verdicts == word).sum()) for word in ("swapped", "kept"))
    told = (
        f"of {plural(len(pairs), 'pair')}, {_none(swapped)} {_verb(max(swapped, 1), 'swap')} places"
    )
    if swapped:
        told += f" ({_none(sure)} told apart from noise)"
    its = "their" if kept > 1 else "its"
    return f"{told} and {_none(kept)} surely {_verb(max(kept, 1), 'keep')} {its} order"


def _none(number: int) -> str:
    return count(number) if number else "none"


def _verb(number: int, word: str) -> str:
    return f"{word}s" if number == 1 else word


def _swap(row: Row, where: str, manner: Manner) -> Answer:
    a, b = (arm(row["axis"], row[name]) for name in ("a", "b"))
    is_or_are = "are" if row["axis"] == "pretraining" else "is"
    numbers = [
        difference(row[side], row[f"{side}_low"], row[f"{side}_high"])
        for side in ("internal", "external")
    ]
    return Answer(
        subject=where,
        lead=f"{opening(a)} {is_or_are} better than {b} at home and worse on {row['tested_on']}:",
        number=numbers[0],
        rest=f" at home, {numbers[1]} there",
        support=(
            f"{level(manner.confidence)} intervals",
            f"no swap: adjusted {p_value(row['p_swap_adjusted'])}",
        ),
        bounds=None,
        clear=True,
        verdict="worse",
    )


def _drop(row: Row, where: str, manner: Manner) -> Answer:
    name, verdict = arm(row["axis"], row["arm"]), str(row["verdict"])
    verb = "score" if row["axis"] == "pretraining" else "scores"
    ends = [row["drop"], row["drop_low"], row["drop_high"]]
    if verdict == UNDECIDED:
        lead = f"Whether {name} {verb} worse on {row['tested_on']} than at home is open: a drop of"
        amount = difference(*ends)
    else:
        lead = f"{opening(name)} {verb} {verdict} on {row['tested_on']} than at home, by"
        amount = size(*ends)
    metric = manner.metrics[row["metric"]].mean
    return Answer(
        subject=where,
        lead=lead,
        number=amount,
        rest=f"; {metric} {score(row['internal'])} at home, {score(row['external'])} there",
        support=tuple(_support(row, manner)),
        bounds=bounds_of(*(ends[place] for place in (1, 0, 2))),
        clear=verdict != UNDECIDED,
        verdict=verdict,
    )


def _support(row: Row, manner: Manner) -> Iterator[str]:
    yield f"{level(manner.confidence)} interval"
    yield f"adjusted {p_value(row['p_drop_adjusted'])}"
    yield plural(row["n_seeds"], "seed")
    yield (
        f"{count(row['n_patients_internal'])} patients at home, "
        f"{count(row['n_patients_external'])} there"
    )
    if known(row["conditional_on"]):
        yield taken_as_given(row["conditional_on"])


def _ranks(row: Row, where: str) -> ShownFinding:
    return ShownFinding(
        subject=", ".join(filter(None, (where, arm(row["axis"], row["arm"])))),
        quantity=f"rank among {count(row['n_arms'])} on {row['tested_on']}, 1 the best",
        value=f"{number(row['rank_external'])}, at home {number(row['rank_internal'])}",
        interval="",
        n=plural(row["n_seeds"], "seed"),
        note="",
    )
