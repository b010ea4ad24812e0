from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transfergrid.data.kinds import read_manifest
from transfergrid.data.phantom_shapes import CLASSES, DrawnShapes, draw_shape, shape_class

OPTIONS = {
    "kind": "phantom",
    "set": "shapes",
    "patients": 64,
    "valid_patients": 16,
    "test_patients": 24,
    "image_px": 48,
    "seed": 2,
}


def images(split, count, px=64):
    drawn = np.stack([draw_shape(0, split, number, px) for number in range(count)])
    return drawn.astype(float), np.array([shape_class(number) for number in range(count)])


def spectrum(drawn):
    """Log power of low frequencies, averaged over 2 x 2: knows texture, not place."""
    power = np.abs(np.fft.fft2(drawn - drawn.mean(axis=(1, 2), keepdims=True)))
    power = np.log1p(np.fft.fftshift(power, axes=(1, 2))[:, 16:48, 16:48])
    return power.reshape(len(drawn), 16, 2, 16, 2).mean(axis=(2, 4)).reshape(len(drawn), -1)


@pytest.fixture(scope="module")
def oracle():
    drawn, classes = images("train", 960)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return model.fit(spectrum(drawn), classes)


def test_a_linear_model_of_the_spectrum_tells_the_classes_apart(oracle):
    drawn, classes = images("valid", 320)
    found = oracle.predict(spectrum(drawn))
    assert (found == classes).mean() > 0.8
    for number in range(len(CLASSES)):
        assert (found[classes == number] == number).mean() > 0.5, CLASSES[number]


def test_brightness_alone_tells_nothing():
    def greys(drawn):
        return np.stack([drawn.mean(axis=(1, 2)), drawn.std(axis=(1, 2))], axis=1)

    drawn, classes = images("train", 640)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(greys(drawn), classes)
    drawn, classes = images("valid", 320)
    assert model.score(greys(drawn), classes) < 0.4


def test_a_mirrored_image_keeps_its_class(oracle):
    drawn, classes = images("test", 320)
    assert oracle.score(spectrum(drawn[:, :, ::-1]), classes) > 0.8


def test_images_are_fixed_by_seed_split_and_number():
    first = draw_shape(0, "train", 3, 64)
    assert first.shape == (64, 64)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw_shape(0, "train", 3, 64))
    others = [draw_shape(1, "train", 3, 64), draw_shape(0, "valid", 3, 64)]
    others.append(draw_shape(0, "train", 11, 64))
    for other in others:
        assert np.abs(first.astype(float) - other).mean() > 5


def test_the_manifest_is_balanced_and_its_patients_are_unknown():
    manifest = read_manifest(OPTIONS, None)
    table = manifest.table
    assert manifest.task_kind == "multiclass"
    assert manifest.tasks == manifest.score_tasks == CLASSES
    assert not manifest.patients_known
    assert not manifest.studies_known
    assert (table["patient_id"] == table["image_id"]).all()
    assert (table["study_id"] == table["image_id"]).all()
    assert table["image_id"].is_unique
    assert table["split"].value_counts().to_dict() == {"train": 64, "valid": 16, "test": 24}
    labels = table[list(CLASSES)].to_numpy()
    assert (labels.sum(axis=1) == 1).all()
    for split, each in (("train", 8), ("valid", 2), ("test", 3)):
        assert (labels[table["split"] == split].sum(axis=0) == each).all()


def test_the_source_draws_what_the_table_names():
    manifest = read_manifest(OPTIONS, None)
    assert isinstance(manifest.images, DrawnShapes)
    assert len(manifest.images) == len(manifest.table)
    for row in (0, 63, 64, 103):
        assert manifest.images.name(row) == manifest.table["image_id"].iloc[row]
        split, name = manifest.images.name(row).split("/")
        number = int(name.removeprefix("shape")) - 1
        assert np.array_equal(manifest.images.read(row), draw_shape(2, split, number, 48))
        assert manifest.table[CLASSES[shape_class(number)]].iloc[row] == 1
