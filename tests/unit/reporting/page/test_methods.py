from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import pytest
from unit.reporting import fabricate, made_up_study

from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS
from transfergrid.planning.metrics import built_in
from transfergrid.planning.recipe import Recipe, Tuning
from transfergrid.reporting.page.methods import (
    activation_maps,
    comparisons,
    networks,
    paragraphs,
    pretraining,
    recipe,
    variant,
)
from transfergrid.reporting.page.metric_methods import scoring

TUNE = Tuning(learning_rates=(3e-5, 1e-4), epochs=1.5, holdout=0.2, seed=4)


def test_a_recipe_with_trials_tells_how_the_rate_was_found() -> None:
    words = recipe("best", Recipe.from_dict({"tune": asdict(TUNE)}).to_dict())
    assert "learning rate by trials (constant)" in words
    assert "one of 3e-05 and 0.0001, tried by a training of 1.5 epochs each" in words
    assert "20 % of the training patients" in words
    assert "trials have seed 4" in words
    assert "neither the validation nor the test split takes part" in words


def test_a_recipe_without_trials_does_not_mention_them() -> None:
    words = recipe("plain", Recipe.from_dict({"learning_rate": 0.002}).to_dict())
    assert "learning rate 0.002 (constant)" in words
    assert "trial" not in words
    assert "at most" not in words


@pytest.mark.parametrize(
    ("patience", "words"),
    [
        (1, "at most 50 epochs on 100 % of the training images, until a validation is not"),
        (6, "at most 50 epochs on 100 % of the training images, until 6 validations in a row are"),
    ],
)
def test_training_to_plateau(patience: int, words: str) -> None:
    assert words in recipe(
        "plateau", Recipe.from_dict({"epochs": 50, "patience": patience}).to_dict()
    )


def test_phases_are_told_one_by_one() -> None:
    head = {"train_layers": "head", "learning_rate": 0.01, "epochs": 2}
    last = {"train_layers": "last_1", "patience": 3, "norms": "frozen"}
    rest = {"train_layers": "last_2", "epochs": 4, "patience": 1}
    recipe_of = {"phases": [head, last, rest], "learning_rate": 0.001, "train_count": 150}
    assert recipe("thaw", Recipe.from_dict(recipe_of).to_dict()) == (
        "thaw: 3 phases: (1) training the head only, learning rate 0.01, 2 epochs; "
        "(2) training the head and the last block with frozen batch norms, learning rate 0.001, "
        "until 3 validations in a row are not the best so far in it; "
        "(3) training the head and the last 2 blocks, learning rate 0.001, at most 4 epochs, "
        "until a validation is not the best so far in it; "
        "adam (constant), begun afresh in each, on 150 training images, weight decay 0, "
        "batches of 16, number format fp32, no augmentation."
    )
    words = recipe("tuned", Recipe.from_dict({**recipe_of, "tune": asdict(TUNE)}).to_dict())
    assert "(1) training the head only, learning rate 0.01, 2" in words
    assert "frozen batch norms, learning rate by trials, until" in words
    assert "tried by a training of 1.5 epochs for each phase, the same for" in words
    assert "training all layers with batch norms calibrated on the training images, " in recipe(
        "fair", Recipe.from_dict({"norms": "calibrate"}).to_dict()
    )


def test_trainings_on_stored_features_are_named() -> None:
    study = made_up_study.study_json()
    protocols = list(dict.fromkeys(entry["protocol"] for entry in study["cells"]))
    told = dict(paragraphs(study, {}, stored={protocols[0]}))["Training"]
    assert told[-1].startswith(f"In trainings by {protocols[0]}, what the frozen layers make of ")
    assert told[:-1] == dict(paragraphs(study, {}))["Training"]


def test_maps_are_described_where_a_study_asks_for_them() -> None:
    study = made_up_study.study_json()
    assert "Activation maps" not in dict(paragraphs(study, {}))
    cams = {"where": {"architecture": "resnet18", "seed": 0}, "tasks": None, "films": 1}
    asked = {**study, "resolved": {**study["resolved"], "cams": cams}}
    words = " ".join(dict(paragraphs(asked, {}))["Activation maps"])
    assert "Maps were made of architecture resnet18, seed 0, for the scored tasks" in words
    assert "95 % intervals by patient" in words
    every = activation_maps({"where": {}, "tasks": ["edema"]}, study["evaluation"])
    assert "Maps were made of every cell, for edema" in every[0]


