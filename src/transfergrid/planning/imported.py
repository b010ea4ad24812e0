"""The workflow as a module of another one, which hands it its `config`.

Snakemake runs no handlers of a module, knows no folder of its own, and merges what ``configfile:``,
``--configfile`` and ``--config`` say into the one `config` that the importing workflow hands on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import PROJECT, RULES
from transfergrid.planning.plan import Plan, plan_run, plan_studies
from transfergrid.planning.study import study_of, typed
from transfergrid.runtime.errors import UserError

STUDIES = "studies"
"""The one key of `config` that names study files instead of being a study's own."""


@dataclass(frozen=True)
class Handed:
    """What a workflow that imports this one hands on.

    Attributes:
        config: After ``config:``; None without it.
        files: The files that Snakemake has read for its own `config`.
        command_line: Those of ``--configfile``.
        overrides: The settings of ``--config``.
        whole: Whether `config` is Snakemake's own, and not a part of it or another mapping.
    """

    config: Mapping[str, Any] | None
    files: Sequence[str | Path]
    command_line: Sequence[str | Path]
    overrides: Mapping[str, Any]
    whole: bool

    @property
    def source(self) -> Path:
        """The file that the study was read from, or what stands for it in sentences."""
        return Path(self.files[-1]) if self.whole and self.files else Path("config")


def plan_imported(handed: Handed) -> Plan:
    """Plan what a workflow that imports this one asks for.

    Its `config` is a study, or has the key ``studies`` with files of studies, as on a command line.

    Raises:
        UserError: There is no config, two files were merged into it, or any fault of a study.
    """
    config = handed.config
    if config is None:
        raise UserError(
            "the module statement that imports TransferGrid has no config; write config: config "
            "into it, and configfile: above it."
        )
    if STUDIES in handed.overrides and config.get(STUDIES) == handed.overrides[STUDIES]:
        return plan_run([], handed.overrides)
    if STUDIES in config:
        return plan_run([], config)
    _check_merged(handed)
    return plan_studies([study_of(_retyped(config, handed.overrides), handed.source)])


def _check_merged(handed: Handed) -> None:
    files = list(dict.fromkeys(Path(file).resolve() for file in handed.files))
    if handed.whole and handed.command_line and len(files) > 1:
        names = " and ".join(str(file) for file in files)
        raise UserError(
            f"Snakemake has merged {names} into one study; write the study into the first, or name "
            "study files with --config studies=a.yaml,b.yaml."
        )


def _retyped(given: Any, told: Any) -> Any:
    """Return a part of a config, plain, with what a command line said about it as numbers again."""
    if isinstance(given, Mapping):
        told = told if isinstance(told, Mapping) else {}
        return {key: _retyped(value, told.get(key)) for key, value in given.items()}
    plain = list(given) if isinstance(given, tuple) else given
    return typed(plain) if plain == told else plain


def check_rules(read: Callable[[str], str]) -> None:
    """Check that a workflow's rules are those of this package, whose programs they run.

    Args:
        read: Returns the text of a file of the workflow's folder of rules.

    Raises:
        UserError: They differ.
    """
    for path in sorted(RULES.glob("*.smk")):
        try:
            text = read(path.name)
        except Exception:  # what is raised depends on where Snakemake reads from
            text = ""
        if text != path.read_text(encoding="utf-8"):
            raise UserError(
                f"{path.name} of this workflow is not that of the package transfergrid in "
                f"{PROJECT}; install the package from the same version or commit as the workflow."
            )


def also_on(workflow: Any, event: str, action: Callable[[], None]) -> None:
    """Have something done at an event of Snakemake's besides what the importing workflow does.

    Snakemake ignores the handlers of a module. A workflow that imports this one keeps its own,
    whether it registers it before or after.

    Args:
        workflow: Snakemake's.
        event: ``onstart``, ``onerror`` or ``onsuccess``.
        action: What to do first; of several imports, that of the first counts.
    """
    slot, register = f"_{event}", getattr(workflow, event)

    def wrap() -> None:
        own = getattr(workflow, slot)
        if getattr(own, "also", False):
            return

        def both(log: Any) -> None:
            action()
            own(log)

        both.also = True  # type: ignore[attr-defined]
        setattr(workflow, slot, both)

    def registered(handler: Callable[[Any], None]) -> None:
        register(handler)
        wrap()

    wrap()
    setattr(workflow, event, registered)
