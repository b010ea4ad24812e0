"""Kinds of data set with masks that are read as they were published, one declaration each."""

from __future__ import annotations

from transfergrid.catalog.compared_masks import compared
from transfergrid.catalog.dataset_kind import DICOM, DatasetKind
from transfergrid.catalog.published_settings import (
    COLOURS,
    ONE,
    form,
    lists,
    published,
    share,
    split_choice,
)

_MASKS = ("segmentation",)
_BALANCED = "draws the parts, the same share of each class"

_SIIM = published(
    "siim",
    task_kinds=_MASKS,
    tables="transfergrid.planning.layouts.siim:hashed",
    films_of=("siim", "nih14"),
    leads="root and image_folder",
    cites="SIIM-ACR Pneumothorax Segmentation challenge, 2019. Filice RW, Stein A, Wu CC, et al. "
    "Crowdsourcing pneumothorax annotations using machine learning annotations on the NIH chest "
    "X-ray dataset. Journal of Digital Imaging 33:490–496, 2020. doi:10.1007/s10278-019-00299-9. "
    "Cite ChestX-ray14, whose films they are, as well.",
    settings={
        **form(224),
        "table": {
            "description": "Table of masks in root; null takes train-rle.csv or "
            "stage_2_train.csv, whichever is there.",
            "type": ["string", "null"],
            "minLength": 1,
            "default": None,
        },
        "image_folder": {
            "description": "Folder in root that holds the films, in whatever folders; null takes "
            "root itself.",
            "type": ["string", "null"],
            "minLength": 1,
            "default": "dicom-images-train",
        },
        "dicom": {**DICOM["dicom"], "default": True},
        "lists": lists("draws the parts, the same share with a pneumothorax"),
        "validation_share": share("validation", "films", 0.1),
        "test_share": share("test", "films", 0.2),
        **compared(),
    },
)

_MONTGOMERY = published(
    "montgomery",
    task_kinds=_MASKS,
    tables="transfergrid.planning.layouts.montgomery:hashed",
    patients={},
    same=ONE,
    cites="Jaeger S, Candemir S, Antani S, Wáng YX, Lu PX, Thoma G. Two public chest X-ray "
    "datasets for computer-aided screening of pulmonary diseases. Quantitative Imaging in Medicine "
    "and Surgery 4:475–477, 2014. doi:10.3978/j.issn.2223-4292.2014.11.20. Candemir S, Jaeger S, "
    "Palaniappan K, et al. Lung segmentation in chest radiographs using anatomical atlases with "
    "nonrigid registration. IEEE Transactions on Medical Imaging 33:577–590, 2014. "
    "doi:10.1109/TMI.2013.2290491. Acknowledge the National Library of Medicine as the provider.",
    settings={
        **form(224),
        "lungs": {
            "description": "together: one structure, lung; apart: left_lung and right_lung.",
            "enum": ["together", "apart"],
            "default": "together",
        },
        "lists": lists(_BALANCED),
        "validation_share": share("validation", "films", 0.1),
        "test_share": share("test", "films", 0.2),
        **compared(),
    },
)

_DRIVE = published(
    "drive",
    task_kinds=_MASKS,
    tables="transfergrid.planning.layouts.drive:hashed",
    same=ONE,
    observers="transfergrid.planning.observers:of_drive",
    cites="Staal J, Abràmoff MD, Niemeijer M, Viergever MA, van Ginneken B. Ridge-based vessel "
    "segmentation in color images of the retina. IEEE Transactions on Medical Imaging 23:501–509, "
    "2004. doi:10.1109/TMI.2004.825627",
    settings={
        **form(512),
        "channels": COLOURS,
        "split": split_choice("the folders training and test", "photographs are drawn"),
        "validation_share": share("validation", "photographs that are not tested on", 0.1),
        "test_share": share("test", "photographs, with split random,", 0.2),
        **compared(),
    },
)

PUBLISHED_MASKS: tuple[DatasetKind, ...] = (_SIIM, _MONTGOMERY, _DRIVE)
"""Every kind of a published data set with masks, in the order in which they are listed."""
