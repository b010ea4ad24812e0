"""Which cells a process may train after its own, in which order."""

from __future__ import annotations

from pathlib import Path

from unit.training.tiny import make_spec

from transfergrid.planning.listed import Listed, write_neighbours
from transfergrid.planning.naming import cell_name
from transfergrid.planning.neighbours import read_neighbours


def test_lists_hold_the_cells_of_the_latest_plan(tmp_path: Path) -> None:
    specs = [make_spec(seed=seed) for seed in range(20)]
    names = [cell_name(spec) for spec in specs]
    assert read_neighbours(specs[0], tmp_path) == []
    one, other = (Listed(data, studies=("demo",)) for data in ("tiny-0", "shapes-0"))
    write_neighbours({**dict.fromkeys(names, one), "other": other}, tmp_path)
    orders = [read_neighbours(spec, tmp_path) for spec in specs]
    assert [{*order, name} for order, name in zip(orders, names, strict=True)] == [{*names}] * 20
    assert all(len(order) == 19 for order in orders)
    # Each process has an order of its own, so that two seldom want the same, and none the next.
    assert len({order[0] for order in orders}) > 8
    assert sum(b == o[0] for o, b in zip(orders, names[1:] + names[:1], strict=True)) < 6
    # A cell that has left the study is trained by nobody, and trains nobody.
    write_neighbours(dict.fromkeys(names[:3], one), tmp_path)
    assert sorted(read_neighbours(specs[1], tmp_path)) == [names[0], names[2]]
    assert read_neighbours(specs[3], tmp_path) == []
    write_neighbours({}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for damaged in ("[", "[[1]]", "7", '["ab"]'):
        (tmp_path / "untrained.tiny-0.json").write_text(damaged)
        assert read_neighbours(specs[1], tmp_path) == []


def test_a_job_that_others_wait_for_goes_on_only_with_what_the_same_wait_for(
    tmp_path: Path,
) -> None:
    specs = [make_spec(seed=seed) for seed in range(7)]
    names = [cell_name(spec) for spec in specs]
    starts = [("t-1",), ("t-1", "t-2"), ("t-2",), (names[3],), (), (), ()]
    studies = [*[("a",)] * 4, ("a", "b"), ("b",), ("c",)]
    cells = zip(names, starts, studies, strict=True)
    write_neighbours({name: Listed("tiny-0", *rest) for name, *rest in cells}, tmp_path)
    found = [sorted(names.index(n) for n in read_neighbours(spec, tmp_path)) for spec in specs]
    trials = [[1], [0, 2], [1]]
    assert found == [*trials, [], [0, 1, 2, 3, 5], [4], []]
