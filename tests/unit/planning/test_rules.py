from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE, STAGES
from transfergrid.planning import fingerprint
from transfergrid.planning.outputs import is_expendable
from transfergrid.planning.paths import PROJECT, RULES, SCRIPTS
from transfergrid.planning.rules import (
    _directive,
    command_parts,
    normal_command,
    programs,
    shell_command,
)
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize("path", sorted(RULES.glob("*.smk")), ids=lambda path: path.stem)
def test_commands_are_those_that_snakemake_reads(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--print-compilation", "--snakefile", path],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = {}
    for block in re.split(r"^@workflow\.rule\(", done.stdout, flags=re.M)[1:]:
        name = re.match(r"name='(\w+)'", block)
        command = re.search(r"@workflow\.shellcmd \((.*?)\n\)", block, flags=re.S)
        assert name and command
        found[name[1]] = ast.literal_eval(f"({command[1]})")
    assert {rule: shell_command(rule) for rule in found} == found
    assert len(found) == path.read_text().count("\nrule ")


NOT_MEASURED = {"spec", "restore", "figure"}
"""Stages that only bring back what others made."""


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_a_job_takes_is_measured_where_the_table_of_costs_looks(stage: Stage) -> None:
    text = _directive(stage.written, "benchmark", RULES)
    if stage.name in NOT_MEASURED:
        assert not text
        return
    assert eval(text.strip(), {"STAGE_OF_TABLES": stage}) == f"results/{stage.benchmark}"
    # A log may go, and what stands beside it as well; neither is part of a stage's code.
    assert is_expendable(stage.benchmark)
    assert "tsv" not in "".join(command_parts(stage.written))


SMK = """
rule other:
    output: "a"
    shell: "echo other"


rule train:
    # shell: "echo comment"
    params:
        note="shell: no",
    shell:
        "echo"  # why
        ' train {params.note:q}'
"""


def test_only_the_command_of_the_rule_counts(tmp_path: Path) -> None:
    (tmp_path / "a.smk").write_text(SMK)
    assert shell_command("train", tmp_path) == "echo train {params.note:q}"
    assert shell_command("other", tmp_path) == "echo other"
    with pytest.raises(UserError, match=r"rule tables is missing"):
        shell_command("tables", tmp_path)


def test_a_rule_without_a_plain_command_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.smk").write_text("rule train:\n    shell: COMMAND\n")
    with pytest.raises(UserError, match=r"rule train of .* has no command"):
        shell_command("train", tmp_path)


def test_the_commands_of_cells_are_pinned() -> None:
    # A change here renames and retrains every cell of every user.
    assert shell_command("train") == (
        'python "$TRANSFERGRID"/train.py --spec {input.spec:q} --gpus {resources.gpu}'
        " --device $TRANSFERGRID_DEVICE --threads {threads} > {log:q} 2>&1"
    )
    assert shell_command("prepare") == (
        'python "$TRANSFERGRID"/prepare.py --id {wildcards.dataset_id:q}'
        " --notes {params.notes:q} --threads {threads} > {log:q} 2>&1"
    )
    assert shell_command("weights") == (
        'python "$TRANSFERGRID"/weights.py --id {wildcards.weights_id:q}'
        " --notes {params.notes:q} > {log:q} 2>&1"
    )


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES if stage.code])
def test_an_edited_command_is_edited_code(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.stage_fingerprint(stage)
    rule = STAGE[stage].written
    real = fingerprint.command_parts
    monkeypatch.setattr(
        fingerprint, "command_parts", lambda name: real(name) + ["more"] * (name == rule)
    )
    fingerprint._fingerprint.cache_clear()
    try:
        assert fingerprint.stage_fingerprint(stage) != before
        other = "train" if stage != "train" else "evaluate"
        fingerprint.stage_fingerprint(other)
    finally:
        fingerprint._fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("command", "same"),
    [
        ("python  x.py\t--a   1 ", "python x.py --a 1"),
        (" python x.py \n  --a 1\n", "python x.py\n--a 1"),
        ("echo 'a  b'  \"c  'd\"", "echo 'a  b' \"c  'd\""),
        ('echo "a \\"  b"   c', 'echo "a \\"  b" c'),
        ("echo a\\  b", "echo a\\  b"),
        ("echo 'never  closed", "echo 'never closed"),
    ],
)
def test_blanks_outside_quotes_do_not_count(command: str, same: str) -> None:
    assert normal_command(command) == same


# Words of a shell: plain, quoted with blanks inside, escaped.
WORD = st.sampled_from(["python", "--a=1", "'b  c'", '"d  e"', "f\\ g", '"\\" h"', ">", "x\\'y"])
BLANK = st.sampled_from([" ", "  ", "\t", " \t "])


@given(st.lists(st.tuples(WORD, BLANK), min_size=1), BLANK)
def test_a_command_means_what_it_meant(words: list[tuple[str, str]], before: str) -> None:
    written = before + "".join(word + blank for word, blank in words)
    assert normal_command(written) == " ".join(word for word, _ in words)
    assert shlex.split(normal_command(written)) == shlex.split(written)
    assert normal_command(normal_command(written)) == normal_command(written)


def test_parameters_are_part_of_a_command_and_threads_are_not(tmp_path: Path) -> None:
    def parts(old: str, new: str) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        assert old in SMK
        (folder / "a.smk").write_text(SMK.replace(old, new))
        return command_parts("train", folder)

    base = parts("", "")
    assert parts('note="shell: no",', 'note = "shell: no",  # why') == base
    assert parts("    params:", "    threads: 8\n    params:") == base
    assert parts("' train {", "'  train   {") == base
    assert parts("shell: no", "shell: yes") != base
    assert parts("' train", "' train --more") != base


def test_programs_are_read_from_commands(tmp_path: Path) -> None:
    run = {path.name for path in SCRIPTS.glob("*.py")}
    rules = [name for path in RULES.glob("*.smk") for name in rule_names(path)]
    found = {rule: programs(rule) for rule in rules if rule != "spec"}
    assert {name for names in found.values() for name in names} <= run
    assert found["train"] == ["train.py"]
    assert found["figures"] == found["figure"] == ["draw_figures.py"]
    assert programs("analyses") == ["analyse.py"]
    with pytest.raises(UserError, match="command of rule spec runs no program"):
        programs("spec")


def rule_names(path: Path) -> list[str]:
    return re.findall(r"^rule (\w+):", path.read_text(), flags=re.M)


def test_a_cells_modules_are_named() -> None:
    modules = fingerprint.cell_modules("phantom")
    assert set(modules) == {"prepare", "weights", "train"}
    assert {"command", "training.loop"} <= set(modules["train"])
    assert {"data.phantom", "data.cache"} <= set(modules["prepare"])
    assert all(re.fullmatch("[0-9a-f]{8}", d) for part in modules.values() for d in part.values())
