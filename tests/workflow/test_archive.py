"""A finished study as an archive that repositories take, and in the forms of other tools."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image
from tests.workflow.conftest import Workspace

import transfergrid
from transfergrid.commands import archive
from transfergrid.commands.archiving import parts
from transfergrid.commands.archiving.ids import Names
from transfergrid.commands.archiving.models import seal_again
from transfergrid.commands.archiving.parts import without_pictures
from transfergrid.commands.main import main
from transfergrid.data.phantom import NOTE
from transfergrid.data.store import open_split
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.scores import read_scores
from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed

pytestmark = pytest.mark.slow

VALIDATORS = PROJECT / "build" / "validators"
HERE = PROJECT / "tests" / "validators"
installed = pytest.mark.skipif(
    not (VALIDATORS / "installed").exists(), reason="no validators: `make validators` installs them"
)


def words(study: Workspace) -> list[str]:
    return [str(study.folder / "study.yaml"), "--directory", str(study.folder)]


@pytest.fixture(scope="module")
def cell(finished: Workspace) -> str:
    (found,) = (finished.folder / "results" / "cells").glob("films-lcnet_050-random-drop0-*")
    return found.name


@pytest.fixture(scope="module")
def archived(finished: Workspace, cell: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study's archive, as if its drawn films were real ones and its remark named one."""
    place = tmp_path_factory.mktemp("archive") / "made"
    options = ["--output", str(place), "--release", cell, "--licence", "CC-BY-4.0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "drawn_sets", lambda study: [])
        patch.setattr(parts, "DRAWN", "")
        who = ["--creator", "Doe, Jane", "--creator", "A group"]
        assert main(["archive", *words(finished), *options, *who]) == 0
    return place


def judged(place: Path, cache: Path) -> dict[str, Any]:
    program = [
        VALIDATORS / "bin" / "python",
        HERE / "judge.py",
        place,
        HERE / "context.json",
        cache,
    ]
    done = subprocess.run(
        [str(word) for word in program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@installed
def test_validators_take_it_and_refuse_a_broken_one(archived: Path, tmp_path: Path) -> None:
    found = judged(archived, tmp_path / "cache")
    assert all(one["passed"] for one in found.values()), found
    assert found["crate"]["issues"] == [] and found["crate"]["checks"]["total_checks"] >= 50
    assert {"cells", "scores", "contrasts"} <= set(found["croissant"]["sets"])
    broken = tmp_path / "broken"
    (broken / "workflow").mkdir(parents=True)
    shutil.copy(archived / "workflow" / "Snakefile", broken / "workflow")
    crate = json.loads((archived / "ro-crate-metadata.json").read_text())
    for entity in crate["@graph"]:
        if entity["@id"] == "#run":
            del entity["instrument"]
        if entity["@id"] == "./":
            entity["hasPart"] = [{"@id": "workflow/Snakefile"}]
    (broken / "ro-crate-metadata.json").write_text(json.dumps(crate))
    told = judged(broken, tmp_path / "second")["crate"]
    assert not told["passed"] and "instrument" in json.dumps(told["issues"])


def test_every_part_is_described_and_described_parts_are_there(archived: Path) -> None:
    graph = json.loads((archived / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    parts = {part["@id"] for part in entities["./"]["hasPart"]}
    there = {path.name + "/" * path.is_dir() for path in archived.iterdir()}
    inside = (archived / "workflow").iterdir()
    there |= {f"workflow/{path.name}" + "/" * path.is_dir() for path in inside}
    assert parts == there - {"workflow/", "ro-crate-metadata.json"} and parts <= entities.keys()
    referred = set(re.findall(r'\{"@id": "(#[^"]+)"\}', json.dumps(graph)))
    assert referred == {name for name in entities if name.startswith("#")}
    told = json.loads((archived / "croissant.json").read_text())
    for file in told["distribution"]:
        assert sha256_file(archived / file["contentUrl"]) == file["sha256"]
    for records in told["recordSet"]:
        header = list(pd.read_csv(archived / "tables" / f"{records['name']}.csv", nrows=0))
        assert [field["name"] for field in records["field"]] == header
    terms = json.loads((HERE / "context.json").read_text())["@context"].keys()
    used = {key for entity in graph for key in entity if not key.startswith("@")}
    assert used <= terms
    lock = (PROJECT / "envs" / "requirements.lock").read_text().splitlines()
    bill = json.loads((archived / "workflow" / "sbom.cdx.json").read_text())
    assert len(bill["components"]) == sum("==" in line and line[0] != "#" for line in lock)


def test_its_workflow_is_read_by_snakemake_and_finds_all_done(
    archived: Path, finished: Workspace
) -> None:
    command = finished.command("--dry-run")
    place = command["args"].index("--snakefile") + 1
    command["args"][place] = str(archived / "workflow" / "Snakefile")
    done = subprocess.run(**command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_run_took_the_study_when_its_jobs_say(archived: Path, finished: Workspace) -> None:
    graph = json.loads((archived / "ro-crate-metadata.json").read_text())["@graph"]
    (run,) = (entity for entity in graph if entity["@id"] == "#run")
    logs = (finished.folder / "results").glob("cells/*/logs/progress.jsonl")
    times = [json.loads(line)["time"] for log in logs for line in log.read_text().splitlines()]
    for key, time in (("startTime", min(times)), ("endTime", max(times))):
        assert datetime.fromisoformat(run[key]).timestamp() == int(time)
    assert {part["@id"] for part in run["object"]} == {"study.yaml", "workflow/requirements.lock"}
    made = {part["@id"] for part in run["result"]}
    assert {"report.html", "tables/", "cells/"} <= made and "resolved.json" not in made


def test_no_film_and_no_name_of_one_is_in_it(archived: Path, finished: Workspace) -> None:
    results, hidden = finished.folder / "results", set()
    for scored in results.glob("cells/*/scores/*.npz"):
        scores = read_scores(scored)
        for ids in (scores.image_id, scores.study_id, scores.patient_id):
            hidden |= set(ids.tolist())
    assert len(hidden) > 100
    for path in archived.rglob("*"):
        if path.is_file() and path.suffix not in (".safetensors", ".parquet", ".npz"):
            text = path.read_text(encoding="utf-8")
            assert hidden.isdisjoint(re.findall(r"[\w./-]*\w", text)), path
            assert NOTE not in text, path
            assert "data:image/png" not in text and "data:image/jpeg" not in text, path
    endings = {path.suffix for path in archived.rglob("*") if path.is_file()}
    assert endings.isdisjoint({".npy", ".png", ".jpg", ".pdf", ".pt"})
    assert not (archived / "cams").exists()


def test_numbers_are_those_of_the_study_under_other_names(
    archived: Path, finished: Workspace, cell: str
) -> None:
    results = finished.folder / "results"
    shown: dict[str, str] = {}
    for split in ("valid", "test"):
        old = read_scores(results / "cells" / cell / "scores" / f"{split}.npz")
        new = read_scores(archived / "cells" / cell / "scores" / f"{split}.npz")
        assert np.array_equal(old.logits, new.logits)
        table = read_ensemble(archived / "ensembles" / cell / "best" / f"{split}.parquet")
        place = results / "small" / "ensemble" / cell / "best" / f"{split}.parquet"
        assert np.array_equal(table.probabilities, read_ensemble(place).probabilities)
        shown |= dict(zip(old.patient_id.tolist(), new.patient_id.tolist(), strict=True))
        assert set(table.patient_id) == set(new.patient_id)
    assert len(set(shown.values())) == len(shown)  # nobody is two, no two are one
    with open(archived / "splits" / "films.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    (cache,) = (results / "cache").glob("films-*")
    assert len(rows) == sum(len(open_split(cache, s).images) for s in ("train", "valid", "test"))
    assert set(shown.values()) == {r["patient_id"] for r in rows if r["split"] != "train"}
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in rows)
    for name in ("cells", "scores", "contrasts"):
        file = f"tables/{name}.csv"
        assert (archived / file).read_bytes() == (results / "small" / file).read_bytes()


def test_a_released_cell_can_be_loaded_and_its_card_says_how_good_it_is(
    archived: Path, finished: Workspace, cell: str, tmp_path: Path
) -> None:
    results = finished.folder / "results"
    loaded = transfergrid.load_cell(archived / "models" / cell)
    first = transfergrid.load_cell(results / "cells" / cell)
    film = tmp_path / "film.png"
    Image.fromarray(np.full((40, 50), 90, np.uint8)).save(film)
    assert np.array_equal(loaded.predict([film]), first.predict([film]))
    (remark,) = loaded.card.notes
    assert loaded.about == first.about.replace(NOTE, remark) and NOTE in first.about
    assert "In study 'small' it was tested on 50" in loaded.about and "left out" in remark
    with pytest.raises(UserError, match="tested with selection 'best', not 'last'"):
        transfergrid.load_cell(archived / "models" / cell, selection="last")
    card = ModelCard.load(archived / "models" / cell / "README.md")
    (result,) = card.data.eval_results
    row = read_table(results / "small" / "tables" / "cells.csv").query("cell == @cell").iloc[0]
    assert result.metric_value == row["score"] and result.metric_type == "auroc"
    assert f"({row['score_low']:.3f} to {row['score_high']:.3f})" in result.metric_name
    assert card.data.model_name == cell and "It is no medical device." in card.text


def test_it_can_be_cited_and_says_its_terms(archived: Path) -> None:
    citation = yaml.safe_load((archived / "CITATION.cff").read_text())
    assert citation["authors"] == [
        {"family-names": "Doe", "given-names": "Jane"},
        {"name": "A group"},
    ]
    zenodo = json.loads((archived / ".zenodo.json").read_text())
    assert zenodo["license"] == "cc-by-4.0" and len(zenodo["creators"]) == 2
    terms = (archived / "LICENCES.md").read_text()
    assert "CC-BY-4.0" in terms and "data set 'films' (phantom)" in terms
    assert "films, textures have new names" in (archived / "README.md").read_text()


def test_what_would_go_wrong_is_refused(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "note.txt").touch()
    for options, told in (
        (["--output", str(place)], "mine exists; remove it"),
        (["--release", "nothing"], "--release names 'nothing', which is no cell of study 'small'"),
        (["--ids", "nothing"], "--ids names 'nothing', which is no data set here: films, textures"),
    ):
        assert main(["archive", *words(finished), *options]) == 1
        assert told in capsys.readouterr().err
    assert (place / "note.txt").exists()
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(finished.folder / "study.yaml", new)
    where = [str(new / "study.yaml"), "--directory", str(new)]
    for command in (["archive", *where], ["export", *where, "--to", "csv"]):
        assert main(command) == 1
        assert "study 'small' is not finished" in capsys.readouterr().err


def test_tables_of_an_older_study_file_are_not_given_away(
    finished: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edited.yaml"
    study = yaml.safe_load((finished.folder / "study.yaml").read_text())
    path.write_text(yaml.safe_dump({**study, "questions": study["questions"][:1]}))
    where = [str(path), "--directory", str(finished.folder), "--output", str(tmp_path / "new")]
    for command in (["archive", *where], ["export", *where, "--to", "csv"]):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert "what study 'small' has made is not of its file as it is now (" in told
    assert not (tmp_path / "new").exists()


def test_drawn_films_keep_their_names_and_a_zip_holds_the_same(
    finished: Workspace, tmp_path: Path
) -> None:
    place = tmp_path / "small.zip"
    assert main(["archive", *words(finished), "--output", str(place)]) == 0
    with zipfile.ZipFile(place) as file:
        names = file.namelist()
        rows = file.read("splits/films.csv").decode().splitlines()
    assert {"ro-crate-metadata.json", ".zenodo.json", "report.html"} <= set(names)
    assert "CheXpert" in rows[1] or "patient" in rows[1]
    assert not any(name.startswith("models/") for name in names)


def test_pictures_of_pixels_are_taken_out_and_drawings_stay() -> None:
    film, drawn = "data:image/jpeg;base64,/9j/4A+Q==", "data:image/svg+xml;base64,PHN2"
    page = f'<img src="{film}"><i style="background:url({film})"></i><img src="{drawn}">'
    without = '<img src="data:,"><i style="background:url(data:,)"></i>'
    assert without_pictures(page) == f'{without}<img src="{drawn}">'


def test_a_copied_cell_is_sealed_again_and_its_names_are_new(tmp_path: Path) -> None:
    names = Names(told=False)
    new = names.of("patient", ["hospital-77/a.png", "123456", "p1", "hospital-77/a.png"])
    assert new[0] == new[3] and len(set(new.tolist())) == 3
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "train.json").write_text(json.dumps({"files": {"card.json": "old"}}))
    seal_again(tmp_path)
    files = read_sealed(tmp_path / "train.json")["files"]
    assert files == {"card.json": sha256_file(tmp_path / "card.json")}
    assert Names(told=True).of("patient", ["a", "b"]).tolist() == ["a", "b"]


def test_tables_figures_and_trainings_in_other_forms(
    finished: Workspace, tmp_path: Path, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, results = tmp_path / "out", finished.folder / "results"
    forms = ["latex", "markdown", "pdf", "png", "csv"]
    assert main(["export", *words(finished), "--output", str(out), "--to", *forms]) == 0
    drawn = {path.stem for path in (results / "small" / "figures").glob("*.svg")}
    for form, start in (("pdf", b"%PDF"), ("png", b"\x89PNG")):
        files = {path.stem: path.read_bytes() for path in (out / form).iterdir()}
        assert files.keys() == drawn and all(data.startswith(start) for data in files.values())
    assert Image.open(out / "png" / "score.png").size[0] == 1680  # 5.6 inches of 300 dots
    contrasts = read_table(results / "small" / "tables" / "contrasts.csv")
    short = (out / "markdown" / "short_contrasts.md").read_text().splitlines()
    assert len(short) == 2 + len(contrasts) and contrasts["contrast"][0] in short[2]
    latex = (out / "latex" / "cells.tex").read_text()
    assert latex.count("\\\\\n") == 9 and "lcnet\\_050" in latex and "\\toprule" in latex
    history = read_table(out / "csv" / "history.csv")
    lines = (results / "cells" / cell / "history.jsonl").read_text().splitlines()
    own = history[history["cell"] == cell]
    assert own["valid_score"].tolist() == [json.loads(line)["valid_score"] for line in lines]
    runs = read_table(out / "csv" / "runs.csv").set_index("cell")
    scores = read_table(results / "small" / "tables" / "cells.csv").set_index("cell")
    assert runs.loc[cell, "test.best.auroc"] == scores.loc[cell, "score"].iloc[0]
    assert runs.loc[cell, "recipe.phases.0.learning_rate"] == 1e-3
    assert main(["export", *words(finished), "--output", str(out), "--to", "csv"]) == 1
    assert "exists; remove it" in capsys.readouterr().err
    more = tmp_path / "more"
    (more / "csv").mkdir(parents=True)
    options = ["--output", str(more), "--to", "markdown", "csv"]
    assert main(["export", *words(finished), *options]) == 1
    assert not (more / "markdown").exists()  # nothing is written before all can be


@pytest.mark.parametrize("form", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named(
    finished: Workspace, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        assert main(["export", *words(finished), "--to", "csv", form]) == 1
    assert f"pip install {form}, or export to csv" in capsys.readouterr().err
    assert not (finished.folder / "results" / "small" / "export").exists()


@pytest.fixture()
def with_validators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find packages of the validators' environment behind those of the project's own."""
    (site,) = (VALIDATORS / "lib").glob("python*/site-packages")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])


@installed
@pytest.mark.usefixtures("with_validators")
def test_tensorboard_reads_the_course_of_a_training(
    finished: Workspace, tmp_path: Path, cell: str
) -> None:
    out = ["--output", str(tmp_path / "out")]
    assert main(["export", *words(finished), *out, "--to", "tensorboard"]) == 0
    from importlib import import_module

    reader = import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(tmp_path / "out" / "tensorboard" / cell)).Reload()
    lines = (finished.folder / "results" / "cells" / cell / "history.jsonl").read_text()
    want = [json.loads(line) for line in lines.splitlines()]
    found = [(event.step, event.value) for event in events.Scalars("valid_score")]
    assert [step for step, _ in found] == [line["step"] for line in want]
    assert [value for _, value in found] == pytest.approx([line["valid_score"] for line in want])


@installed
@pytest.mark.usefixtures("with_validators")
def test_mlflow_reads_settings_and_scores(finished: Workspace, tmp_path: Path, cell: str) -> None:
    out = tmp_path / "out"
    assert main(["export", *words(finished), "--output", str(out), "--to", "mlflow"]) == 0
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 5 and runs[cell].data.params["architecture"] == "lcnet_050"
    scores = read_table(finished.folder / "results" / "small" / "tables" / "cells.csv")
    want = scores[scores["cell"] == cell]["score"].iloc[0]
    assert runs[cell].data.metrics["test.best.auroc"] == want
