"""The methods in words, written from the configuration and the datasets' cards."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from transfergrid.catalog.conventions import CONVENTIONS
from transfergrid.catalog.derivation import told_of
from transfergrid.catalog.kinds import pretraining_kind
from transfergrid.catalog.questions import PLUGIN, QUESTION_KINDS, kind_of
from transfergrid.catalog.tasks import TASK_KIND
from transfergrid.evaluation.localisation import THRESHOLD
from transfergrid.planning.architectures import base_of
from transfergrid.planning.releases import known_releases
from transfergrid.planning.wanted import each
from transfergrid.reporting.page.elsewhere_rows import films_elsewhere
from transfergrid.reporting.page.fold_methods import divided, pooled
from transfergrid.reporting.page.metric_methods import scoring
from transfergrid.reporting.words import count, level, listing, percent, plural
from transfergrid.runtime.named import load

SPLITS = (("train", "training"), ("valid", "validation"), ("test", "test"))
RESIZE = {
    "crop": "shorter side resized, centre cropped",
    "pad": "longer side resized, black border",
    "stretch": "both sides resized",
}
UNCERTAIN = {
    "ignore": "uncertain training labels masked",
    "zeros": "uncertain training labels taken as negative",
    "ones": "uncertain training labels taken as positive",
    "smooth": "uncertain training labels drawn at random from a range, once for each image",
}


def paragraphs(
    study: Mapping[str, Any],
    cards: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame] | None = None,
    stored: Collection[str] = (),
) -> list[tuple[str, list[str]]]:
    """Return (heading, sentences) pairs that describe what was done.

    Args:
        study: The study's JSON.
        cards: Per dataset name its card.json.
        tables: The answers, by name.
        stored: The protocols of cells that were trained on stored features.
    """
    resolved = study["resolved"]
    used = list(dict.fromkeys(entry["dataset"] for entry in study["cells"]))
    settings = resolved.get("datasets", {})
    protocols = list(dict.fromkeys(entry["protocol"] for entry in study["cells"]))
    frozen = stored_features([name for name in protocols if name in stored])
    data = [dataset(name, settings.get(name, {}), cards.get(name, {})) for name in used]
    found = [
        ("Data", data + films_elsewhere((tables or {}).get("external"), settings)),
        *([("Folds", told)] if (told := pooled(study)) else []),
        ("Networks", networks(study, cards)),
        ("Initial weights", _pretrainings(study)),
        ("Training", [recipe(name, study["recipes"][name]) for name in protocols] + frozen),
        ("Checkpoints", selections(study["evaluation"])),
        ("Scores and intervals", scoring(study, cards)),
        ("Comparisons", comparisons(study, tables)),
    ]
    if resolved.get("cams") is not None:
        found.append(("Activation maps", activation_maps(resolved["cams"], study["evaluation"])))
    return found


def activation_maps(settings: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    """Describe how class activation maps were made and judged."""
    asked = {axis: map(str, each(v)) for axis, v in (settings.get("where") or {}).items()}
    where = ", ".join(f"{axis} {listing([*values])}" for axis, values in asked.items())
    tasks = settings.get("tasks")
    of = listing([str(task) for task in tasks]) if tasks else "the scored tasks"
    return [
        f"Maps were made of {where or 'every cell'}, for {of}, by the best checkpoint on the "
        "validation split. Where a network ends in average pooling and a linear layer, the map is "
        "exact: its last feature map weighted by that layer (CAM, Zhou et al. 2016); elsewhere "
        "the weights are gradients (Grad-CAM, Selvaraju et al. 2017).",
        "Where a data set knows a sign's region, the pointing game counts the films whose map "
        f"is highest inside it, and IoU is the region's overlap with the map's, by {THRESHOLD}. "
        "Both stand beside random maps of the same size, with "
        f"{level(evaluation['confidence'])} intervals by patient.",
    ]


def dataset(name: str, settings: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Describe one dataset."""
    if not card:
        return f"{name}: its card is not at hand; the configuration below says how it was read."
    folds = settings.get("folds")
    sizes = [f"{_size(card['splits'][key], card)} for {word}" for key, word in SPLITS]
    if folds:
        parts = card["splits"].values()
        whole = {key: sum(part[key] for part in parts) for key in ("images", "patients")}
        sizes = [f"{_size(whole, card)} in {folds['k']} folds"]
    number = len(card["tasks"])
    tasks = TASK_KIND[card["task_kind"]].told.format(number=number, tasks=plural(number, "task"))
    text = f"{name} ({card['kind']}): {listing(sizes)}; {tasks}"
    text += f"; images of {card['image_px']} × {card['image_px']} pixels"
    text += f" ({RESIZE.get(card['resize'], card['resize'])})"
    if settings.get("uncertain") in UNCERTAIN:
        text += f"; {UNCERTAIN[settings['uncertain']]}"
    if folds:
        return f"{text}. {divided(folds)}"
    text += (
        ". No patient is in two splits."
        if card["patients"] == "known"
        else ". Patients are unknown, so that one may be in two splits."
    )
    return text


