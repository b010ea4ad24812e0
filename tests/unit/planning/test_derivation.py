"""Derived weights as a study writes them: their cells, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.catalog.derivation import STEPS
from transfergrid.planning import fingerprint
from transfergrid.planning.fingerprint import closure
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.unchanged import hold_derivation
from transfergrid.reporting.page.methods import pretraining
from transfergrid.runtime.errors import UserError

GABOR = {"filters": "gabor"}
STATISTICS = {"keep": "statistics"}
ENTRIES: dict[str, Any] = {
    "none": {"of": "shapes", "derive": [{"keep": {"through": 0}}]},
    "two": {"of": "shapes", "derive": [{"keep": {"through": 2}}]},
    "every": {"of": "shapes", "derive": [{"keep": {"through": "all"}}]},
    "moments": {"kind": "statistics", "of": "shapes"},
    "same": {"of": "shapes", "derive": [STATISTICS]},
    "norms": {"of": "shapes", "derive": [STATISTICS], "derived_norms": "keep"},
    "bank": {"of": "hub", "derive": [GABOR]},
    "both": {"of": "hub", "derive": [GABOR, STATISTICS]},
}


def through(k: int | str) -> dict[str, Any]:
    return {"keep": {"through": k}}


def study(folder: Path, entries: dict[str, Any] | None = None, **axes: Any) -> PlannedStudy:
    entries = ENTRIES if entries is None else entries
    axes = {"pretrainings": list(entries), "seeds": [0], "truncations": [0], **axes}
    return planned(folder, {"pretrainings": entries, **grid(**axes)})


def weights(plan: PlannedStudy) -> dict[str, dict[str, Any]]:
    return {cell.point.pretraining: json.loads(cell.spec)["weights"] for cell in plan.targets}


def test_cells_hold_what_is_kept(tmp_path: Path) -> None:
    plan = study(tmp_path)
    found = weights(plan)
    kept = {
        name: {key: value for key, value in of.get("derive", {}).items() if key != "code"}
        for name, of in found.items()
    }
    assert kept["none"] == {"through": 0} and kept["two"] == {"through": 2}
    assert kept["every"] == {"through": "all"} and kept["norms"] == {"statistics": "keep"}
    assert kept["bank"] == {"filters": "gabor"}
    assert kept["both"] == {"statistics": "identity", "filters": "gabor"}
    # One source for all, and the same one as without derive.
    assert len(plan.sources) == 1 and len(plan.weights) == 1
    assert found["two"]["source_cell"] == plan.sources[0].name
    # The two ways to write it are one.
    assert found["same"] == found["moments"] and found["same"]["keep"] == "statistics"
    assert "derive" not in found["same"]


def test_the_order_of_steps_is_no_part_of_a_cell(tmp_path: Path) -> None:
    turned = {**ENTRIES, "both": {**ENTRIES["both"], "derive": [STATISTICS, GABOR]}}
    one, other = study(tmp_path), study(tmp_path, turned)
    assert weights(one) == weights(other) and one.cells == other.cells
    assert one.stamps == other.stamps


@pytest.fixture()
def edited() -> Iterator[Any]:
    """Edits the text of modules that are fingerprinted."""
    text = fingerprint._text.__wrapped__
    patch = pytest.MonkeyPatch()

    def edit(*modules: str) -> None:
        patch.setattr(
            fingerprint, "_text", lambda m: text(m) + ("\nEDITED = True\n" if m in modules else "")
        )
        forget()

    yield edit
    patch.undo()
    forget()


def forget() -> None:
    for function in ("_fingerprint", "_digest", "_imports", "_modules_fingerprint"):
        getattr(fingerprint, function).cache_clear()


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("models.gabor", {"bank", "both"}),
        ("models.derived_statistics", {"norms", "both"}),
        ("models.derived_prefix", {"none", "two", "every"}),
        ("models.derived", {"none", "two", "every", "norms", "bank", "both"}),
    ],
)
def test_a_step_is_code_of_the_cells_that_take_it_alone(
    tmp_path: Path, edited: Any, module: str, stale: set[str]
) -> None:
    entries = {**ENTRIES, "random": {"kind": "random"}, "shapes": {}, "hub": {"kind": "timm"}}
    before = {cell.point: cell.name for cell in study(tmp_path, entries).cells}
    edited(f"transfergrid.{module}")
    after = {cell.point: cell.name for cell in study(tmp_path, entries).cells}
    assert {p.pretraining for p in before if before[p] != after[p]} == stale
    edited()
    assert {cell.point: cell.name for cell in study(tmp_path, entries).cells} == before


def test_a_job_stops_if_a_step_was_edited_under_it(tmp_path: Path, edited: Any) -> None:
    found = weights(study(tmp_path))
    hold_derivation(found["bank"]["derive"])
    hold_derivation(found["moments"].get("derive"))
    edited("transfergrid.models.gabor")
    hold_derivation(found["two"]["derive"])
    with pytest.raises(UserError, match="derives this job's initial weights was edited after"):
        hold_derivation(found["bank"]["derive"])


def test_training_knows_no_step() -> None:
    found = set(closure(["transfergrid.training.loop"]))
    assert not found & {step.module for step in STEPS}
    assert "transfergrid.catalog.derivation" not in found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"derive": [through(1), through(2)]}, "two steps that say keep: through; keep one"),
        ({"derive": [STATISTICS, STATISTICS]}, "two steps that say keep: statistics"),
        ({"derive": [GABOR, GABOR]}, "two steps that say filters"),
        ({"derive": [through("all"), STATISTICS]}, "leaves nothing of which the statistics"),
        ({"derive": [GABOR, through(1)]}, "through: 1 } keeps the first convolution, and filters"),
        (
            {"derive": [GABOR], "derived_norms": "keep"},
            "derived_norms says .* not a step of derive",
        ),
        ({"derive": [through(8)]}, "'lcnet_050' has 7 blocks, stem included; .*at most 7, or all"),
        (
            {"derive": [through(-1)]},
            "through' is -1, which has none of the allowed forms: Number of the network's first",
        ),
        ({"derive": [through("most")]}, "through' is 'most', which has none"),
        (
            {"derive": [{"keep": "gabor"}]},
            "keep' is 'gabor', which has none of the allowed forms: stat",
        ),
        ({"derive": [{**STATISTICS, **GABOR}]}, r"derive\[0\]' has no setting '(filters|keep)'"),
        ({"derive": []}, "at least 1 are needed"),
        ({"derive": [GABOR], "of": "random"}, "takes the weights of 'random', which is random; na"),
        ({"derive": [GABOR], "of": "moments"}, "takes the weights of 'moments', which is statist"),
        ({"derive": [GABOR], "of": "nowhere"}, "names 'nowhere' .*which pretrainings does not def"),
        ({"derive": [GABOR], "kind": "timm"}, "no setting 'derive'|no setting 'of'"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    entries = {"moments": ENTRIES["moments"], "x": {"of": "shapes", **settings}}
    with pytest.raises(UserError, match=message) as caught:
        study(tmp_path, entries, pretrainings=["x"])
    assert "\n" not in str(caught.value) and "pretraining" in str(caught.value)


def test_a_cut_network_has_fewer_blocks_to_keep(tmp_path: Path) -> None:
    entries = {"x": {"of": "shapes", "derive": [through(5)]}}
    study(tmp_path, entries, truncations=[0, 2])
    with pytest.raises(UserError, match="'lcnet_050' with 3 of its blocks removed has 4 blocks"):
        study(tmp_path, entries, truncations=[3])


def test_blocks_of_networks_that_are_not_listed_are_counted_later(tmp_path: Path) -> None:
    entries = {"x": {"of": "hub", "derive": [through(99)]}}
    assert study(tmp_path, entries, architectures=["convnext_atto.d2_in1k"]).targets


def test_a_slim_network_takes_its_bases_weights(tmp_path: Path) -> None:
    entries = {"x": {"of": "hub", "derive": [through(2)]}, "y": {"of": "shapes", "derive": [GABOR]}}
    plan = study(tmp_path, entries, architectures=["resnet18", "resnet18_slim2"])
    (found,) = plan.weights.values()
    assert found.id.startswith("resnet18-hub-")
    specs = [json.loads(cell.spec) for cell in plan.targets]
    slim = [one for one in specs if one["cell"]["architecture"] == "resnet18_slim2"]
    assert {one["weights"]["derive"]["base"]["name"] for one in slim} == {"resnet18"}
    assert not any("base" in one["weights"]["derive"] for one in specs if one not in slim)
    assert {cell.point.architecture for cell in plan.sources} == {"resnet18"}
    for k in (3, "all"):
        deep = {"x": {"of": "hub", "derive": [through(k)]}}
        with pytest.raises(UserError, match=r"keeps more of resnet18 than resnet18_slim2 shares"):
            study(tmp_path, deep, architectures=["resnet18_slim2"])
    moments = {"x": {"of": "hub", "derive": [STATISTICS]}}
    with pytest.raises(UserError, match="after its first 2 blocks resnet18_slim2 has half the cha"):
        study(tmp_path, moments, architectures=["resnet18_slim2"])
    with pytest.raises(UserError, match="half the channels"):
        study(tmp_path, {"hub": {"kind": "timm"}}, architectures=["resnet18_slim2"])


@pytest.mark.parametrize("name", ["resnet18", "resnet18_slim2", "resnet18.tv_in1k"])
def test_a_network_of_the_studys_own_takes_no_known_ones_name(tmp_path: Path, name: str) -> None:
    # Weights of the base would be looked for by its name, and be those of the study's own network.
    own = {"architectures": {name: {"factory": "plugged_net:net", "family": "x"}}}
    entries = {"x": {"of": "shapes", "derive": [through(2)]}}
    for networks in ([name], [name, "resnet18_slim1"]):
        with pytest.raises(UserError, match=f"'{name}' of the study's own has the name of a known"):
            planned(
                tmp_path,
                {
                    "pretrainings": entries,
                    **own,
                    **grid(architectures=networks, pretrainings=["x"]),
                },
            )


def test_a_base_of_the_studys_own_is_refused_where_the_slim_one_alone_is_named(
    tmp_path: Path,
) -> None:
    own = {"architectures": {"resnet18": {"factory": "plugged_net:net", "family": "x"}}}
    entries = {"x": {"of": "shapes", "derive": [through(2)]}}
    axes = grid(architectures=["resnet18_slim2"], pretrainings=["x"])
    with pytest.raises(UserError, match="'resnet18' of the study's own has the name of a known"):
        planned(tmp_path, {"pretrainings": entries, **own, **axes})


def test_the_page_says_what_is_kept() -> None:
    for name, told in {
        "none": "nothing is kept",
        "two": "the first 2 blocks, stem included, are shapes's",
        "every": "all but the head is shapes's",
        "norms": "mean and variance that they have in shapes; norms are those of shapes",
        "both": "Gabor bank with the scale of hub's filters; tensors are drawn",
    }.items():
        words = pretraining(name, {"kind": "derived", **ENTRIES[name]})
        assert words.startswith(f"{name}: derived from") and told in words
        assert words.endswith("drawn from the cell's seed.")
