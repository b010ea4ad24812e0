from __future__ import annotations

import dataclasses
import sys
import types

import numpy as np
import pytest
from datasets.csv.make import make as make_csv
from datasets.medmnist.make import make as make_npz

from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.data import table
from transfergrid.data.kinds import read_manifest
from transfergrid.runtime.errors import UserError

CSV = {
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass"],
    "split": {"random": {"valid": 0.3, "test": 0.3}, "seed": 0},
}


@pytest.fixture
def plugin(monkeypatch):
    module = types.ModuleType("some_lab_reader")
    monkeypatch.setitem(sys.modules, "some_lab_reader", module)
    return module


def test_each_kind_finds_its_reader_and_is_validated(tmp_path):
    make_csv(tmp_path, np.random.default_rng(0))
    make_npz(tmp_path / "a.npz", np.random.default_rng(0))
    assert read_manifest({"kind": "csv", **CSV}, tmp_path).tasks == ("mass",)
    manifest = read_manifest({"kind": "medmnist"}, tmp_path / "a.npz")
    assert manifest.tasks == ("positive",)
    assert manifest.notes


def test_a_reader_of_the_users_own_gets_declaration_and_root(tmp_path, plugin):
    make_csv(tmp_path, np.random.default_rng(0))
    seen = []

    def read(options, root):
        seen.append((options, root))
        return table.read({**CSV, **options}, root)

    plugin.read = read
    declaration = {"kind": "some_lab_reader:read", "patient_column": "patient"}
    assert read_manifest(declaration, tmp_path).patients_known
    assert seen == [(declaration, tmp_path)]
    plugin.read = lambda options, root: None
    with pytest.raises(UserError, match="returned a NoneType"):
        read_manifest(declaration, tmp_path)
    with pytest.raises(UserError, match="reader 'some_lab_reader:other' cannot be imported"):
        read_manifest({"kind": "some_lab_reader:other"}, tmp_path)
    with pytest.raises(UserError, match="reader 'no_lab:read' cannot be imported"):
        read_manifest({"kind": "no_lab:read"}, tmp_path)


def test_the_kind_of_task_is_the_one_that_the_study_says(tmp_path, plugin):
    make_csv(tmp_path, np.random.default_rng(0))
    found = table.read({**CSV, "patient_column": "patient"}, tmp_path)
    plugin.read = lambda options, root: found
    own = {"kind": "some_lab_reader:read"}
    assert read_manifest({**own, "task_kind": "multilabel"}, tmp_path).task_kind == "multilabel"
    with pytest.raises(UserError, match="is multilabel, and the study says task_kind: multiclass"):
        read_manifest({**own, "task_kind": "multiclass"}, tmp_path)
    plugin.read = lambda options, root: dataclasses.replace(found, task_kind="ranking")
    with pytest.raises(UserError, match="write task_kind: ranking in the study"):
        read_manifest(own, tmp_path)
    with pytest.raises(UserError, match="task_kind is 'ranking'; allowed are multilabel, multicl"):
        read_manifest({**own, "task_kind": "ranking"}, tmp_path)


@pytest.mark.parametrize("kind", ["chexprt", "module:", ":read", None])
def test_an_unknown_kind_is_named(tmp_path, kind):
    with pytest.raises(UserError, match=f"kind '{kind}' is unknown.*one of chexpert, medmnist"):
        read_manifest({"kind": kind}, tmp_path)


@pytest.mark.parametrize("kind", ["chexpert", "csv", "medmnist"])
def test_a_kind_that_lies_somewhere_needs_its_root(tmp_path, kind):
    with pytest.raises(UserError, match=f"kind {kind} lies somewhere; name the place"):
        read_manifest({"kind": kind}, None)
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        read_manifest({"kind": kind, **CSV}, tmp_path / "nowhere")


def test_every_listed_reader_is_a_module_and_a_function():
    for reader in [kind.reader for kind in DATASET_KINDS]:
        module, _, function = reader.partition(":")
        assert module.startswith("transfergrid.data.")
        assert function == "read"
