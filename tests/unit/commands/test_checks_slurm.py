from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from transfergrid.commands.checks_slurm import GRES, MANAGED, MODEL, check_slurm
from transfergrid.commands.slurm_cluster import gpu_models, minutes_of, partitions
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError

# Part of the lock; it looks for programs when it is imported, so before PATH is changed.
UTILS, VALIDATION = (
    import_module(f"snakemake_executor_plugin_slurm.{name}") for name in ("utils", "validation")
)
SINFO = """\
main*|up|infinite|64000|(null)
gpu|up|2-00:00:00|256000+|gpu:a100:4(S:0-1)
gpu|up|2-00:00:00|512000|gpu:h100:8(S:0-1),gpu:h100_nvl:2
odd|up|12:00:00|256000|gpu:nvidia-a40:2
"""
AGE = "MaxArraySize = 1001\nMinJobAge               = 300 sec\n"
DISABLED = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


class Asked(dict[str, Any]):
    """Resources of a job, by key and by attribute, as the plug-in reads them."""

    __getattr__ = dict.__getitem__


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A cluster of fake programs, alone on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(sinfo: str = SINFO, sacct: str = DISABLED, config: str = AGE) -> None:
        scripts = {
            "sinfo": f"/bin/cat <<'X'\n{sinfo}X\n",
            "sacct": sacct,
            "scontrol": f"/bin/cat <<'X'\n{config}X\n",
            **dict.fromkeys(("sbatch", "srun", "squeue", "scancel"), "exit 0"),
        }
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    install()
    return install


@pytest.fixture
def profile(tmp_path: Path):
    """Write a profile like the project's, with changes."""

    def write(**changed: Any) -> Path:
        settings = {"executor": "slurm", "slurm-status-command": "squeue", "retries": 2}
        train = {"runtime": 720, "slurm_partition": "'gpu'"}
        for rule in ("features", "evaluate", "cams", "pictures", "activations", "reset"):
            settings.setdefault("set-resources", {})[rule] = {"slurm_partition": "'gpu'"}
        for rule in ("outlines", "external"):
            settings["set-resources"][rule] = {"slurm_partition": "'gpu'"}
        settings["set-resources"]["train"] = train | changed.pop("train", {})
        (tmp_path / "profile.yaml").write_text(yaml.safe_dump(settings | changed))
        return tmp_path

    return write


def faults(place: Path, device: str = "auto") -> list[tuple[str, str, str, str]]:
    found = check_slurm(place, device)
    return [(r.level, r.what, r.told, r.mend) for r in found if r.level != "ok"]


def test_a_profile_that_fits_its_cluster_has_no_fault(cluster, profile) -> None:
    assert faults(profile()) == []
    told = [remark.told for remark in check_slurm(profile(), "auto")]
    assert (
        "gpu, at most 2880 minutes, nodes of up to 512000 MB, GPUs: a100, h100, h100_nvl." in told
    )
    assert "main, the default, nodes of up to 64000 MB, no GPU." in told


@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [
        ("gpu_model", "'a100'", False),
        ("gpu_model", "'h100_nvl'", False),
        ("gpu_model", "'nvidia-a40'", True),
        ("gpu_model", "nvidia-a40", True),
        ("gres", "'gpu:1'", False),
        ("gres", "'gpu:a100:1'", False),
        ("gres", "'gpu:nvidia-a40:1'", True),
    ],
)
def test_names_are_refused_as_the_plugin_refuses_them(
    cluster, profile, key: str, value: str, refused: bool
) -> None:
    plain = value.strip("'")
    try:
        UTILS.set_gres_string(SimpleNamespace(resources=Asked({key: plain, "gpu": 1})))
    except Exception as error:
        assert type(error).__name__ == "WorkflowError" and refused
    else:
        assert not refused
    assert bool((MODEL if key == "gpu_model" else GRES).fullmatch(plain)) is not refused
    said = faults(profile(train={key: value}))
    if not refused:
        assert said == []
        return
    ((level, _, told, mend),) = said
    assert level == "error"
    assert told.startswith(f"train: {key} is {plain}, which the plug-in refuses: ")
    assert "--gpus-per-node=nvidia-a40:1" in mend


def test_what_is_to_be_written_instead_is_taken_by_the_plugin(cluster, profile) -> None:
    instead = "--signal=TERM@120 --gpus-per-node=nvidia-a40:1"
    job = SimpleNamespace(resources=SimpleNamespace(slurm_extra=instead))
    VALIDATION.validate_slurm_extra(job)  # raises if not
    odd = {"slurm_partition": "odd", "gpu": 0, "slurm_extra": f"'{instead}'"}
    assert faults(profile(train={**odd, "runtime": 600}, retries=0)) == []


@pytest.mark.parametrize("option", ["--gpus=a100:1", "--gres=gpu:1", "--mem=4G", "--time 10"])
def test_options_of_the_plugin_are_refused_as_it_refuses_them(cluster, profile, option) -> None:
    job = SimpleNamespace(resources=SimpleNamespace(slurm_extra=option))
    with pytest.raises(Exception, match="not allowed in the 'slurm_extra'"):
        VALIDATION.validate_slurm_extra(job)
    assert MANAGED.search(option)
    ((level, what, told, _),) = faults(profile(train={"slurm_extra": f"'{option}'"}))
    assert (level, what) == ("error", "slurm_extra")
    assert "which the plug-in sets itself" in told


