"""similarity.csv against textbook formulas, planted truth, and states that cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import linalg, stats

from transfergrid.catalog.alike import SIMILARITY
from transfergrid.evaluation.activation_files import ROWS, Layer, write_receipt
from transfergrid.planning.state_pairs import NOTHING, WEIGHTS
from transfergrid.reporting.tables.similarity import similarity_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.similarity.measures import MEASURES

IMAGES, PATIENTS = 240, 60
Values = Mapping[str, NDArray[np.float64]]
EVEN = np.repeat([f"p{number}" for number in range(PATIENTS)], IMAGES // PATIENTS)


def draw(seed: int, channels: int = 8, rows: int = IMAGES) -> NDArray[np.float64]:
    """Rows of a patient resemble each other, in any network."""
    rng = np.random.default_rng(seed)
    of_patient = np.repeat(rng.standard_normal((PATIENTS, channels)), rows // PATIENTS, axis=0)
    return of_patient + rng.standard_normal((rows, channels))


def entry(name: str, when: str, pretraining: str, seed: int | None, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "state": when,
        "dataset": "films",
        "fold": "all",
        "architecture": "net",
        "truncation": 0,
        "pretraining": pretraining,
        "protocol": "" if when == "initial" else "tune",
        "seed": seed,
        "taken": NOTHING if pretraining == "random" else WEIGHTS,
        **more,
    }


STATES = [
    entry("im", "initial", "imagenet", None),
    entry("rad", "initial", "radimagenet", None),
    entry("im-0", "final", "imagenet", 0, initial="im"),
    entry("im-1", "final", "imagenet", 1, initial="im"),
    entry("rad-0", "final", "radimagenet", 0, initial="rad"),
]
PAIRS = {
    ("before_after", "im", "im-0"),
    ("before_after", "im", "im-1"),
    ("before_after", "rad", "rad-0"),
    ("sources_before", "im", "rad"),
    ("sources_after", "im-0", "rad-0"),
    ("seeds", "im-0", "im-1"),
}


def study(states: list[dict[str, Any]], draws: int = 39) -> dict[str, Any]:
    reasons = ["before_after", "sources_before", "sources_after", "seeds", "protocols", "random"]
    return {
        "name": "small",
        "states": states,
        "similarity": {"pairs": reasons, "permutations": draws, "seed": 0},
        "evaluation": {"confidence": 0.95},
        "columns": {"similarity": list(SIMILARITY.header)},
    }


def store(
    results: Path,
    state: str,
    values: Values | None,
    short: bool = False,
    patients: NDArray[np.str_] = EVEN,
) -> None:
    """Write what a job that stores activations leaves."""
    folder = results / "activations" / state
    folder.mkdir(parents=True)
    about = {"images": "valid", "content_sha256": "0"}
    if values is None:
        write_receipt(folder, {**about, "status": "diverged", "layers": [], "files": {}})
        return
    layers = []
    for name, table in values.items():
        each = len(table) // IMAGES
        layers.append(vars(Layer(name, table.shape[1], each, 1, each, short)))
        np.save(folder / f"{name}.npy", table.astype(np.float32))
    ids = np.array([f"i{number}" for number in range(IMAGES)])
    np.savez(folder / ROWS, image_id=ids, patient_id=patients, size=len(table))
    files = {path.name: sha256_file(path) for path in folder.iterdir()}
    done = {"status": "finished", "layers": layers, "files": files}
    write_receipt(folder, {**about, **done})


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, Values]]:
    """Two sources that share nothing, and training that changes them by little."""
    results = tmp_path_factory.mktemp("compared")
    im, rad = draw(0), draw(1)
    shuffled = np.random.default_rng(2).permutation(8)
    stored: dict[str, Values] = {
        "im": {"stem": im, "pooled": im},
        "rad": {"stem": rad, "pooled": rad},
        "im-0": {"stem": im, "pooled": im + draw(3)},
        "im-1": {"stem": im[:, shuffled], "pooled": im + draw(4)},
        "rad-0": {"stem": rad, "pooled": rad + 3 * draw(5)},
    }
    for state, values in stored.items():
        store(results, state, values)
    return similarity_table(study(STATES), results), stored


def test_every_pair_layer_and_measure_has_a_row(
    compared: tuple[pd.DataFrame, dict[str, Values]],
) -> None:
    table, _ = compared
    found = set(table[["pair", "left", "right"]].itertuples(index=False, name=None))
    assert found == PAIRS
    assert len(table) == len(PAIRS) * 2 * len(MEASURES)
    assert set(table["layer"]) == {"stem", "pooled"} and set(table["depth"]) == {0, 1}
    assert (table["n"] == IMAGES).all() and (table["patients"] == PATIENTS).all()
    assert (table[["rank_left", "rank_right"]] == 8).all(axis=None)
    initial = table["left_state"] == "initial"
    assert table.loc[initial, "left_seed"].isna().all() and (table["flags"] == "").all()


def test_values_are_those_of_the_textbook(
    compared: tuple[pd.DataFrame, dict[str, Values]],
) -> None:
    table, stored = compared
    for (layer, left, right), rows in table.groupby(["layer", "left", "right"]):
        x, y = (stored[s][layer].astype(np.float32).astype(float) for s in (left, right))
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        cca = np.cos(linalg.subspace_angles(x, y)).mean()
        cka = (np.linalg.norm(x.T @ y) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
        values = rows.set_index("measure")["value"]
        assert values["mean_cca"] == pytest.approx(cca, abs=1e-10)
        assert values["cka"] == pytest.approx(cka, abs=1e-10)


def test_planted_truth_is_found(compared: tuple[pd.DataFrame, dict[str, Values]]) -> None:
    table, _ = compared
    stem = table[table["layer"] == "stem"].set_index(["pair", "right", "measure"])
    for right in ("im-0", "im-1"):  # the same block, and the same with permuted channels
        for measure in ("mean_cca", "svcca", "cka", "procrustes"):
            assert stem.loc[("before_after", right, measure), "value"] == pytest.approx(1, abs=1e-9)
    apart = table[table["pair"] == "sources_before"]
    inside = (apart["value"] > apart["floor_low"]) & (apart["value"] < apart["floor_high"])
    assert inside.mean() > 0.7  # of independent data; each of them in 95 %
    trained = table[(table["pair"] == "before_after") & (table["measure"] == "mean_cca")]
    assert (trained["value"] > trained["floor_high"]).all()


def test_the_floor_is_that_of_permuted_patients(
    compared: tuple[pd.DataFrame, dict[str, Values]],
) -> None:
    table, stored = compared
    x, y = stored["im-0"]["pooled"], stored["im-1"]["pooled"]
    rng, chance = np.random.default_rng(9), []
    for _ in range(200):
        blocks = rng.permutation(np.arange(IMAGES).reshape(PATIENTS, -1))
        chance.append(
            np.cos(linalg.subspace_angles(x - x.mean(0), (y - y.mean(0))[blocks.ravel()]))
        )
    row = table[
        (table["pair"] == "seeds") & (table["layer"] == "pooled") & (table["measure"] == "mean_cca")
    ].iloc[0]
    means = [each.mean() for each in chance]
    assert row["floor"] == pytest.approx(np.mean(means), abs=4 * stats.sem(means) + 0.01)
    assert row["floor_low"] < row["floor"] < row["floor_high"] < row["value"]
    assert row["low"] < row["value"] < row["high"]


def test_each_pair_has_the_floor_of_its_own_spectra(tmp_path: Path) -> None:
    sizes = {"flat": np.ones(8), "steep": 0.3 ** np.arange(8), "level": np.ones(8)}
    stored = {name: draw(seed) * size for seed, (name, size) in enumerate(sizes.items())}
    for name, values in stored.items():
        store(tmp_path, name, {"stem": values})
    states = [entry(name, "initial", name, None) for name in stored]
    table = similarity_table(study(states, draws=200), tmp_path).set_index(["left", "right"])
    assert set(table["pair"]) == {"sources_before"}
    rng = np.random.default_rng(3)
    orders = [np.arange(IMAGES).reshape(PATIENTS, -1)[rng.permutation(PATIENTS)].ravel()
              for _ in range(200)]  # fmt: skip
    for left, right in (("flat", "steep"), ("flat", "level")):
        x, y = (stored[name] - stored[name].mean(axis=0) for name in (left, right))
        cross = [x.T @ y[order] for order in orders]
        own = [np.linalg.norm(one.T @ one) for one in (x, y)]
        sizes_of = [np.linalg.norm(one) for one in (x, y)]
        chance = {
            "cka": [np.linalg.norm(one) ** 2 / (own[0] * own[1]) for one in cross],
            "procrustes": [
                linalg.svdvals(one).sum() / (sizes_of[0] * sizes_of[1]) for one in cross
            ],
        }
        rows = table.loc[(left, right)].set_index("measure")
        for measure, found in chance.items():
            off = 4 * float(stats.sem(found)) * 2**0.5
            assert rows.loc[measure, "floor"] == pytest.approx(np.mean(found), abs=off)
            assert rows.loc[measure, "floor_high"] == pytest.approx(
                np.quantile(found, 0.975), rel=0.2
            )


def rows_of(results: Path, **stored: Values | None) -> pd.DataFrame:
    for state, values in stored.items():
        store(results, state, values)
    states = [entry("a", "initial", "imagenet", None), entry("b", "initial", "radimagenet", None)]
    return similarity_table(study(states, draws=20), results)


def test_patients_that_cannot_be_exchanged_and_calibrated_starts_are_flagged(
    tmp_path: Path,
) -> None:
    many = np.repeat([f"p{number}" for number in range(20)], [1] * 18 + [22, 200])
    for state, seed in (("a", 0), ("b", 1)):
        store(tmp_path, state, {"stem": draw(seed)}, patients=many)
    drawn = entry("a", "initial", "random", 0, calibrated={"train_share": 1.0})
    states = [drawn, entry("b", "initial", "radimagenet", None, calibrated=None)]
    table = similarity_table(study(states, draws=20), tmp_path)
    assert set(table["flags"]) == {"uneven_patients;calibrated_left"}


def test_a_dead_layer_has_no_value(tmp_path: Path) -> None:
    table = rows_of(tmp_path, a={"stem": draw(0)}, b={"stem": np.ones((IMAGES, 8))})
    assert table["value"].isna().all() and (table["flags"] == "dead_right").all()
    assert (table["rank_right"] == 0).all()


def test_fewer_rows_than_channels_are_cut_and_flagged(tmp_path: Path) -> None:
    few = rows_of(tmp_path, a={"stem": draw(0, 60)}, b={"stem": draw(1, 60)})
    assert (few["rank_left"] == IMAGES // 10).all()
    assert (few["flags"] == "cut_left;cut_right").all()
    assert few["value"].notna().all()
    cca = few.set_index("measure").loc["mean_cca"]
    assert cca["floor_low"] < cca["value"] < cca["floor_high"]  # chance, and seen to be


def test_a_diverged_cell_is_listed_and_has_no_layer(tmp_path: Path) -> None:
    table = rows_of(tmp_path, a={"stem": draw(0)}, b=None)
    assert len(table) == 1
    assert table.loc[0, "flags"] == "diverged" and pd.isna(table.loc[0, "layer"])


def test_activations_that_are_no_numbers_are_flagged(tmp_path: Path) -> None:
    broken = draw(0)
    broken[3, 2] = np.inf
    table = rows_of(tmp_path, a={"stem": draw(1)}, b={"stem": broken})
    assert (table["flags"] == "not_finite").all() and table["value"].isna().all()


def test_other_images_or_positions_are_refused(tmp_path: Path) -> None:
    a, b = {"stem": draw(0)}, {"stem": draw(1, rows=2 * IMAGES)}
    with pytest.raises(UserError, match="hold activations of other images or positions"):
        rows_of(tmp_path, a=a, b=b)
