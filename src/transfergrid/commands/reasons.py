"""Why a cell is stale, in words: what its specification says now and said before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from transfergrid.commands.memory import modified
from transfergrid.commands.reason_words import MISSING, Flat, flat, shown, words
from transfergrid.planning.cells import Cell
from transfergrid.planning.fingerprint import cell_modules
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.plan import Plan
from transfergrid.planning.recipe import Phase, Recipe
from transfergrid.planning.records import RECORD
from transfergrid.planning.schema import study_schema
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import listed

CODE = {
    "prepare": "data code",
    "weights": "weights code",
    "train": "training code",
    "features": "code that computes features",
    "task": "code of its kind of task",
    "metric": "code of its metric",
}
"""What the code of a cell's stages is called."""
# Follow from other parts of a specification, or name the cell.
_DERIVED = {
    "cell",
    "code",
    "dataset.id",
    "features",
    "metric",
    "tuning",
    "weights.id",
    "weights.source_cell",
}
_TUNE = "recipe.tune"
MOST_MODULES = 3


class Reasons:
    """Finds why cells of a plan are not the ones on disk."""

    def __init__(self, plan: Plan, results: Path = RESULTS) -> None:
        self.plan, self.results = plan, results
        self._specs: dict[str, dict[str, Any] | None] = {}

    def of(self, cell: Cell, predecessors: tuple[str, ...]) -> tuple[str, ...]:
        """Return phrases that tell a cell from the nearest of its predecessors.

        Args:
            cell: A planned cell.
            predecessors: Cells on disk at the same place on the axes.
        """
        new = json.loads(cell.spec)
        choices = []
        for name in predecessors:
            old = self._on_disk(name)
            if old is None:
                continue
            with suppress(KeyError, TypeError, AttributeError):  # it is not a full specification
                changed = tuple(dict.fromkeys(self._phrases(old, new, name)))
                choices.append((len(changed), -self._time(name), changed))
        if not choices:
            return ("its earlier spec.json cannot be read",)
        return min(choices)[2] or ("its specification changed",)

    def _on_disk(self, name: str) -> dict[str, Any] | None:
        if name not in self._specs:
            folder = cell_directory(name, self.results)
            self._specs[name] = read_json_or_none(folder / "spec.json")
        return self._specs[name]

    def _time(self, name: str) -> int:
        return modified(cell_directory(name, self.results) / RECORD) or 0

    def _phrases(self, old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[str]:
        yield from setting_phrases(old, new)
        yield from _metric_phrases(old.get("metric"), new["metric"])
        yield from self._code_phrases(old, new, name)
        yield from _tuning_phrases(old, new)
        yield from self._source_phrases(old, new)

    def _code_phrases(
        self, old: Mapping[str, Any], new: Mapping[str, Any], name: str
    ) -> Iterator[str]:
        then, now = old.get("code", {}), new["code"]
        stages = [s for s in CODE if then.get(s) != now.get(s) and then.get(s) and now.get(s)]
        if old.get("metric") != new["metric"]:
            stages = [stage for stage in stages if stage != "metric"]
        if not stages:
            return
        record = read_json_or_none(cell_directory(name, self.results) / "train.json") or {}
        modules = (record.get("environment") or {}).get("modules") or {}
        current = _current_modules(new["dataset"]["kind"])
        for stage in stages:
            files = _changed_files(modules.get(stage), current.get(stage, {}))
            yield f"{CODE[stage]} changed" + (f": {files}" if files else "")

    def _source_phrases(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        then, now = old["weights"].get("source_cell"), new["weights"]["source_cell"]
        if then == now or not then or not now:
            return
        before, after = self._on_disk(then), self.plan.cells.get(now)
        if before is None or after is None:
            yield "the cell that it starts from changed"
            return
        source = json.loads(after.spec)
        # What changed here as well (the training code, say) is reported once.
        own = set(self._code_phrases(old, new, then)) | set(setting_phrases(old, new))
        for phrase in self._phrases(before, source, then):
            if phrase not in own:
                yield phrase if phrase.startswith("source: ") else f"source: {phrase}"


def _metric_phrases(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the primary metric differs; an earlier format had none to name."""
    if not then or then == now:
        return
    if then["name"] != now["name"]:
        yield f"metric {then['name']} → {now['name']}"
    elif changed := [k for k, v in now["settings"].items() if then["settings"].get(k) != v]:
        pairs = [(key, then["settings"].get(key), now["settings"][key]) for key in changed]
        told = [f"{key} {shown(old)} → {shown(new)}" for key, old, new in pairs]
        yield f"metric {now['name']}: {', '.join(told)}"
    else:
        yield f"metric {now['name']} is another one now"


def _tuning_phrases(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    then, now = old.get("tuning") or {}, new.get("tuning") or {}
    if then.get("trials") == now.get("trials") and then.get("id") != now.get("id"):
        yield "the code that chooses a learning rate changed"


def read_json_or_none(path: Path) -> dict[str, Any] | None:
    """Return the mapping in a JSON file, or None if it is missing, broken or something else."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@cache
def _current_modules(kind: str) -> Mapping[str, Mapping[str, str]]:
    return cell_modules(kind)


def _changed_files(then: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    """Name a stage's modules that differ; empty if they were not recorded."""
    if not then:
        return ""
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    files = ["the rule's command" if n == "command" else file_of(n) for n in changed]
    return listed(files, MOST_MODULES)


def file_of(module: str) -> str:
    """Return a module's file as found under src/transfergrid; a program's path is given in full."""
    if "/" in module:
        return module
    return module.removeprefix("transfergrid.").replace(".", "/") + ".py"


def setting_phrases(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield a phrase for each setting that differs between two specifications."""
    rooms = [room for room in new if old.get(room, MISSING) != new[room]]
    then = _flat_rooms({room: old[room] for room in rooms if room in old})
    now = _flat_rooms({room: new[room] for room in rooms})
    # A setting that an earlier format lacked has its default; what changed is the code.
    usual = _defaults(new.get("dataset", {}).get("kind", ""))
    before, after = {**usual, **then}, {**usual, **now}
    changed = [key for key in {**then, **now} if before.get(key) != after.get(key)]
    dataset, pretraining = new["cell"]["dataset"], new["cell"]["pretraining"]
    network = new["cell"]["architecture"]
    tables = [key for key in changed if key.startswith("dataset.tables")]
    if tables:
        yield table_phrase(dataset, tables)
    hashes = then.get("weights.sha256"), now.get("weights.sha256")
    if all(hashes) and hashes[0] != hashes[1]:
        yield f"weight file of pretraining {pretraining} changed"
    if _tuned(then) != _tuned(now):
        rates = shown((now if _tuned(now) else then)[f"{_TUNE}.learning_rates"])
        yield f"learning rate {'tuned over' if _tuned(now) else 'given, not tuned over'} {rates}"
        # The rate of a phase that trials find is none, as long as they have not.
        found = {k for k in changed if k.endswith("learning_rate") and None in (then[k], now[k])}
        changed = [k for k in changed if not k.startswith(_TUNE) and k not in found]
    if "recipe.phases" in changed:
        changed = [key for key in changed if not _of_a_phase(key)]
    for key in changed:
        room, _, setting = key.partition(".")
        if key in _DERIVED or room in _DERIVED or key in tables or key == "weights.sha256":
            continue
        if key == "architecture.input_px" and "dataset.image_px" in changed:
            continue
        change = f"{setting or room} {shown(before.get(key))} → {shown(after.get(key))}"
        if room == "recipe":
            yield words(change)
        elif key == "dataset.dicom":
            yield f"data set {dataset}: {_dicom_phrase(before.get(key), after.get(key))}"
        elif key == "dataset.nifti_code":
            # Where one of the two has none, the setting itself tells of it.
            if before.get(key) and after.get(key):
                yield f"data set {dataset}: the code that reads NIfTI changed"
        elif room == "dataset":
            yield f"data set {dataset}: {words(change)}"
        elif room == "weights":
            plugin = setting in ("code", "derive.code")
            yield f"pretraining {pretraining}: {'its code changed' if plugin else words(change)}"
        elif room == "architecture":
            plugin = setting == "code"
            yield f"network {network}: {'its code changed' if plugin else words(change)}"
        else:
            yield words(change)


def _dicom_phrase(then: object, now: object) -> str:
    """Say what changed where a specification has the code that reads DICOM, or none."""
    if then and now:
        return "the code that reads DICOM changed"
    return "files may be DICOM" if now else "files may not be DICOM any more"


@cache
def _defaults(kind: str) -> Flat:
    """Return the defaults of a recipe and of a data set kind, as in a specification."""
    properties = study_schema()["$defs"].get(kind, {}).get("properties", {})
    dataset = {key: part["default"] for key, part in properties.items() if "default" in part}
    return _flat_rooms({"recipe": Recipe().to_dict(), "dataset": dataset})


def _flat_rooms(rooms: Mapping[str, Any]) -> Flat:
    """Return the leaves of a specification's parts; a recipe's single phase is not numbered."""
    if "recipe" not in rooms:
        return flat(rooms)
    recipe = Recipe.from_dict(rooms["recipe"]).to_dict()
    phases = recipe.pop("phases")
    one = len(phases) == 1
    parts = phases[0] if one else {f"phase_{n}": phase for n, phase in enumerate(phases, 1)}
    return flat({**rooms, "recipe": {**recipe, "phases": len(phases), **parts}})


def _of_a_phase(key: str) -> bool:
    setting = key.removeprefix("recipe.")
    return setting.startswith("phase_") or setting in {field.name for field in fields(Phase)}


def _tuned(settings: Flat) -> bool:
    return f"{_TUNE}.learning_rates" in settings


def table_phrase(dataset: str, keys: list[str]) -> str:
    """Say what changed in a data set's content, from the keys of its hashed tables."""
    members = [key.removeprefix("dataset.tables").lstrip(".") for key in keys]
    images = [name for name in members if name.endswith("_images.npy")]
    what = "images" if images and len(images) == len(members) else "labels"
    files = [name for name in members if name and not name.endswith(".npy")]
    return f"{what} of data set {dataset} changed" + (f": {listed(files, 3)}" if files else "")
