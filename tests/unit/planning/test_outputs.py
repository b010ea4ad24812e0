from __future__ import annotations

from pathlib import Path

from unit.commands import made_up_results as made

from transfergrid.planning.outputs import (
    EXPENDABLE,
    Files,
    Made,
    is_expendable,
    told_lost,
    wanted_files,
)

GO = (
    "index.html",
    ".index.lock",
    "cache/films-0123abcd/train.npy",
    "weights/net-x-0123abcd/init.safetensors",
    "features/films-net-x-drop0-pooled-0123abcd/train.npy",
    "activations/films-net-x-drop0-final-0123abcd/stem.npy",
    "weighings/films-net-x-drop0-drift-0123abcd/filters.npz",
    "cells/a/resume.pt",
    "cells/a/finished.json",
    "cells/a/ahead/note.json",
    "cells/a/receipts/train.json",
    "cells/a/checkpoints/step-00000001.safetensors",
    "cells/a/.lock",
    "cells/a/.ahead.lock",
    "cells/a/logs/train.log",
    "small/logs/figures.log",
    "stamps/logs/x.log",
    "small/snapshot/report.html",
)
STAY = (
    "cells/a/spec.json",
    "cells/a/train.json",
    "cells/a/card.json",
    "cells/a/proof.json",
    "cells/a/history.jsonl",
    "cells/a/receipts/evaluate.json",
    "cells/a/scores/test.npz",
    "tuning/a/tuning.json",
    "small/ensemble/a/best/valid.parquet",
    "small/figures/score.svg",
    "small/receipts/train.json",
    "small/report.html",
    "stamps/small.cells.0123abcd",
    "small/gathered.json",
)


def test_what_may_go_is_pinned() -> None:
    assert len(EXPENDABLE) == 13
    assert all(map(is_expendable, GO)) and not any(map(is_expendable, STAY))


def test_a_lost_file_is_told_with_its_mend(tmp_path: Path) -> None:
    def told(rule: str, name: str) -> str:
        (line,) = told_lost(Files((), ((name, Made(rule, "a", name)),)).lost, tmp_path)
        return line

    copy = "lost and restored from the copy that training left: cells/a/card.json"
    assert told("restore", "cells/a/card.json") == copy
    freed = "lost and trained and scored again, because their weights were freed: "
    for rule in ("evaluate", "train", "spec"):
        assert told(rule, "x") == freed + "x"
    receipt = tmp_path / "cells" / "a" / "receipts" / "train.json"
    receipt.parent.mkdir(parents=True)
    receipt.touch()
    assert told("evaluate", "x") == (
        f"lost and not made again before you remove {receipt}: the weights are gone: x"
    )
    assert told("train", "x") == freed + "x"
    (tmp_path / "cells" / "a" / "checkpoints").mkdir()
    assert told("evaluate", "x") == "lost and scored again: x"
    assert told("train", "x").startswith("lost and made again, without training, if finished")
    assert told("figures", "x") == "lost and made again: x"


def test_what_another_cell_s_job_has_trained_is_not_lost(tmp_path: Path) -> None:
    plan = made.plan(tmp_path, made.TUNED)
    names = list(plan.cells)[:2]
    for name in names:
        (tmp_path / "cells" / name).mkdir(parents=True)
        (tmp_path / "cells" / name / "finished.json").touch()
    (tmp_path / "cells" / names[0] / ".ahead.lock").touch()
    lost = [entry.about for _, entry in wanted_files(plan, tmp_path).lost]
    assert lost == [names[1]]
