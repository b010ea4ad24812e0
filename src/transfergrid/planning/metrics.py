"""The metrics of a study: names resolved to declarations, which stamps and specifications hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.catalog.metrics import METRICS, Choice, Metric, Setting
from transfergrid.planning.fingerprint import modules_fingerprint, plugin_fingerprint
from transfergrid.planning.tasks import possible_kinds, task_kind
from transfergrid.runtime.errors import UserError, listed, suggest

Declaration = Mapping[str, Any]
"""`Metric` as a mapping, settings resolved, with ``code``, the fingerprint of its functions."""

_FUNCTIONS = ("function", "estimate", "interval", "operating_point")
_OURS = "transfergrid."


@dataclass(frozen=True)
class StudyMetrics:
    """The metrics of a study.

    Attributes:
        declarations: All that it uses, by name.
        primary: Name of each data set's primary metric, by data set.
        extra: Names of those that are computed beside, in the study's order.
    """

    declarations: Mapping[str, Declaration]
    primary: Mapping[str, str]
    extra: tuple[str, ...]

    def content(self) -> dict[str, Any]:
        """Return what stamps hold: ``metrics``, ``primary_metric`` by data set, ``extra_metrics``.

        The extra ones of a data set are those of ``extra_metrics`` that its kind of task has.
        """
        return {
            "metrics": dict(self.declarations),
            "primary_metric": dict(self.primary),
            "extra_metrics": list(self.extra),
        }


def study_metrics(config: Mapping[str, Any], source: str) -> StudyMetrics:
    """Resolve the metrics that a study names.

    Args:
        config: The validated study.
        source: How an error names it.

    Raises:
        UserError: A name is unknown, a setting out of range, or a metric is not defined for the
            kind of task that it is asked of.
    """
    _check_own(config, source)
    primary = {name: primary_metric(config, name, source)["name"] for name in config["datasets"]}
    extra = list(dict.fromkeys(config["evaluation"]["metrics"]))
    for name in extra:
        _check_extra(find_metric(config, name, f"{source}: evaluation.metrics"), config, source)
    asked = [q["metric"] for q in config["questions"] if q.get("metric")]
    names = dict.fromkeys([*primary.values(), *extra, *asked])
    found = {name: find_metric(config, name, source) for name in names}
    return StudyMetrics(found, primary, tuple(extra))


def primary_metric(config: Mapping[str, Any], dataset: str, source: str) -> Declaration:
    """Return the metric that checkpoints of a data set's cells are ranked by.

    Raises:
        UserError: It is unknown, or not defined for the data set's kind of task.
    """
    settings = config["datasets"][dataset]
    kinds = possible_kinds(settings)
    where = f"{source}: data set '{dataset}'"
    named = settings.get("metric")
    if named is None:
        defaults = {kind.metric for kind in kinds}
        if len(defaults) > 1:
            raise UserError(
                f"{where} may hold {listed([kind.name for kind in kinds])}, whose metrics differ; "
                "name its task_kind."
            )
        named = defaults.pop()
    found = find_metric(config, named, where)
    missing = [kind.name for kind in kinds if kind.name not in found["task_kinds"]]
    if missing and len(kinds) > 1:
        raise UserError(
            f"{where}: metric '{named}' is for {listed(found['task_kinds'])}, and what kind of "
            f"task the data set holds is known only when it is read; write its task_kind."
        )
    if missing:
        raise UserError(
            f"{where} is {missing[0]}, which has no metric '{named}'; choose one of "
            f"{listed(names_for(config, missing[0]))}."
        )
    if found.get("outlines"):
        raise UserError(
            f"{where}: metric '{named}' is of outlines, which training does not look for at every "
            "validation; rank checkpoints by another, such as dice, and name it in "
            "evaluation.metrics or in a question."
        )
    return found


def check_has(metric: Declaration, config: Mapping[str, Any], dataset: str, where: str) -> None:
    """Refuse a metric that no kind of task has which a data set may hold.

    Raises:
        UserError: The data set lacks it.
    """
    kinds = [kind.name for kind in possible_kinds(config["datasets"][dataset])]
    if not set(kinds) & set(metric["task_kinds"]):
        raise UserError(
            f"{where} asks for the metric '{metric['name']}', but data set '{dataset}' is "
            f"{listed(kinds)}, which has none of that name; choose one of "
            f"{listed(names_for(config, kinds[0]))}, or leave the data set out by its where."
        )


def built_in(name: str) -> Declaration:
    """Return the declaration of a built-in metric, settings at their defaults.

    Raises:
        UserError: There is none of that name.
    """
    metric = _built_in(name)
    if metric is None:
        raise UserError(f"there is no metric '{name}'{suggest(name, [m.name for m in METRICS])}.")
    return declare(metric)


def find_metric(config: Mapping[str, Any], name: str, where: str) -> Declaration:
    """Return the declaration of a metric that a study names.

    Raises:
        UserError: There is none of that name, or a setting of it is out of range.
    """
    own = config["metrics"].get(name)
    if own is None:
        built_in = _built_in(name)
        if built_in is None:
            known = [metric.name for metric in METRICS] + list(config["metrics"])
            raise UserError(
                f"{where}: there is no metric '{name}'{suggest(name, known)}; there are "
                f"{listed(known)}."
            )
        return declare(built_in)
    if "of" in own:
        return _variant(name, own, where)
    return _plugin(name, own, where)


def names_for(config: Mapping[str, Any], task_kind: str) -> list[str]:
    """Return the names of the metrics that a kind of task has."""
    found = [find_metric(config, name, "metrics") for name in config["metrics"]]
    found = [declare(metric) for metric in METRICS] + found
    return [metric["name"] for metric in found if task_kind in metric["task_kinds"]]


def declare(
    metric: Metric,
    name: str = "",
    title: str = "",
    settings: Mapping[str, float | str] | None = None,
) -> Declaration:
    """Return a built-in metric as a mapping, under another name or with other settings if given."""
    functions = {key: getattr(metric, key) for key in _FUNCTIONS}
    defaults: dict[str, float | str] = {one.name: one.default for one in metric.settings}
    resolved = defaults | dict(settings or {})
    # Where there is none, stamps are those of before.
    more = {"least_patients": metric.least_patients, "outlines": metric.outlines}
    return {
        "name": name or metric.name,
        "title": title or metric.title.format(**resolved),
        "task_kinds": list(metric.task_kinds),
        **functions,
        "higher_is_better": metric.higher_is_better,
        "range": _plain_range(metric.range),
        "no_skill": metric.no_skill,
        "roc_area": metric.roc_area,
        "per": metric.per,
        "settings": resolved,
        "note": metric.note.format(**resolved),
        "source": metric.source,
        "code": code_of(filter(None, functions.values())),
        **{key: value for key, value in more.items() if value},
    }


def trained_by(metric: Declaration) -> Declaration:
    """Return what a cell's specification holds of its metric: what ranks its checkpoints.

    Titles, notes and intervals are no part of a training.
    """
    used = "estimate" if metric["estimate"] else "function"
    functions = dict.fromkeys(("estimate", "function")) | {used: metric[used]}
    kept = ("name", "per", "higher_is_better", "settings", "operating_point")
    return {key: metric[key] for key in kept} | functions


def trained_code(metric: Declaration) -> str:
    """Return the fingerprint of the code behind `trained_by`."""
    return code_of(functions_of(trained_by(metric)))


def functions_of(metric: Declaration) -> list[str]:
    """Return the ``module:function`` of everything that a declaration names."""
    return [metric[key] for key in _FUNCTIONS if metric.get(key)]


def code_of(references: Iterable[str]) -> str:
    """Return the fingerprint of functions named ``module:function``, a study's own too."""
    ours, others = split_ours(references)
    return "-".join([modules_fingerprint(ours), *map(plugin_fingerprint, others)])


