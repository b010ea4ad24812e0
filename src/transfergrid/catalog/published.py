"""Kinds of data set that are read as they were published, one declaration each."""

from __future__ import annotations

from transfergrid.catalog.dataset_kind import DICOM, DatasetKind, Described
from transfergrid.catalog.published_settings import (
    COLOURS,
    ONE,
    form,
    lists,
    published,
    share,
    split_choice,
)

_BUSI = published(
    "busi",
    task_kind_of={
        "normals": {"benign": "multilabel", "leave_out": "multilabel", "class": "multiclass"}
    },
    tables="transfergrid.planning.label_tables:of_image_names",
    same=ONE,
    cites="Al-Dhabyani W, Gomaa M, Khaled H, Fahmy A. Dataset of breast ultrasound images. Data in "
    "Brief 28:104863, 2020. doi:10.1016/j.dib.2019.104863",
    settings={
        **form(256),
        "normals": {
            "description": "What images without a lesion are: benign, a class of their own "
            "(multiclass), or left out.",
            "enum": ["benign", "class", "leave_out"],
            "default": "benign",
        },
        "validation_share": share("validation", "images", 0.1),
        "test_share": share("test", "images", 0.2),
    },
)

_MRNET = published(
    "mrnet",
    arrays=True,
    tables="transfergrid.planning.label_tables:of_mrnet",
    official=(),
    same=ONE,
    cites="Bien N, Rajpurkar P, Ball RL, et al. Deep-learning-assisted diagnosis for knee magnetic "
    "resonance imaging: development and retrospective validation of MRNet. PLoS Medicine "
    "15(11):e1002699, 2018. doi:10.1371/journal.pmed.1002699",
    settings={
        **form(112),
        "plane": {
            "description": "Plane of the slices.",
            "enum": ["sagittal", "coronal", "axial"],
            "default": "sagittal",
        },
        "slices": {
            "description": "How many slices of an examination are images: those in the middle.",
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 3,
        },
        # The highest of several slices' logits would favour every class at once.
        "aggregate": {
            "$ref": "#/$defs/aggregate",
            "description": "How an examination's slices are combined, on the logit.",
            "default": "mean",
        },
        "task_kind": {
            "description": "multiclass has one class an examination, an ACL tear before a meniscal "
            "tear before no tear; multilabel has the three findings abnormal, acl and meniscus.",
            "enum": ["multiclass", "multilabel"],
            "default": "multiclass",
        },
        "validation_share": share("validation", "training examinations", 0.1),
    },
)

_DDTI = published(
    "ddti",
    task_kinds=("multilabel",),
    tables="transfergrid.planning.label_tables:of_ddti",
    patients={},
    same=ONE,
    cites="Pedraza L, Vargas C, Narváez F, Durán O, Muñoz E, Romero E. An open access thyroid "
    "ultrasound image database. Proceedings of SPIE 9287:92870W, 2015. doi:10.1117/12.2073532",
    settings={
        **form(256),
        "ungraded": {
            "description": "Images of cases without a TI-RADS grade: leave_out, or benign.",
            "enum": ["leave_out", "benign"],
            "default": "leave_out",
        },
        "validation_share": share("validation", "cases", 0.1),
        "test_share": share("test", "cases", 0.2),
    },
)

_CBIS_DDSM = published(
    "cbis_ddsm",
    task_kinds=("multilabel",),
    tables="transfergrid.planning.label_tables:of_cbis_ddsm",
    official=("abnormalities",),
    patients={},
    same=ONE,
    leads="root and image_folder",
    cites="Lee RS, Gimenez F, Hoogi A, et al. A curated mammography data set for use in "
    "computer-aided detection and diagnosis research. Scientific Data 4:170177, 2017. "
    "doi:10.1038/sdata.2017.177",
    settings={
        **form(224),
        "abnormalities": {
            "description": "Which tables are read: of masses, of calcifications or both.",
            "enum": ["both", "mass", "calcification"],
            "default": "both",
        },
        "image_folder": {
            "description": "Folder in root that has the films; null takes root itself.",
            "type": ["string", "null"],
            "minLength": 1,
            "default": "images",
        },
        **DICOM,
        "validation_share": share("validation", "training patients", 0.1),
    },
)

