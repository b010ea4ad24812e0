from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from datasets.medmnist.make import make

from transfergrid.data.manifest import validate
from transfergrid.data.medmnist import read
from transfergrid.runtime.errors import UserError


def made(tmp_path, **settings):
    path = tmp_path / "fakemnist.npz"
    make(path, np.random.default_rng(0), **settings)
    with np.load(path) as arrays:
        return path, dict(arrays)


def rewrite(path, arrays, **changes):
    np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("px", "colour"), [(28, False), (28, True), (224, False), (64, True)])
def test_every_image_is_read_in_order(tmp_path, compressed, px, colour):
    path, arrays = made(tmp_path, px=px, colour=colour, compressed=compressed)
    source = validate(read({}, path)).images
    expected = np.concatenate([arrays[f"{split}_images"] for split in ("train", "val", "test")])
    assert len(source) == len(expected)
    with ThreadPoolExecutor(4) as executor:
        images = list(executor.map(source.read, reversed(range(len(source)))))
    np.testing.assert_array_equal(np.stack(images[::-1]), expected)
    with pytest.raises(IndexError):
        source.read(len(source))


def test_stored_members_are_mapped_and_nothing_is_read_before_it_is_used(tmp_path, monkeypatch):
    path, arrays = made(tmp_path, compressed=False)
    source = read({}, path).images
    assert source._arrays == {}
    image = source.read(21)
    assert list(source._arrays) == ["valid"]
    assert isinstance(source._arrays["valid"], np.memmap)
    assert source._arrays["valid"].filename == path
    np.testing.assert_array_equal(image, arrays["val_images"][1])


def test_ids_and_splits(tmp_path):
    path, _ = made(tmp_path)
    manifest = validate(read({}, path))
    table = manifest.table
    assert table["split"].value_counts().to_dict() == {"train": 20, "valid": 8, "test": 10}
    assert table["image_id"][20] == "valid/000000" == manifest.images.name(20)
    assert table["image_id"].equals(table["patient_id"].rename("image_id"))
    assert table["image_id"].equals(table["study_id"].rename("image_id"))
    assert (manifest.patients_known, manifest.studies_known) == (False, False)
    assert "Patients are unknown" in manifest.notes[0]


def test_binary_labels_are_one_task(tmp_path):
    path, arrays = made(tmp_path)
    manifest = read({}, path)
    assert (manifest.task_kind, manifest.tasks) == ("multilabel", ("positive",))
    valid = manifest.table.loc[manifest.table["split"] == "valid", "positive"]
    np.testing.assert_array_equal(valid, arrays["val_labels"][:, 0])
    assert valid.dtype == np.float32
    assert read({"task_names": ["Pneumonia"]}, path).tasks == ("pneumonia",)


def test_classes_are_one_hot(tmp_path):
    path, arrays = made(tmp_path, labels="multiclass", classes=4)
    manifest = validate(read({}, path))
    assert manifest.task_kind == "multiclass"
    assert manifest.tasks == manifest.score_tasks == ("class_0", "class_1", "class_2", "class_3")
    test = manifest.table.loc[manifest.table["split"] == "test", list(manifest.tasks)].to_numpy()
    np.testing.assert_array_equal(test.argmax(1), arrays["test_labels"][:, 0])
    np.testing.assert_array_equal(test.sum(1), 1)
    named = read({"task_names": ["a", "b", "c", "d"], "score_tasks": ["b"]}, path)
    assert (named.tasks, named.score_tasks) == (("a", "b", "c", "d"), ("b",))


def test_several_columns_are_several_tasks(tmp_path):
    path, arrays = made(tmp_path, labels="multilabel", classes=3)
    manifest = validate(read({}, path))
    assert (manifest.task_kind, manifest.tasks) == (
        "multilabel",
        ("label_0", "label_1", "label_2"),
    )
    train = manifest.table.loc[manifest.table["split"] == "train", list(manifest.tasks)]
    np.testing.assert_array_equal(train, arrays["train_labels"])


@pytest.mark.parametrize(
    ("settings", "value", "names", "message"),
    [
        ({"labels": "multilabel"}, 7, None, r"image valid/000002 7, .* from 0 to 1"),
        ({"labels": "binary"}, 2, ["x"], r"image valid/000002 2, .* from 0 to 1"),
        ({"labels": "multiclass"}, 3, ["a", "b", "c"], r"image valid/000002 3, .* from 0 to 2"),
    ],
)
def test_a_label_outside_the_classes_is_named(tmp_path, settings, value, names, message):
    path, arrays = made(tmp_path, **settings)
    arrays["val_labels"][2, 0] = value
    rewrite(path, arrays)
    with pytest.raises(UserError, match=message):
        read({"task_names": names}, path)


def test_a_gap_in_the_classes_is_named(tmp_path):
    path, arrays = made(tmp_path, labels="multiclass")
    arrays["val_labels"][2, 0] = 5
    rewrite(path, arrays)
    with pytest.raises(UserError, match=r"task class_3 has 0 positive\(s\)"):
        validate(read({}, path))


@pytest.mark.parametrize(
    ("labels", "names", "count"),
    [("binary", ["a", "b"], 1), ("multilabel", ["a"], 3)],
)
def test_an_unfit_number_of_names_is_refused(tmp_path, labels, names, count):
    path, _ = made(tmp_path, labels=labels)
    with pytest.raises(UserError, match=rf"{len(names)} name\(s\) .* make {count} task"):
        read({"task_names": names}, path)


def test_pickled_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path, arrays = made(tmp_path)
    for key in ("train_labels", "train_images"):
        objects = np.empty(20, object)
        objects[:] = [Trap()] * 20
        rewrite(path, arrays, **{key: objects})
        with pytest.raises(UserError, match=rf"'{key}' of .* pickled objects"):
            read({}, path)
    assert not (tmp_path / "sprung").exists()


