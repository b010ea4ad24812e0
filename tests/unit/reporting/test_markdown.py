"""The Markdown tables of a finished study, as docs/pneumoniamnist.md shows them."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import SCRIPTS
from transfergrid.planning.stamps import StampName
from transfergrid.reporting import markdown
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash

LEVEL = "90 %"
CELL = {"architecture": "net", "pretraining": "random", "truncation": 0, "protocol": "slow"}


def printed(results: Path) -> str:
    command = [sys.executable, SCRIPTS / "markdown.py", "films", "--results", results]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_row_has_the_mean_of_its_seeds_and_a_p_value_is_never_nought(tmp_path: Path) -> None:
    tables = tmp_path / "films" / "tables"
    tables.mkdir(parents=True)
    cells = []
    for seed, (score, valid) in enumerate([(0.81, 0.9), (0.84, 0.7)]):
        write_json(tmp_path / "cells" / f"c{seed}" / "train.json", {"best_valid_score": valid})
        ends = {"score_low": score - 0.01, "score_high": score + 0.02}
        cell = CELL | {"cell": f"c{seed}", "metric": "auroc", "score": score} | ends
        cells += [cell | {"selection": "best"}, cell | {"selection": "last", "score": 0.1}]
    pd.DataFrame(cells).to_csv(tables / "cells.csv", index=False)
    contrast = {"contrast": "a - b", "n_seeds": 2, "estimate": 0.02, "low": 0.01, "high": 0.03}
    tests = {"p_difference_adjusted": 0.00004, "p_equivalence_adjusted": 0.25}
    rows = [
        contrast | tests | {"verdict": "better", "verdict_rests_on": "p_difference"},
        contrast | tests | {"verdict": "undecided", "verdict_rests_on": "p_equivalence"},
    ]
    pd.DataFrame(rows).to_csv(tables / "contrasts.csv", index=False)

    asked = {"evaluation": {"confidence": 0.9}}
    stamp = StampName("films", "statistics", short_hash(asked))
    write_json(tmp_path / "stamps" / str(stamp), asked)

    lines = printed(tmp_path).splitlines()

    assert "| each seed (90 % interval) |" in lines[0]
    assert "| difference (90 % interval) |" in lines[-4]
    seeds = "0.810 (0.800–0.830); 0.840 (0.830–0.860)"
    assert lines[2] == f"| net | random | 0 | slow | 0.825 | {seeds} | 0.800 |"
    start = "| a - b | 2 | +0.020 (+0.010 to +0.030) |"
    assert lines[-2:] == [
        f"{start} difference, p < 0.001 | better |",
        f"{start} equivalence, p = 0.250 | undecided |",
    ]


def test_what_is_alike_is_averaged_over_pairs_beside_its_floor() -> None:
    sides = {"left_pretraining": "random", "right_pretraining": "birds"}
    sides |= {"left_state": "final", "right_state": "final"}
    rows = [
        sides
        | {"dataset": "films", "pair": "sources_after", "measure": "mean_cca"}
        | {"left": f"a{pair}", "right": f"b{pair}", "layer": layer, "depth": depth}
        | {"value": value, "floor_high": floor}
        for pair, layer, depth, value, floor in (
            (0, "block2", 1, 0.5, 0.1),
            (1, "block2", 1, 0.7, 0.3),
            (0, "stem", 0, 0.9, 0.2),
            (1, "stem", 0, math.nan, math.nan),
        )
    ]

    lines = markdown.similarity(pd.DataFrame(rows), LEVEL).splitlines()

    assert lines[0] == "| measure | pair | compared | pairs | stem | block2 |"
    ends = "2 | 0.90 (0.20) | 0.60 (0.20) |"
    assert lines[2:] == [f"| mean_cca | sources_after | random and birds, after | {ends}"]


def test_what_training_changed_is_apart_from_what_was_there_before() -> None:
    row = {"left_pretraining": "random", "right_pretraining": "random", "measure": "mean_cca"}
    row |= {"layer": "stem", "depth": 0, "value": 0.5, "floor_high": 0.1}
    states = {
        ("before_after", "random"): ("initial", "final"),
        ("seeds", "random, before"): ("initial", "initial"),
        ("seeds", "random, after"): ("final", "final"),
    }
    rows = [
        row
        | {"pair": pair, "left": f"{left}-0", "right": f"{right}-1"}
        | {"left_state": left, "right_state": right}
        for (pair, _), (left, right) in states.items()
    ]

    lines = markdown.similarity(pd.DataFrame(rows), LEVEL).splitlines()

    assert {tuple(line.split(" | ")[1:3]) for line in lines[2:]} == set(states)


def test_agreement_stands_beside_what_independent_networks_would_reach() -> None:
    same = {"dataset": "films", "pair": "seeds", "task": "effusion", "baseline": math.nan}
    rows = []
    for pair, value in enumerate((0.8, 0.6)):
        row = same | {"left": f"a{pair}", "right": f"b{pair}", "ceiling": math.nan}
        bounds = {"baseline": 0.5, "ceiling": 0.9}
        rows.append(row | bounds | {"measure": "agreement", "value": value})
        rows.append(row | {"measure": "kappa", "value": value / 2})

    lines = markdown.agreement(pd.DataFrame(rows), LEVEL).splitlines()

    assert lines[2:] == ["| films | seeds | 2 | 0.70 | – | 0.35 | – | 0.50 | 0.90 |"]


def test_two_tasks_are_told_by_their_mean_alone() -> None:
    row = {"dataset": "films", "pair": "seeds", "left": "a", "right": "b", "measure": "agreement"}
    bounds = {"baseline": 0.5, "ceiling": 0.9}
    values = {"effusion": 0.8, "nodule": 0.4, "": 0.6}
    rows = [row | bounds | {"task": task, "value": value} for task, value in values.items()]

    lines = markdown.agreement(pd.DataFrame(rows), LEVEL).splitlines()

    assert lines[2:] == ["| films | seeds | 1 | 0.60 | – | – | – | 0.50 | 0.90 |"]


def test_several_data_sets_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    ends = {"selection": "best", "metric": "auroc", "score_low": 0.7, "score_high": 0.9}
    write_json(tmp_path / "cells" / "c" / "train.json", {"best_valid_score": 0.8})
    cells = pd.DataFrame(
        [CELL | ends | {"cell": "c", "score": 0.8, "dataset": name} for name in ("films", "echo")]
    )

    lines = markdown.networks(cells, LEVEL, tmp_path).splitlines()

    assert lines[0].startswith("| data set | network |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| films", "| echo"]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}


def test_runs_that_never_reach_the_level_leave_no_median_but_a_bound() -> None:
    row = {"question": "sooner", "unit": "steps", "baseline": "random", "horizon": 180}
    row |= {"dataset": "films", "architecture": "net", "n_runs": 3}
    never = {"arm": "random", "n_reached": 0, "median": math.nan, "restricted_mean": 180.0}
    soon = {"arm": "birds", "n_reached": 3, "median": 36.0, "restricted_mean": 40.0}
    blank = dict.fromkeys(("difference", "low", "high"), math.nan)
    bounds = {"difference": -140.0, "low": -160.4, "high": -119.6, "verdict": "sooner"}
    open_ = {"arm": "insects", "verdict": "cannot be decided"}
    rows = [row | never | blank | {"verdict": ""}, row | soon | bounds, row | never | blank | open_]
    table = pd.DataFrame([*rows, rows[1] | {"unit": "seconds"}])

    lines = markdown.convergence(table, LEVEL).splitlines()

    assert lines[2:] == [
        "| sooner | films | net | random | 0 of 3 | – | ≥ 180 of 180 | – | baseline |",
        "| sooner | films | net | birds | 3 of 3 | 36 | 40 of 180 | -140 (-160 to -120) | sooner |",
        "| sooner | films | net | insects | 0 of 3 | – | ≥ 180 of 180 | – | cannot be decided |",
    ]


def test_a_boost_has_a_sign_and_a_ratio_its_verdict() -> None:
    row = {"dataset": "films", "arm": "birds", "patients": 50, "verdict": math.nan}
    row["band_verdict"] = math.nan
    boost = {"quantity": "boost", "value": 0.12, "low": 0.11, "high": 0.13}
    boost |= {"band_low": 0.1, "band_high": 0.14}
    ratio = {"quantity": "data_ratio", "value": 4.0, "low": 3.0, "high": math.inf}
    ratio |= {"band_low": 2.0, "band_high": math.inf}
    rows = [row | boost, row | ratio | {"verdict": "crosses", "band_verdict": "undecided"}]

    lines = markdown.small_data(pd.DataFrame(rows), LEVEL).splitlines()

    assert lines[2:] == [
        "| films | birds | 50 | boost | +0.120 (+0.110 to +0.130) | +0.100 to +0.140 |  |",
        "| films | birds | 50 | data ratio | 4.00 (3.00 to beyond) | 2.00 to beyond "
        "| crosses; at once: undecided |",
    ]


def test_layers_are_columns_in_order_of_depth() -> None:
    cell = {"dataset": "films", "architecture": "net", "pretraining": "birds", "seed": 0}
    moved = [("head", 2, 2.0, 0.1), ("stem", 0, 0.1, 1.0)]
    rows = [
        cell | {"group": group, "layer": layer, "depth": depth, "change": change, "cosine": cosine}
        for layer, depth, change, cosine in moved
        for group in ("all", "norm")
    ]
    put_back = cell | {"to": "source", "layer": "stem", "depth": 0, "difference": -0.2}
    put_back |= {"difference_low": -0.25, "difference_high": -0.15}
    untouched = cell | {"layer": None, "difference": math.nan}

    lines = markdown.drift(pd.DataFrame(rows), LEVEL).splitlines()
    reset = markdown.layer_reset(pd.DataFrame([untouched, put_back]), LEVEL).splitlines()

    assert lines[0].endswith("| seed | stem, change (cosine) | head, change (cosine) |")
    assert lines[2:] == ["| films | net | birds | 0 | 0.10 (1.00) | 2.00 (0.10) |"]
    assert reset[2:] == ["| films | net | birds | 0 | source | -0.200 (-0.250 to -0.150) |"]


def test_methods_are_ranked_with_the_tests_beside_them() -> None:
    row = {"question": "ranks", "n_datasets": 5, "critical_difference": 1.48}
    row |= {"friedman_chi2": 8.4, "p_friedman": 0.015, "p_iman_davenport": 0.00002}
    row |= {"iman_davenport_f": math.inf, "mean_score": 0.8}
    ranks = pd.DataFrame([row | {"method": m, "mean_rank": r} for m, r in (("a", 2), ("b", 1))])

    lines = markdown.mean_ranks(ranks, LEVEL).splitlines()

    start = "| ranks | b | 1.00 | 0.800 | 5 | χ² 8.40, p = 0.015 | F inf, p < 0.001 | 1.48 |"
    assert lines[2] == start and lines[3].startswith("| ranks | a | 2.00 |")
    pair = {"question": "ranks", "a": "b", "b": "a", "rank_difference": -1.0, "p_nemenyi": 0.02}
    pair |= {"p_conover_adjusted": 0.01, "bayes_better": 0.9, "bayes_alike": 0.1}
    pair |= {"bayes_worse": 0.0, "difference": 0.03, "low": 0.01, "high": 0.05}
    pair |= {"p_mixed_adjusted": 0.03, "verdict": "better"}
    several = pair | dict.fromkeys(["difference", "low", "high", "p_mixed_adjusted"], math.nan)

    lines = markdown.rank_pairs(pd.DataFrame([pair, several]), LEVEL).splitlines()

    start = "| ranks | b | a | -1.00 | p = 0.020 | p = 0.010 | 0.90, 0.10, 0.00 |"
    assert lines[2] == f"{start} +0.030 (+0.010 to +0.050) | p = 0.030 | better |"
    assert lines[3] == f"{start} – | – | better |"


def test_an_arm_of_trials_stands_beside_its_baseline() -> None:
    row = {"question": "ten", "dataset": "films", "architecture": math.nan, "arm": "birds"}
    row |= {"baseline": "random", "n": 3, "n_baseline": 1, "mean": 0.8, "sd": 0.01}
    row |= {"mean_baseline": 0.7, "sd_baseline": math.nan, "difference": 0.1, "low": math.nan}
    row |= {"high": math.nan, "test": "welch", "p_adjusted": math.nan}
    row |= {"verdict": "cannot be decided", "verdict_with_patients": "better"}
    row |= {"p_with_patients_adjusted": 0.02}

    lines = markdown.trials(pd.DataFrame([row]), LEVEL).splitlines()

    start = "| ten | films |  | birds | random | 3 and 1 | 0.800 (0.010) | 0.700 (–) | +0.100 |"
    assert lines[2] == f"{start} welch, – | cannot be decided | better, p = 0.020 |"


def test_films_with_masks_are_counted_and_people_compared() -> None:
    row = {"selection": "best", "cell": "c", "fold": "all", "task": "vessel", "n": 8, "both": 6}
    row |= {"missed": 1, "false_alarm": 0, "both_empty": 1, "unknown": 0}
    rows = [row, row | {"fold": "0"}, row | {"selection": "last"}]

    assert markdown.mask_states(pd.DataFrame(rows), LEVEL).splitlines()[2:] == [
        "| c | vessel | 8 | 6 | 1 | 0 | 1 |"
    ]
    other = row | {"task": "clip", "both": 0, "missed": 2, "false_alarm": 1, "both_empty": 5}
    rows = [row, other | {"both": 1, "missed": 1}, row | {"cell": "d", "missed": 2}]
    rows += [other | {"cell": "d"}, row | {"task": "none", "both": 0, "missed": 0}]
    # Structures that are missed most stand first, and their cells; one without films last.
    assert markdown.mask_states(pd.DataFrame(rows), LEVEL).splitlines()[2:] == [
        "| d | clip | 8 | 0 | 2, never marked | 1 | 5 |",
        "| c | clip | 8 | 1 | 1 | 1 | 5 |",
        "| d | vessel | 8 | 6 | 2 | 0 | 1 |",
        "| c | vessel | 8 | 6 | 1 | 0 | 1 |",
        "| c | none | 8 | 0 | 0 | 0 | 1 |",
    ]
    person = {"dataset": "eyes", "observer": 2, "metric": "dice", "task": math.nan, "n": 8}
    person |= {"value": 0.786, "low": 0.75, "high": 0.82, "n_patients": 4}

    assert markdown.observers(pd.DataFrame([person]), LEVEL).splitlines()[2:] == [
        "| eyes | 2 | Dice | mean | 0.786 (0.750–0.820) | 8 | 4 |"
    ]


def test_a_run_over_folds_has_the_mean_of_what_its_folds_validated(tmp_path: Path) -> None:
    ends = {"selection": "best", "metric": "dice", "score_low": 0.7, "score_high": 0.9}
    cell = CELL | ends | {"dataset": "eyes", "seed": 0, "score": 0.8}
    rows = [cell | {"cell": "run", "fold": "all"}]
    for fold, valid in (("0", 0.6), ("1", 0.8)):
        write_json(tmp_path / "cells" / f"c{fold}" / "train.json", {"best_valid_score": valid})
        rows.append(cell | {"cell": f"c{fold}", "fold": fold, "score": 0.1})

    lines = markdown.networks(pd.DataFrame(rows), LEVEL, tmp_path).splitlines()

    assert "test Dice, mean of seeds" in lines[0]
    assert lines[2:] == ["| net | random | 0 | slow | 0.800 | 0.800 (0.700–0.900) | 0.700 |"]


def test_without_a_stamp_nobody_says_what_intervals_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not say what intervals study 'films' asks for"):
        markdown.level_of("films", tmp_path)


END = {"pretraining": "birds", "state": "final"}
SIDES = {f"{side}_{key}": value for side in ("left", "right") for key, value in END.items()}
LAYER = {"layer": "stem", "depth": 0, "dataset": "films", "architecture": "net", "seed": 0}
LAYER |= {"pretraining": "birds"}
# What a row has at least; anything else of it may be undefined.
LEAST: dict[str, dict[str, object]] = {
    "contrasts": {"contrast": "a - b"},
    "mean_ranks": {"question": "q", "method": "a"},
    "rank_pairs": {"question": "q", "a": "a", "b": "b"},
    "trials": {"question": "q", "arm": "a"},
    "mask_states": {"selection": "best", "cell": "c", "fold": "all", "task": "vessel"},
    "observers": {"dataset": "films", "observer": 2, "metric": "dice"},
    "convergence": {"question": "q", "unit": "steps", "arm": "a", "baseline": "b"},
    "small_data": {"dataset": "films", "arm": "a", "quantity": "boost"},
    "similarity": {"measure": "mean_cca", "pair": "seeds", "value": 0.5, **LAYER, **SIDES},
    "agreement": {"measure": "kappa", "pair": "seeds", "value": 0.5, "dataset": "films"},
    "drift": {"group": "all", "change": 0.5, **LAYER},
    "layer_reset": {"to": "source", "difference": 0.5, **LAYER},
}
INTERVALS = {"contrasts", "rank_pairs", "trials", "observers", "convergence", "small_data"}
INTERVALS |= {"layer_reset"}


@pytest.mark.parametrize("name", ["contrasts", *markdown.TABLES])
def test_tables_name_the_level_of_intervals_and_print_no_nan(name: str) -> None:
    declared = {table.name: table for stage in ANALYSES for table in stage.tables}
    row = {**dict.fromkeys(declared[name].header, math.nan), **LEAST[name]}
    words: dict[str, object] = {"verdict_rests_on": "p_difference", "verdict": "undecided"}
    ends = {key: 0.5 for key in row if key.endswith(("low", "high"))}
    for more in ({}, {key: word for key, word in words.items() if key in row}, ends):
        text = getattr(markdown, name)(pd.DataFrame([{**row, **more}]), LEVEL)
        head, _, *lines = text.splitlines()
        assert len(lines) == 1 and lines[0].count("|") == head.count("|")
        assert not {"nan", "none", "inf"} & {*re.findall(r"[a-z]+", lines[0].lower())}
        assert (LEVEL in head) == (name in INTERVALS)


def test_a_cell_that_diverged_has_no_score_and_no_validation(tmp_path: Path) -> None:
    write_json(tmp_path / "cells" / "c" / "train.json", {"best_valid_score": None})
    score = dict.fromkeys(("score", "score_low", "score_high"), math.nan)
    cells = pd.DataFrame([CELL | score | {"cell": "c", "selection": "best", "metric": "auroc"}])

    lines = markdown.networks(cells, LEVEL, tmp_path).splitlines()

    assert lines[2] == "| net | random | 0 | slow | – | – | – |"
