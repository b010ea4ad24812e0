"""DeLong's covariance of 16 models on 14 tasks, N = 25,596, against two packages.

confidenceinterval has the same algorithm (Sun and Xu) for the whole covariance of one task.
MLstatkit compares two models per call; it is timed on two of the 120 pairs of a task and scaled,
and its time for the 8 calls that give every model a variance once stands beside it. The packages
rank in single (confidenceinterval) and double precision. Before anything is timed, AUROCs and
covariances are compared with confidenceinterval's, and the variance of a difference with
MLstatkit's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from common import alternate, heading, parse, peer, row, seconds, table

from transfergrid.metrics.influence import delong_covariance

MODELS, TASKS, STUDIES = 16, 14, 25_596


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    models, tasks, studies = (3, 1, 500) if arguments.quick else (MODELS, TASKS, STUDIES)
    rng = np.random.default_rng(0)
    heading("DeLong", f"{models} models, {tasks} tasks, N = {studies}; runs: {arguments.runs}.")
    labels = (rng.random((tasks, studies)) < 0.25).astype(np.float64)
    scores = rng.normal(size=(tasks, models, studies)) + 0.8 * labels[:, None]

    def ours() -> list[tuple[np.ndarray, np.ndarray]]:
        return [delong_covariance(s, y) for s, y in zip(scores, labels, strict=True)]

    calls, scales = {"delong_covariance": ours}, {"delong_covariance": 1.0}
    interval, statkit = peer("confidenceinterval.delong"), peer("MLstatkit")
    if interval:

        def fast() -> list[tuple[np.ndarray, np.ndarray]]:
            found = []
            for s, y in zip(scores, labels, strict=True):
                order = np.argsort(-y, kind="stable")
                found.append(interval.fastDeLong_no_weights(s[:, order], int(y.sum())))
            return found

        for mine, other in zip(ours(), fast(), strict=True):
            np.testing.assert_allclose(mine[0], other[0], atol=1e-4)
            np.testing.assert_allclose(mine[1], other[1], rtol=1e-3, atol=1e-8)
        calls["confidenceinterval"], scales["confidenceinterval"] = fast, 1.0
    if statkit:

        def pairs() -> list[np.ndarray]:
            return [
                statkit.Delong_test(labels[0], scores[0, 0], scores[0, other]) for other in (1, 2)
            ]

        covariance = ours()[0][1]
        difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        np.testing.assert_allclose(pairs()[0][-1]["var_diff"], difference, rtol=1e-9)
        calls["MLstatkit, all pairs"] = pairs
        scales["MLstatkit, all pairs"] = tasks * models * (models - 1) / 2 / 2
    times = alternate({n: partial(seconds, call) for n, call in calls.items()}, arguments.runs)
    seconds_of = {name: time * scales[name] for name, time in times.items()}
    if statkit:
        once = times["MLstatkit, all pairs"] * tasks * models / 2 / 2
        seconds_of["MLstatkit, each model once"] = once
    table(("what", "s", "ratio"))
    for name, time in seconds_of.items():
        row(name, time, time / seconds_of["delong_covariance"])


if __name__ == "__main__":
    main()