def split_ours(references: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the package's modules among some references, and references to other modules."""
    named = list(dict.fromkeys(references))
    ours = {reference.split(":")[0] for reference in named if reference.startswith(_OURS)}
    return sorted(ours), [reference for reference in named if not reference.startswith(_OURS)]


def _built_in(name: str) -> Metric | None:
    return next((metric for metric in METRICS if metric.name == name), None)


def _check_own(config: Mapping[str, Any], source: str) -> None:
    """Refuse a study's own metric that cannot be, whether or not anything uses it."""
    for name in config["metrics"]:
        if _built_in(name):
            raise UserError(
                f"{source}: metrics.{name} has the name of a built-in metric; call it otherwise."
            )
        find_metric(config, name, f"{source}: metrics.{name}")


def _check_extra(metric: Declaration, config: Mapping[str, Any], source: str) -> None:
    kinds = {k.name for settings in config["datasets"].values() for k in possible_kinds(settings)}
    if not kinds & set(metric["task_kinds"]):
        raise UserError(
            f"{source}: evaluation.metrics names '{metric['name']}', which is for "
            f"{listed(metric['task_kinds'])}, and every data set is {listed(sorted(kinds))}; "
            "leave it out."
        )


def _variant(name: str, own: Mapping[str, Any], where: str) -> Declaration:
    """Return a built-in metric with a study's settings."""
    metric = _built_in(own["of"])
    if metric is None:
        names = [metric.name for metric in METRICS]
        raise UserError(
            f"{where}: '{name}' is of '{own['of']}', which is no built-in metric"
            f"{suggest(own['of'], names)}."
        )
    settings = {key: value for key, value in own.items() if key not in ("of", "title")}
    known = {one.name: one for one in metric.settings}
    for key, value in settings.items():
        if key not in known:
            raise UserError(
                f"{where}: metric '{metric.name}' has no setting '{key}'; it has "
                f"{listed(known) if known else 'none'}."
            )
        if said := _refused(known[key], value):
            raise UserError(f"{where}: {key} of '{name}' is {_word(value)}; {said}.")
    return declare(metric, name, own.get("title", ""), settings)


def _refused(setting: Setting | Choice, value: float | str) -> str:
    """Return what a setting must be, or nothing if it is that."""
    if isinstance(setting, Choice):
        return "" if value in setting.allowed else f"allowed are {listed(setting.allowed)}"
    if not isinstance(value, str) and setting.above < value < setting.below:
        return ""
    return f"it must lie between {setting.above:g} and {setting.below:g}, both excluded"


def _word(value: float | str) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


def _plugin(name: str, own: Mapping[str, Any], where: str) -> Declaration:
    """Return a metric whose function is the study's own."""
    for kind in own["task_kinds"]:
        try:
            task_kind(kind)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    if own["per"] == "case" and own["operating_point"]:
        raise UserError(
            f"{where}: metric '{name}' is per case and has an operating_point, which is one for "
            "each task; leave it out, or write per: task."
        )
    functions = [own[key] for key in ("function", "operating_point") if own[key]]
    low, high = own["range"]
    if low is not None and high is not None and low >= high:
        raise UserError(
            f"{where}: the range of '{name}' goes from {low:g} to {high:g}; write its least value, "
            "then its greatest."
        )
    return {
        "name": name,
        "title": own["title"] or name,
        "task_kinds": list(own["task_kinds"]),
        "function": own["function"],
        "estimate": None,
        "interval": None,
        "operating_point": own["operating_point"],
        "higher_is_better": own["higher_is_better"],
        "range": [low, high],
        "no_skill": None,
        "roc_area": False,
        "per": own["per"],
        "settings": {},
        "note": "",
        "source": "",
        "code": code_of(functions),
    }


def _plain_range(bounds: tuple[float, float]) -> list[float | None]:
    return [bound if math.isfinite(bound) else None for bound in bounds]
