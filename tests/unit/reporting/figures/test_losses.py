"""Losses while training: each side is the field of the history that it says it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from transfergrid.reporting.figures import losses, style
from transfergrid.reporting.figures.data import FigureData


def test_the_left_side_is_the_training_loss_and_the_right_one_the_validation_loss(
    data: FigureData,
) -> None:
    names = [name for name, _ in losses._parts(data)]
    with style.styled():
        figure = losses.draw(data)
    assert len(figure.axes) == 2 * len(names)
    for number, name in enumerate(names):
        own = data.trained[data.trained["architecture"] == name]
        for ax, field in zip(figure.axes[2 * number :], losses.SIDES, strict=False):
            told = ax.get_title(loc="left").replace("\n", " ")
            assert told.endswith(losses.SIDES[field]) and told.startswith(name[:8])
            drawn = sorted(
                tuple(line.get_ydata()) for line in ax.lines if len(line.get_xdata()) > 1
            )
            expected = []
            for cell in own["cell"]:
                values = [line[field] for line in data.histories[cell]]
                if len(values) > 1 and None not in values:
                    expected.append(tuple(values))
            assert drawn == sorted(expected)
        left, right = figure.axes[2 * number : 2 * number + 2]
        assert left.get_ylim() == right.get_ylim()


def test_masks_and_labels_have_rows_of_their_own(data: FigureData) -> None:
    half = data.cells["architecture"] == "resnet18"
    both = replace(data, cells=data.cells.assign(dataset=half.map({True: "lungs", False: "films"})))
    assert next(name for name, _ in losses._parts(both)).endswith((", lungs", ", films"))
    assert "resnet18, lungs" in [name for name, _ in losses._parts(both)]


def test_losses_decide_nothing_and_the_caption_says_so(
    data: FigureData, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = losses.caption(data)
    assert "Checkpoints are chosen by the validation metric" in text and "test split takes" in text
    monkeypatch.setattr(losses, "NETWORKS", 1)
    monkeypatch.setattr(losses, "MOST", 1)
    text = losses.caption(data)
    assert (
        "those of the first seeds are drawn" in text and "networks, the first 1 are drawn" in text
    )
    with style.styled():
        assert len(losses.draw(data).axes) == 2


def test_histories_without_losses_have_no_figure(data: FigureData) -> None:
    bare = {
        cell: [{key: line[key] for key in ("examples", "valid_score")} for line in lines]
        for cell, lines in data.histories.items()
    }
    assert "No losses" in losses.lack(replace(data, histories=bare))
    assert losses.lack(data) == ""