def test_a_time_over_the_limit_is_told_with_the_attempt(cluster, profile) -> None:
    ((level, what, told, mend),) = faults(profile(train={"runtime": "1000 * attempt"}))
    assert (level, what) == ("warning", "time")
    assert told.startswith("train: 3000 minutes at attempt 3, and partition gpu has 2880 at most")
    assert mend.startswith("set-resources: train: runtime: 2880")
    ((level, _, told, _),) = faults(profile(train={"runtime": "3d"}))
    assert level == "error" and told.startswith("train: 4320 minutes, and partition gpu")


def test_memory_that_no_node_has(cluster, profile) -> None:
    ((level, what, told, _),) = faults(profile(train={"mem_mb": 600_000}))
    assert (level, what) == ("error", "memory")
    assert told.startswith("train: 600000 MB, and partition gpu has 512000 at most")


@pytest.mark.parametrize(
    ("train", "level", "said"),
    [
        ({"mem_mb": "8GB"}, "error", "train: mem_mb is 8GB, and Snakemake wants a number of MB"),
        ({"mem_mb": 16}, "error", "train: mem_mb is 16, which is MB"),
        ({"runtime": "12:00:00"}, "error", "train: runtime is 12:00:00, which Snakemake does not"),
        ({"runtime": 4}, "warning", "train: runtime is 4, which is minutes"),
    ],
)
def test_units_that_are_mistaken(cluster, profile, train, level, said) -> None:
    ((found, _, told, _),) = faults(profile(train=train))
    assert found == level
    assert told.startswith(said)


def test_a_partition_that_is_not_there_or_closed(cluster, profile) -> None:
    ((level, what, told, mend),) = faults(profile(train={"slurm_partition": "gqu"}))
    assert (level, what, told) == ("error", "partition", "train: partition gqu is not there.")
    assert mend == "slurm_partition: one of main, gpu, odd (did you mean 'gpu'?)"
    cluster(sinfo=SINFO.replace("gpu|up", "gpu|down").replace("main*", "main"))
    told = [told for _, _, told, _ in faults(profile())]
    assert any("partition gpu takes no jobs" in one and "train" in one for one in told)
    assert any("no partition is the default" in one and "prepare" in one for one in told)


def test_gpus_are_looked_for_only_if_the_study_wants_some(cluster, profile) -> None:
    place = profile(train={"slurm_partition": "main"})
    ((level, _, told, _),) = faults(place, "cuda")
    assert level == "error"
    assert told.startswith("train: partition main has no GPU")
    assert faults(place, "cpu") == []
    ((_, _, told, _),) = faults(profile(train={"gpu_model": "a40"}))
    assert told == "train: partition gpu has no a40, but a100, h100, h100_nvl."


def test_how_jobs_are_watched(cluster, profile) -> None:
    sacct = {"slurm-status-command": "sacct"}
    ((level, what, told, mend),) = faults(profile(**sacct))
    assert (level, what) == ("error", "status")
    assert "would wait for ever: sacct fails: Slurm accounting storage is disabled." in told
    assert mend == "slurm-status-command: squeue"
    ((level, _, told, _),) = faults(profile(**{"slurm-status-command": None}))
    assert level == "warning" and told.startswith("slurm-status-command is not set")
    cluster(sacct="exit 0")
    assert faults(profile(**sacct)) == []
    cluster(config="MinJobAge               = 60 sec\n")
    ((level, _, told, _),) = faults(profile())
    assert level == "warning" and told.startswith("squeue forgets a job 60 s after its end")


def test_the_profile_is_checked_where_there_is_no_slurm(profile, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    place = profile(train={"gpu_model": "nvidia-a40"}, executor="local")
    told = [told for _, _, told, _ in faults(place)]
    assert told[0].endswith("has no executor: slurm, so its jobs would run on this machine.")
    assert told[1].startswith("train: gpu_model is nvidia-a40")
    assert told[2].startswith("this machine lacks sbatch, srun, ")
    assert len(told) == 3


def test_a_silent_controller_is_one_sentence(cluster, profile) -> None:
    cluster(sinfo=SINFO)
    (Path(profile()) / "bin" / "sinfo").write_text(
        "#!/bin/sh\necho 'Unable to contact' >&2; exit 1\n"
    )
    with pytest.raises(UserError, match="^sinfo fails: Unable to contact.$"):
        list(check_slurm(profile(), "auto"))


def test_the_projects_profile_is_sound(cluster) -> None:
    cluster(sinfo="main*|up|infinite|64000|gpu:2\n")
    assert faults(PROJECT / "profiles" / "slurm") == []


def test_limits_and_models_in_slurms_words(cluster) -> None:
    told = {"30": 0.5, "30:00": 30, "4:00:00": 240, "2-12:30:00": 3630, "infinite": math.inf}
    assert {text: minutes_of(text) for text in told} == told
    assert gpu_models("gpu:a100:4(S:0-1),gpu:2,shard:8") == {"a100", ""}
    assert gpu_models("gpu:a100") == {"a100"}
    assert gpu_models("(null)") == frozenset()
    assert partitions()["gpu"].gpus == {"a100", "h100", "h100_nvl"}