def _size(part: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    text = f"{count(part['images'])} images"
    return text + (f" of {count(part['patients'])} patients" if card["patients"] == "known" else "")


def _follows(masked: Sequence[bool]) -> str:
    if masked and all(masked):
        return "a U-Net's decoder follows"
    return "global average pooling and one linear layer follow"


_DECODED = (
    "On films with masks, the network is a U-Net's encoder: its classifier gives way to a decoder "
    "that is drawn from the cell's seed and takes the maps of all of its layers. Where a recipe "
    "names no loss, masks are learned with the sum of a cross-entropy and Dice."
)
_OWN_DECODER = "Where a recipe names a decoder, that takes its place."


def networks(
    study: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """Describe architectures, truncation and seeds."""
    targets = [entry for entry in study["cells"] if entry["role"] == "target"]
    datasets = dict.fromkeys(entry["dataset"] for entry in targets) if cards else ()
    masked = [bool((cards or {}).get(name, {}).get("masks")) for name in datasets]
    names = list(dict.fromkeys(entry["architecture"] for entry in targets))
    cuts = sorted({entry["truncation"] for entry in targets})
    seeds = sorted({entry["seed"] for entry in targets})
    found = [f"{plural(len(names), 'architecture')}: {listing(names)}."]
    own = study["resolved"].get("architectures", {})
    found += [variant(name, own[name]) for name in names if "of" in own.get(name, {})]
    found += [slim(name) for name in names if name not in own and base_of(name)]
    if any(masked):
        other = any(recipe.get("decoder") for recipe in study.get("recipes", {}).values())
        found.append(f"{_DECODED} {_OWN_DECODER}" if other else _DECODED)
    if cuts != [0]:
        depths = listing([plural(cut, "block") for cut in cuts if cut])
        found.append(
            f"Truncation removes {depths} from the network's end; {_follows(masked)} what is left."
        )
    found.append(
        f"{plural(len(seeds), 'seed')} ({listing([str(seed) for seed in seeds])}), the same in all "
        "arms of a comparison: a seed sets initial weights and head, order of the data, "
        "augmentation and training subset."
    )
    return found


def variant(name: str, settings: Mapping[str, Any]) -> str:
    """Describe a network that differs from a known one in its options."""
    options = listing([f"{key} {value}" for key, value in settings["options"].items()])
    return f"{name} is {settings['of']} with {options}; all tensors have the same shapes."


def slim(name: str) -> str:
    """Describe a slim network."""
    base, whole = base_of(name) or ("", 0)
    first = "stem" if whole == 1 else f"first {whole} blocks, stem included,"
    return f"{name} has the {first} of {base}, and half the channels in all later blocks."


def _pretrainings(study: Mapping[str, Any]) -> list[str]:
    used = list(dict.fromkeys(e["pretraining"] for e in study["cells"] if e["role"] == "target"))
    settings = study["resolved"].get("pretrainings", {})
    return [pretraining(name, settings.get(name, {})) for name in used]


def pretraining(name: str, settings: Mapping[str, Any]) -> str:
    """Describe where initial weights come from."""
    kind = settings.get("kind", name)
    told = pretraining_kind(kind).told
    if told:
        derived = told_of(settings) if "derive" in settings else ""
        text = told.format(**settings, derived=derived)
        return f"{name}: {text}{_input(settings.get('input'))}"
    rest = {key: value for key, value in settings.items() if key not in ("kind", "input") and value}
    detail = ", ".join(f"{key} {value}" for key, value in rest.items() if not _nested(value))
    text = f"{name}: released weights ({kind}{', ' + detail if detail else ''}) with a new head."
    text += _release(settings.get("release"))
    return f"{text}{_input(settings.get('input'))} Intervals are conditional on this one release."


def _release(name: str | None) -> str:
    """Say what a listed release is, and what is not certain of it."""
    file = known_releases().get(name or "")
    if file is None:
        return ""
    open_points = file.uncertain(source for _, source in file.layouts)
    doubtful = f" Not certain: {'; '.join(open_points)}." if open_points else ""
    return f" {file.title}. Licence: {file.licence}.{doubtful}"


def _input(given: str | Mapping[str, Any] | None) -> str:
    if given is None:
        return ""
    if isinstance(given, str):
        told = next(one.told for one in CONVENTIONS if one.name == given)
        return f" Input ({given}): {told}."
    order = str(given.get("channel_order", "rgb")).upper()
    mean, std = (listing([f"{value:g}" for value in given[key]]) for key in ("mean", "std"))
    return f" Input: {order} from 0 to 1, minus {mean}, divided by {std}."


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def recipe(name: str, settings: Mapping[str, Any]) -> str:
    """Describe one protocol's complete recipe."""
    tune, phases = settings.get("tune"), settings["phases"]
    schedule = settings["schedule"].replace("_", " ")
    warm = settings.get("warmup_fraction")
    schedule += f", warm-up over {percent(warm, 0)} of the steps" if warm else ""
    images = _trained_on(settings)
    common = [
        f"weight decay {settings['weight_decay']:g}",
        f"batches of {count(settings['batch_size'])}",
        f"number format {settings['precision']}",
        augmentation(settings.get("augmentation", {})),
    ]
    if settings.get("loss"):
        common.append(f"loss {_loss(settings)}")
    if settings.get("decoder"):
        common.append(f"decoder {settings['decoder']}")
    if settings.get("redraw_uncertain"):
        common.append("uncertain labels drawn anew in each epoch")
    if len(phases) == 1:
        (only,) = phases
        rate = f"learning rate {_phase_rate(only)} ({schedule})"
        parts = [settings["optimizer"], rate, _budget(only, f" on {images}"), _learning(only)]
        text = ", ".join([*parts, *common])
    else:
        told = [
            f"({n}) {_learning(phase)}, learning rate {_phase_rate(phase)}, {_budget(phase)}"
            + (" in it" if phase["patience"] else "")
            for n, phase in enumerate(phases, 1)
        ]
        shared = [f"{settings['optimizer']} ({schedule}), begun afresh in each", f"on {images}"]
        text = f"{len(phases)} phases: {'; '.join(told)}; {', '.join([*shared, *common])}"
    return f"{name}: {text}.{f' {trials(tune, len(phases))}' if tune else ''}"


def _loss(settings: Mapping[str, Any]) -> str:
    names = {"bce": "binary cross-entropy", "cross_entropy": "cross-entropy", "dice": "Dice"}
    told = " and ".join(names[part] for part in settings["loss"].split("+"))
    dice = settings.get("dice") or {}
    more = [f"{key} {value}" for key, value in sorted(dice.items())]
    return f"{told} ({', '.join(more)})" if more else told


def _trained_on(settings: Mapping[str, Any]) -> str:
    if patients := settings.get("train_patients"):
        return f"the images of {count(patients)} training patients, drawn by the seed"
    if images := settings.get("train_count"):
        return f"{count(images)} training images"
    return f"{percent(settings['train_share'], 0)} of the training images"


def stored_features(protocols: list[str]) -> list[str]:
    """Say, if some protocols were trained on stored features, what that means."""
    if not protocols:
        return []
    return [
        f"In trainings by {listing(protocols)}, what the frozen layers make of each image was "
        "computed once and stored, and read in place of the image while they stayed frozen; their "
        "images per second are higher for it."
    ]


def _phase_rate(phase: Mapping[str, Any]) -> str:
    rate = phase["learning_rate"]
    return "by trials" if rate is None else f"{rate:g}"


def _learning(phase: Mapping[str, Any]) -> str:
    """Say what learns in a phase."""
    norms = {
        "frozen": " with frozen batch norms",
        "calibrate": " with batch norms calibrated on the training images",
    }
    return f"training {layers_in_words(phase['train_layers'])}{norms.get(phase['norms'], '')}"


def layers_in_words(train_layers: str) -> str:
    """Name the layers that learn: all, the head only, or the head and the last blocks."""
    names = {"all": "all layers", "head": "the head only"}
    number = train_layers.removeprefix("last_")
    blocks = "block" if number == "1" else f"{number} blocks"
    return names.get(train_layers, f"the head and the last {blocks}")


def _budget(phase: Mapping[str, Any], images: str = "") -> str:
    """Say when a phase ends."""
    patience, most = phase["patience"], phase["epochs"]
    if patience is None:
        return f"{_epochs(most)}{images}"
    budget = images.lstrip() if most is None else f"at most {_epochs(most)}{images}"
    waits = "a validation is" if patience == 1 else f"{patience} validations in a row are"
    return f"{budget}{', ' if budget else ''}until {waits} not the best so far"


def trials(settings: Mapping[str, Any], phases: int = 1) -> str:
    """Describe how the learning rate of a recipe of some phases was found."""
    each = "each" if phases == 1 else "for each phase"
    rates = [f"{rate:g}" for rate in settings["learning_rates"]]
    return (
        f"The learning rate is one of {listing(rates)}, tried by a training of "
        f"{_epochs(settings['epochs'])} {each}, the same for every data set, network, initial "
        "weights and truncation. The rate with the best score on "
        f"{percent(settings['holdout'], 0)} of the training patients, held out for the trials, is "
        f"taken by all seeds (trials have seed {settings['seed']}); neither the validation nor "
        "the test split takes part."
    )


def _epochs(number: float) -> str:
    return plural(number, "epoch") if float(number).is_integer() else f"{number:g} epochs"


def augmentation(settings: Mapping[str, Any]) -> str:
    """Describe the random changes of training images."""
    neutral = {"crop_scale_min": 1.0}
    used = [
        f"{key.replace('_', ' ')} {value:g}"
        for key, value in settings.items()
        if value != neutral.get(key, 0.0)
    ]
    return f"augmentation by {listing(used)}" if used else "no augmentation"


def selections(evaluation: Mapping[str, Any]) -> list[str]:
    """Describe which checkpoints make up a cell's prediction."""
    names = [f"{name}: {selection(name)}" for name in evaluation["selections"]]
    return [
        f"{'; '.join(names)}. The answers, figures and the leaderboard use "
        f"{evaluation['primary']}, fixed in advance; the others are a sensitivity analysis that "
        "feeds no answer. Test labels take no part in any choice."
    ]


def selection(name: str) -> str:
    """Describe one selection rule."""
    if name == "last":
        return "the last checkpoint"
    if name == "best":
        return "the checkpoint with the best validation score"
    found = re.fullmatch(r"top(\d+)(_per_task)?", name)
    if found is None:
        return name
    by = "each task's own" if found[2] else "the mean"
    return f"mean probability of the {found[1]} checkpoints that are best by {by} validation score"


def comparisons(
    study: Mapping[str, Any], tables: Mapping[str, pd.DataFrame] | None = None
) -> list[str]:
    """Describe how each kind of question that the study asks is answered.

    Args:
        study: The study's JSON.
        tables: The answers, by name.
    """
    kinds = dict.fromkeys(kind_of(question).name for question in study["questions"])
    found = []
    for kind in (*QUESTION_KINDS, PLUGIN):
        if kind.name in kinds:
            rows = (tables or {}).get(kind.table, pd.DataFrame())
            found += load(f"{kind.tell}:method")(rows)
    if study["resolved"].get("claims"):
        found.append(
            "The rule that decides on a published claim was fixed before the study was run; it "
            "stands beside the verdict."
        )
    return found or ["This study asks no question beyond the table."]
