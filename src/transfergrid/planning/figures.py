"""A study's own figures: named in its YAML, drawn by its own code."""

from __future__ import annotations

from typing import Any

from transfergrid.catalog.figures import FIGURES
from transfergrid.planning.fingerprint import plugin_fingerprint
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError


def own_figures(study: Study) -> dict[str, dict[str, Any]]:
    """Return a study's own figures by name: the function that draws each, and its fingerprint.

    Raises:
        UserError: One has the name of a built-in figure, or its module or function does not exist.
    """
    own = study.config["figures"]
    for figure in FIGURES:
        if figure.name in own:
            raise UserError(
                f"{study.source}: figures has '{figure.name}', which is a built-in figure; give "
                "yours another name."
            )
    return {
        name: {"function": function, "code": plugin_fingerprint(function)}
        for name, function in own.items()
    }
