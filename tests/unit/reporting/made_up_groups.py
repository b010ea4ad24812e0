"""Rows of the tables of groups, as one study would have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

VALUES = {"F": 0.9, "M": 0.78, "unknown": 0.85}
PLACE = {"dataset": "films", "truncation": 0, "protocol": "finetune", "selection": "best"}


def subgroups() -> pd.DataFrame:
    """Two networks of two pretrainings, by sex and by age, of which the young have no value."""
    rows = []
    for pretraining, lift in (("random", 0.0), ("imagenet", 0.05)):
        for number, architecture in enumerate(("resnet18", "lcnet_050")):
            same = {**PLACE, "architecture": architecture, "pretraining": pretraining}
            for cell in ("one", np.nan):
                for task in (np.nan, "nodule"):
                    for column, values in (
                        ("sex", VALUES),
                        ("age", {"under 40": np.nan, "40 and over": 0.8}),
                    ):
                        rows += [
                            {
                                **same,
                                "cell": cell,
                                "metric": "auroc",
                                "task": task,
                                "column": column,
                                "group": group,
                                "n": 40,
                                "n_pos": 9,
                                "n_patients": 30,
                                "value": value + lift + 0.01 * number,
                                "low": value + lift - 0.1,
                                "high": value + lift + 0.05,
                                "flags": "",
                            }
                            for group, value in values.items()
                        ]
    return pd.DataFrame(rows)


def gaps(p: float = 0.01) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for pretraining, adjusted in (("random", 0.4), ("imagenet", p)):
        same = {**PLACE, "architecture": "resnet18", "pretraining": pretraining, "metric": "auroc"}
        told = {"a": "F", "b": "M", "difference": 0.12, "low": 0.02, "high": 0.22}
        sex = {"column": "sex", "comparison": "largest against smallest", "p_adjusted": adjusted}
        rows += [{**same, **told, **sex, "task": task} for task in (np.nan, "nodule")]
        age = {"column": "age", "comparison": "largest against smallest", "p_adjusted": np.nan}
        rows.append({**same, **age, "task": np.nan, "difference": np.nan})
    return pd.DataFrame(rows)


def shortcuts(shortcut: float = 0.7, low: float = 0.6, network: float = 0.75) -> pd.DataFrame:
    rows = []
    for pretraining in ("random", "imagenet"):
        for task in (np.nan, "nodule"):
            for column, lift in (("sex", -0.2), ("view", 0.0)):
                rows.append(
                    {
                        **PLACE,
                        "architecture": "resnet18",
                        "pretraining": pretraining,
                        "task": task,
                        "column": column,
                        "shortcut": shortcut + lift,
                        "shortcut_low": low + lift,
                        "shortcut_high": shortcut + lift + 0.1,
                        "network": network + 0.1 * (pretraining == "imagenet"),
                        "low": 0.01,
                    }
                )
    return pd.DataFrame(rows)