_NIH14 = published(
    "nih14",
    task_kinds=("multilabel",),
    tables="transfergrid.planning.layouts.nih14:hashed",
    described=Described(
        "transfergrid.planning.label_tables:tables_of_nih14",
        image="Image Index",
        known={
            "sex": ("Patient Gender", "Patient Sex"),
            "age": ("Patient Age",),
            "view": ("View Position",),
        },
        ids=("Image Index", "Patient ID"),
    ),
    films_of=("nih14",),
    official=("split", "test_share", "seed"),
    patients={},
    cites="Wang X, Peng Y, Lu L, et al. ChestX-ray8: hospital-scale chest X-ray database and "
    "benchmarks on weakly-supervised classification and localization of common thorax diseases. "
    "IEEE Conference on Computer Vision and Pattern Recognition, 2097–2106, 2017. "
    "doi:10.1109/CVPR.2017.369. Acknowledge the NIH Clinical Center as the provider.",
    settings={
        "regions": {
            "description": "Table of the radiologists' boxes (BBox_List_2017.csv), with which "
            "activation maps are compared; null means that no regions are known. Not part of a "
            "cell.",
            "type": ["string", "null"],
            "minLength": 1,
            "default": None,
        },
        "tasks": {
            "$ref": "#/$defs/score_tasks",
            "description": "Outputs of the network; null means the fourteen findings, without "
            "no_finding.",
            "default": None,
        },
        "split": split_choice("the published lists", "patients are drawn"),
        "lists": lists("divides it as split says"),
        "validation_share": share("validation", "patients that are not tested on", 0.1),
        "test_share": share("test", "patients, with split random,", 0.2),
    },
)

_SHENZHEN = published(
    "shenzhen",
    task_kinds=("multilabel",),
    tables="transfergrid.planning.layouts.shenzhen:hashed",
    patients={},
    same=ONE,
    cites="Jaeger S, Candemir S, Antani S, Wáng YX, Lu PX, Thoma G. Two public chest X-ray "
    "datasets for computer-aided screening of pulmonary diseases. Quantitative Imaging in Medicine "
    "and Surgery 4:475–477, 2014. doi:10.3978/j.issn.2223-4292.2014.11.20. Acknowledge the "
    "National Library of Medicine and Shenzhen No. 3 People's Hospital as the providers.",
    settings={
        "lists": lists("draws the parts, the same share of each class"),
        "validation_share": share("validation", "films", 0.1),
        "test_share": share("test", "films", 0.2),
    },
)

_KERMANY = published(
    "kermany",
    task_kinds=("multilabel",),
    tables="transfergrid.planning.layouts.kermany:hashed",
    official=("split", "test_share", "seed"),
    patients={},
    same=ONE,
    cites="Kermany DS, Goldbaum M, Cai W, et al. Identifying medical diagnoses and treatable "
    "diseases by image-based deep learning. Cell 172:1122–1131, 2018. "
    "doi:10.1016/j.cell.2018.02.010",
    settings={
        **form(112),
        "split": split_choice(
            "the folders train and test", "patients are drawn, the same share of each class"
        ),
        "validation_share": share("validation", "patients that are not tested on", 0.1),
        "test_share": share("test", "patients, with split random,", 0.2),
    },
)

_ISIC2018 = published(
    "isic2018",
    task_kinds=("multiclass",),
    tables="transfergrid.planning.layouts.isic2018:hashed",
    cites="Codella N, Rotemberg V, Tschandl P, et al. Skin lesion analysis toward melanoma "
    "detection 2018. arXiv 1902.03368, 2019. Tschandl P, Rosendahl C, Kittler H. The HAM10000 "
    "dataset. Scientific Data 5:180161, 2018. doi:10.1038/sdata.2018.161",
    settings={
        **form(112),
        "channels": COLOURS,
        "split": split_choice(
            "the challenge's three parts",
            "the training part alone is cut, with the same share of each class",
            "random",
        ),
        "lesions": {
            "description": "Whether training images of one lesion stay together where they are "
            "cut, or may come apart.",
            "enum": ["together", "apart"],
            "default": "together",
        },
        "validation_share": share("validation", "lesions or images, with split random,", 0.1),
        "test_share": share("test", "lesions or images, with split random,", 0.2),
    },
)

_PCAM = published(
    "pcam",
    arrays=True,
    task_kinds=("multilabel",),
    tables="transfergrid.planning.layouts.pcam:hashed",
    same=ONE,
    cites="Veeling BS, Linmans J, Winkens J, Cohen T, Welling M. Rotation equivariant CNNs for "
    "digital pathology. MICCAI 2018. doi:10.1007/978-3-030-00934-2_24. Ehteshami Bejnordi B, Veta "
    "M, Johannes van Diest P, et al. JAMA 318:2199–2210, 2017. doi:10.1001/jama.2017.14585",
    settings={
        **form(96),
        "channels": COLOURS,
        "validation_share": share("validation", "PNG patches", 0.1),
        "test_share": share("test", "PNG patches", 0.2),
    },
)

PUBLISHED: tuple[DatasetKind, ...] = (
    _BUSI,
    _CBIS_DDSM,
    _DDTI,
    _MRNET,
    _NIH14,
    _SHENZHEN,
    _KERMANY,
    _ISIC2018,
    _PCAM,
)
"""Every kind of a published data set, in the order in which they are listed."""