def test_initial_weights_are_told_as_their_kind_declares() -> None:
    random = pretraining("nothing", {"kind": "random"})
    assert random == "nothing: the whole network is drawn from the cell's seed."
    source = pretraining("films", {"kind": "cell", "dataset": "shapes", "protocol": "short"})
    assert "first trained on shapes by protocol short" in source
    own = pretraining("ours", {"kind": "my_lab:weights", "sha256": "00"})
    assert own.startswith("ours: released weights (my_lab:weights, sha256 00) with a new head.")


def test_a_release_is_told_with_what_is_not_certain_of_it() -> None:
    words = pretraining("chest", {"kind": "release", "release": "chexpert", "path": "a.pth"})
    assert "CheXpert, from scratch. Licence: ASU, non-commercial, revocable (repository)." in words
    assert " Not certain: its input is unverified: what the benchmark's loader gives" in words
    assert "; no hash of it is published, so nothing proves that a file is this one; " in words
    assert "; which films of chexpert it learned from is not known. Intervals" in words
    certain = pretraining("tv", {"kind": "release", "release": "supervised", "path": "a.pth"})
    assert "torchvision's first weights" in certain and "Not certain" not in certain
    assert "Licence" not in pretraining("mine", {"kind": "release", "release": "gone", "path": ""})


def test_statistics_of_weights() -> None:
    words = pretraining("moments", {"kind": "statistics", "of": "imagenet"})
    assert "mean and variance that it has in imagenet" in words


@pytest.mark.parametrize(
    ("kind", "words"), [("multiclass", "one of 5 classes"), ("multilabel", "labels for 5 tasks")]
)
def test_classes_are_told_from_labels(kind: str, words: str) -> None:
    study, tasks = made_up_study.study_json(), [f"t{i}" for i in range(5)]
    told = dict(paragraphs(study, {"phantom": {**fabricate.card(tasks), "task_kind": kind}}))
    assert f"for test; {words}; images of 64" in " ".join(told["Data"])


def test_comparisons_say_what_the_correlations_hold() -> None:
    study = {**made_up_study.study_json(), "resolved": {"claims": "chextransfer"}}
    known = " ".join(
        comparisons(study, {"correlations": pd.DataFrame({"se_patients": [0.1, None]})})
    )
    assert "what the choice of patients does is in the interval" in known
    assert "fixed before the study was run" in known
    assert "does is not in the interval" in " ".join(comparisons(study, None))
    assert "standard deviation between seeds" in known
    assert "Equivalence" not in known
    equal = comparisons(study, {"contrasts": pd.DataFrame({"margin": [None, 0.01]})})
    assert "two one-sided t tests" in " ".join(equal)


def test_every_kind_of_question_says_how_it_is_answered() -> None:
    for kind in (*QUESTION_KINDS, PLUGIN):
        name = "my_lab:ask" if kind is PLUGIN else kind.name
        study = {"questions": [{"kind": name}], "resolved": {}}
        (told, *_) = comparisons(study)
        assert told.endswith(".") and told != "This study asks no question beyond the table."


def test_every_metric_is_described_with_its_note() -> None:
    study = made_up_study.study_json()
    cards = {"phantom": {"score_tasks": ["edema", "mass"]}}
    found = " ".join(scoring(study, cards))
    assert "Macro AUROC of phantom: unweighted mean over edema and mass." in found
    assert "DeLong's variance, clustered by patient" in found and "hreshold" not in found
    names = ["log_loss", "sensitivity", "accuracy"]
    other = {**study, "metrics": {name: built_in(name) for name in names}}
    other["primary_metric"] = {"phantom": "log_loss", "shapes": "accuracy"}
    found = " ".join(scoring(other, cards))
    assert "Macro log loss of phantom (lower is better): unweighted mean" in found
    assert "Log loss: in natural units; probabilities are clipped to 1e-07 from 0 and 1" in found
    assert "logarithm of that; for classes each one against the rest; see Good 1952" in found
    assert "intervals take them as given" in found and "DeLong" not in found
    assert "Those of log loss, sensitivity at a specificity of 0.9 and accuracy are made" in found
    other["primary_metric"] = {"phantom": "accuracy"}
    assert "Accuracy of phantom: over all classes at once." in " ".join(scoring(other, cards))