def test_faults_of_the_file_are_named(tmp_path):
    with pytest.raises(UserError, match=r"file .*none\.npz does not exist"):
        read({}, tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        read({}, tmp_path / "bad.npz")
    path, arrays = made(tmp_path)
    rewrite(path, {key: array for key, array in arrays.items() if key != "val_images"})
    with pytest.raises(UserError, match="has no array 'val_images'; it has train_images"):
        read({}, path)
    rewrite(path, arrays, test_images=np.zeros((10, 28, 28, 28), np.uint8))
    with pytest.raises(UserError, match=r"images are uint8 of shape \(N, H, W\)"):
        read({}, path)
    rewrite(path, arrays, test_images=np.zeros((10, 28, 28)))
    with pytest.raises(UserError, match="'test_images' of .* is float64"):
        read({}, path)
    rewrite(path, arrays, test_labels=arrays["test_labels"][1:])
    with pytest.raises(UserError, match=r"'test_labels' of .* shape \(9, 1\) for 10 images"):
        read({}, path)
    rewrite(path, arrays, test_labels=arrays["test_labels"] * 0.5)
    with pytest.raises(UserError, match="'test_labels' of .* is float64"):
        read({}, path)
    rewrite(path, arrays, test_labels=np.zeros((10, 2), np.uint8))
    with pytest.raises(UserError, match="labels of different width"):
        read({}, path)
    with zipfile.ZipFile(path, "w") as archive:
        for key in ("train_images", "val_images", "test_images"):
            archive.writestr(f"{key}.npy", b"no array")
    with pytest.raises(UserError, match="'train_images' of .* cannot be read"):
        read({}, path)


def test_labels_without_a_second_axis_are_taken(tmp_path):
    path, arrays = made(tmp_path)
    flat = {key: a[:, 0] for key, a in arrays.items() if key.endswith("labels")}
    expected = read({}, path).table
    rewrite(path, arrays, **flat)
    assert read({}, path).table.equals(expected)


def relabelled(path, arrays, change):
    """Rewrite the labels of every split by `change`, a function of its number and its labels."""
    keys = [f"{split}_labels" for split in ("train", "val", "test")]
    rewrite(path, arrays, **{key: change(i, arrays[key]) for i, key in enumerate(keys)})


def test_classes_counted_from_one_keep_their_numbers(tmp_path):
    path, arrays = made(tmp_path, labels="multiclass", classes=3)
    expected = read({}, path).table
    relabelled(path, arrays, lambda _, labels: labels + 1)
    manifest = validate(read({}, path))
    assert manifest.tasks == ("class_1", "class_2", "class_3")
    for old, new in zip(("class_0", "class_1", "class_2"), manifest.tasks, strict=True):
        assert manifest.table[new].tolist() == expected[old].tolist()
    assert read({"task_names": ["a", "b", "c"]}, path).tasks == ("a", "b", "c")
    with pytest.raises(UserError, match=r"image train/\d+ 3, .* from 1 to 2"):
        read({"task_names": ["a", "b"], "task_kind": "multiclass"}, path)


def test_the_labels_one_and_two_are_not_guessed(tmp_path):
    path, arrays = made(tmp_path)
    relabelled(path, arrays, lambda _, labels: labels + 1)
    with pytest.raises(
        UserError, match="1 and 2, neither of which is positive; store 0 and 1, or wr"
    ):
        read({}, path)
    manifest = validate(read({"task_kind": "multiclass"}, path))
    assert manifest.tasks == ("class_1", "class_2")


@pytest.mark.parametrize("classes", [2, 3])
def test_one_hot_classes_are_not_taken_for_tasks(tmp_path, classes):
    path, arrays = made(tmp_path, labels="multiclass", classes=3)
    expected = read({}, path).table if classes == 3 else None
    relabelled(path, arrays, lambda _, a: np.eye(classes, dtype=np.uint8)[a[:, 0] % classes])
    with pytest.raises(
        UserError, match=f"{classes} columns .* one 1 per image.*task_kind: multicl"
    ):
        read({}, path)
    manifest = validate(read({"task_kind": "multiclass"}, path))
    assert manifest.task_kind == "multiclass" and manifest.tasks[0] == "class_0"
    if expected is not None:
        assert manifest.table.equals(expected)
    assert read({"task_kind": "multilabel"}, path).tasks[0] == "label_0"


def test_several_labels_are_no_classes(tmp_path):
    path, _ = made(tmp_path, labels="multilabel", classes=3)
    with pytest.raises(UserError, match=r"gives image train/\d+ \d of 3 classes"):
        read({"task_kind": "multiclass"}, path)


@pytest.mark.parametrize("code", ["U", "S"])
def test_names_of_classes_are_classes(tmp_path, code):
    path, arrays = made(tmp_path, labels="multiclass", classes=3)
    expected = read({"task_names": ["benign", "malignant", "normal"]}, path).table
    words = np.array(["benign", "malignant", "normal"]).astype(code)
    # Of different widths in bytes, as a split without the longest name has.
    relabelled(path, arrays, lambda _, a: words[a[:, 0]] if _ else words[a])
    manifest = validate(read({}, path))
    assert manifest.table.equals(expected) and manifest.task_kind == "multiclass"
    with pytest.raises(UserError, match="names its classes itself"):
        read({"task_names": ["x", "y", "z"]}, path)
    with pytest.raises(UserError, match="text labels, which are classes"):
        read({"task_kind": "multilabel"}, path)
    relabelled(path, arrays, lambda i, a: words[a] if i else a)
    with pytest.raises(UserError, match="different width or kind"):
        read({}, path)
