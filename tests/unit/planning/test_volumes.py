"""Settings of slices of volumes: what is filled in, what contradicts, what is in a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from transfergrid.planning.inputs import Dataset
from transfergrid.planning.leaks import leaks
from transfergrid.planning.study import load_study
from transfergrid.runtime.errors import UserError

NIFTI = {"slice": "number", "axis": "coronal"}
CSV: dict[str, Any] = {
    "kind": "csv",
    "root": "/data",
    "table": "slices.csv",
    "image_column": "volume",
    "label_columns": ["finding"],
    "patient_column": "patient",
    "split": {"random": {"valid": 0.1, "test": 0.2}},
    "nifti": NIFTI,
}
MASKS = {
    **{key: value for key, value in CSV.items() if key != "label_columns"},
    "kind": "mask_table",
    "layers": [{"structures": ["lesion"], "files": ["mask"]}],
}
RUNS = {"table": "runs.csv", "image_column": "volume", "runs_column": "runs", "form": "coco"}


def loaded(folder: Path, dataset: dict[str, Any]) -> dict[str, Any]:
    study = {
        "name": "small",
        "datasets": {"head": dataset},
        "pretrainings": {"random": {"kind": "random"}},
        "grid": [{"datasets": ["head"], "architectures": ["resnet18"], "pretrainings": ["random"]}],
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return dict(load_study(path).config["datasets"]["head"])


@pytest.mark.parametrize("dataset", [CSV, MASKS], ids=["csv", "mask_table"])
def test_slices_of_volumes_are_settings_of_tables(tmp_path: Path, dataset: dict[str, Any]) -> None:
    filled = loaded(tmp_path, dataset)["nifti"]
    assert filled == {**NIFTI, "range": None, "percentiles": None}
    plain = {key: value for key, value in dataset.items() if key != "nifti"}
    assert loaded(tmp_path, plain)["nifti"] is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"nifti": {"slice": "number"}}, "axis"),
        ({"nifti": {**NIFTI, "axis": "axail"}}, "axial"),
        ({"nifti": {**NIFTI, "range": [0]}}, "range"),
        ({"nifti": {**NIFTI, "percentiles": [0, 101]}}, "percentiles"),
        ({"nifti": {**NIFTI, "window": [0, 1]}}, "window"),
        ({"nifti": {**NIFTI, "range": [9, 9]}}, "nifti.range [9, 9] does not rise"),
        ({"nifti": {**NIFTI, "percentiles": [99, 1]}}, "nifti.percentiles [99, 1] does not rise"),
        (
            {"nifti": {**NIFTI, "range": [0, 1], "percentiles": [1, 99]}},
            "nifti.range and nifti.percentiles both say which values are black and white",
        ),
        ({"dicom": True}, "slices of NIfTI volumes or DICOM files, not both"),
        ({"white": 900}, "white stands for numbers of image files; of NIfTI volumes write"),
        ({"black": -100}, "black stands for numbers of image files"),
        ({"patient_column": None}, "nothing keeps them in one part; name patient_column"),
    ],
)
def test_settings_that_contradict_slices_are_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    for dataset in (CSV, MASKS):
        with pytest.raises(UserError) as error:
            loaded(tmp_path, {**dataset, **change})
        assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"layers": [{"structures": ["lesion"], "runs": RUNS}]},
        {"field_of_view": {"coco": {"file": "view.json"}}},
        {
            "layers": [
                {
                    "structures": ["lesion"],
                    "observers": [{"files": ["mask"]}, {"runs": RUNS}],
                    "combine": "first",
                }
            ]
        },
    ],
)
def test_masks_of_slices_are_volumes(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="masks of slices are slices of NIfTI volumes themselves"):
        loaded(tmp_path, {**MASKS, **change})


def test_another_plane_or_grey_of_a_table_tests_on_the_same_patients() -> None:
    def dataset(name: str, **nifti: Any) -> Dataset:
        settings = {**CSV, "nifti": {**NIFTI, **nifti}, "tables": {"slices.csv": "0" * 64}}
        return Dataset(name, f"{name}-0", {"id": f"{name}-0", **settings}, Path("/data"))

    coronal, axial = dataset("a"), dataset("b", axis="axial", range=[0, 9])
    assert not leaks(coronal, "all", axial, "all")