@pytest.mark.parametrize("kind", ["random", "timm"])
def test_a_declared_input_is_told(kind: str) -> None:
    words = pretraining("arm", {"kind": kind, "input": "bgr_caffe_255"})
    assert "Input (bgr_caffe_255): (BGR minus (103.939, 116.779, 123.68)) / 255." in words
    own = {"mean": [0.5, 0.25, 0], "std": [1, 0.5, 2], "channel_order": "bgr"}
    words = pretraining("arm", {"kind": kind, "input": own})
    assert "Input: BGR from 0 to 1, minus 0.5, 0.25 and 0, divided by 1, 0.5 and 2." in words
    assert "Input" not in pretraining("arm", {"kind": kind, "input": None})


def test_slim_networks_are_told_from_their_bases() -> None:
    names = ("resnet18_slim1", "resnet50_slim3", "cbr_small")
    cells = [{"architecture": name, "role": "target", "truncation": 0, "seed": 0} for name in names]
    words = " ".join(networks({"cells": cells, "resolved": {}}))
    assert "resnet18_slim1 has the stem of resnet18, and half the channels in all later" in words
    assert "resnet50_slim3 has the first 3 blocks, stem included, of resnet50, and half" in words
    assert "cbr_small has" not in words


def test_a_variant_of_a_network_is_told() -> None:
    words = variant("mine", {"of": "mobilenetv2_100", "options": {"pad_type": "same"}})
    assert words.startswith("mine is mobilenetv2_100 with pad_type same;")


def test_labels_that_are_drawn_are_told_by_how_often() -> None:
    assert "drawn" not in recipe("plain", Recipe().to_dict())
    anew = recipe("anew", Recipe(redraw_uncertain=True).to_dict())
    assert anew.endswith(", no augmentation, uncertain labels drawn anew in each epoch.")


def test_masks_are_told_as_masks() -> None:
    cell = {"architecture": "lcnet_050", "dataset": "discs", "truncation": 1, "seed": 0}
    study = {
        "cells": [{**cell, "role": "target"}],
        "resolved": {"datasets": {"discs": {}}},
        "metrics": {"dice": built_in("dice")},
        "primary_metric": {"discs": "dice"},
        "evaluation": {"confidence": 0.95, "bootstrap": {"replicates": 100, "seed": 0}},
    }
    labels = {"discs": {"score_tasks": ["disc"]}}
    masks = {"discs": {"score_tasks": ["disc"], "masks": "overlapping"}}
    plain, found = (" ".join(networks(study, cards)) for cards in (labels, masks))
    assert "global average pooling and one linear layer follow what is left." in plain
    assert "U-Net" not in plain and "a U-Net's decoder follows what is left." in found
    words = " ".join(scoring(study, masks))
    assert "Macro Dice of discs: unweighted mean over disc." in words
    assert "counts of pixels and distances are kept" in words
    assert "Masks of discs are compared at the size of the network's input." in words
    at_film = {"scored_at": "film", "spacing": 0.2}
    study["resolved"] = {"datasets": {"discs": at_film}}
    study["metrics"] = {"dice": built_in("dice"), "hd95": built_in("hd95")}
    words = " ".join(scoring(study, masks))
    assert "Masks of discs are compared at each film's own size," in words
    assert "counts as not marked; distances are in mm." in words
    assert "combined on the logit" not in words and "Calibration" not in words
    told = recipe("plain", Recipe(loss="bce+dice", dice={"over": "batch"}).to_dict())
    assert "loss binary cross-entropy and Dice (over batch)" in told
    assert "loss" not in recipe("plain", Recipe().to_dict())
