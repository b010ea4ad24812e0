"""Weights that are derived from others, tensor by tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from unit.models.test_initial import CELL, LCNET, source_cell, spec

from transfergrid.models.derived import derived
from transfergrid.models.derived_statistics import fill, variance_like
from transfergrid.models.initial import initial_model, is_drawn
from transfergrid.models.parts import Parts
from transfergrid.models.pretraining import write_weights
from transfergrid.models.redrawn import drawn_like, redrawn
from transfergrid.models.truncation import blocks_of
from transfergrid.models.zoo import build, head_keys, shapes
from transfergrid.planning.architectures import known_architectures
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded

State = dict[str, Tensor]
ID = "lcnet_050-own-01234567"
# One network of each family, and of each way to find blocks.
FAMILIES = [
    "densenet121",
    "efficientnet_b0",
    "inception_v3",
    "lcnet_050",
    "mnasnet_100",
    "mobilenetv2_100",
    "mobilenetv3_small_050",
    "resnet18",
    *(
        name
        for name, known in known_architectures().items()
        if known.family == "CBR" and not known.base
    ),
]


def entry(name: str) -> dict[str, Any]:
    known = known_architectures()[name]
    record = known.record(64)
    return {key: value for key, value in record.items() if key != "input_px"}


def flat(model: nn.Module, seed: int) -> State:
    """A value of its own for each of a network's tensors: large ones are made quickly."""
    return {
        name: torch.full(tensor.shape, seeded(seed, name) % 10**6, dtype=tensor.dtype)
        for name, tensor in model.state_dict().items()
    }


def made_up(model: nn.Module, seed: int) -> State:
    """Values for a network's tensors that are drawn; no variance is negative."""
    state = {}
    for name, tensor in model.state_dict().items():
        generator = torch.Generator().manual_seed(seeded(seed, name))
        values = torch.randn(tensor.shape, generator=generator)
        values = values.abs() if name.endswith("running_var") else values
        state[name] = (values * 100).long() if not tensor.is_floating_point() else values
    return state


def drawn(name: str, make: Callable[[nn.Module, int], State]) -> tuple[nn.Module, State]:
    """A network with made-up weights, without its own slow start, and those of a source."""
    with torch.device("meta"):
        model = build(entry(name), 2, 0, seed=0)
    model.to_empty(device="cpu")
    model.load_state_dict(make(model, 1))
    return model, make(model, 2)


def result(model: nn.Module, source: State, **steps: Any) -> tuple[State, dict[str, str]]:
    values, origins = derived(model, source, steps, seed=4)
    before = model.state_dict()
    assert list(origins) == list(before)
    return {**before, **values}, origins


@pytest.mark.parametrize("name", FAMILIES)
def test_every_prefix_is_the_sources_and_the_rest_as_it_was_drawn(name: str) -> None:
    model, source = drawn(name, flat)
    random, head = model.state_dict(), set(head_keys(model))
    blocks = blocks_of(model)
    last: set[str] = set()
    for k in range(len(blocks) + 1):
        state, origins = result(model, source, through=k)
        kept = {key for key, origin in origins.items() if origin == "source"}
        assert kept >= last and not kept & head
        assert all(torch.equal(state[key], source[key]) for key in kept)
        assert all(torch.equal(state[key], random[key]) for key in state if key not in kept)
        parameters = {id(p) for block in blocks[:k] for m in block for p in m.parameters()}
        named = {key for key, p in model.named_parameters() if id(p) in parameters}
        assert named == kept & {key for key, _ in model.named_parameters()}
        assert (k == 0) == (not kept)
        last = kept
    assert last == set(random) - head  # all of the blocks are everything but the head
    state, origins = result(model, source, through="all")
    assert {key for key, origin in origins.items() if origin == "source"} == last
    with pytest.raises(UserError, match=f"has {len(blocks)} blocks here, stem included"):
        derived(model, source, {"through": len(blocks) + 1}, seed=4)


@pytest.mark.parametrize("name", ["lcnet_050", "densenet121"])
def test_other_norms_beside_drawn_weights(name: str) -> None:
    model, source = drawn(name, made_up)
    head = set(head_keys(model))
    body = {key: tensor for key, tensor in source.items() if key not in head}
    usual = redrawn(model, body, 4)
    norms = {
        f"{path}.{key}"
        for path, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for key in module.state_dict()
    }
    for value in ("identity", "keep", "statistics"):
        state, origins = result(model, source, statistics=value)
        # What no norm has is drawn as with kind `statistics`, bit for bit.
        assert all(torch.equal(state[key], usual[key]) for key in body if key not in norms)
        told = {origins[key] for key in norms if not key.endswith("num_batches_tracked")}
        assert told == {"keep": {"source"}}.get(value, {value})
        expected = {"identity": usual, "keep": source}.get(value)
        if expected is not None:
            assert all(torch.equal(state[key], expected[key]) for key in norms)
        variances = [state[key] for key in norms if key.endswith("running_var")]
        assert variances and all((v >= 0).all() and v.isfinite().all() for v in variances)
        assert all(origins[key] == "seed" for key in head)


class Normed(nn.Module):
    """A norm and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4096)
        self.head = nn.Linear(1, 1)

    def get_classifier(self) -> nn.Linear:
        return self.head


def test_drawn_norms_have_the_moments_of_the_sources() -> None:
    model = Normed()
    generator = torch.Generator().manual_seed(0)
    source = {
        "norm.weight": 1 + 0.2 * torch.randn(4096, generator=generator),
        "norm.bias": 0.3 * torch.randn(4096, generator=generator) - 0.1,
        "norm.running_mean": torch.randn(4096, generator=generator),
        "norm.running_var": torch.randn(4096, generator=generator).exp(),
        "norm.num_batches_tracked": torch.tensor(7),
    }
    made = {
        key: tensor.double() for key, (tensor, _) in fill(model, source, "statistics", 3).items()
    }
    n = 4096
    for key in ("norm.weight", "norm.bias", "norm.running_mean"):
        old = source[key].double()
        assert abs(made[key].mean() - old.mean()) <= 5 * old.std() / math.sqrt(n)
        assert abs(made[key].std() / old.std() - 1) <= 5 / math.sqrt(2 * n)
        assert abs(torch.corrcoef(torch.stack([made[key], old]))[0, 1]) <= 5 / math.sqrt(n)
    # Variances are lognormal with their own mean and variance; their logarithms are normal.
    old = source["norm.running_var"].double()
    spread = math.log1p(old.var(correction=0) / old.mean() ** 2)
    logs = made["norm.running_var"].log()
    centre = math.log(old.mean()) - spread / 2
    assert abs(logs.mean() - centre) <= 5 * math.sqrt(spread / n)
    assert abs(logs.std() / math.sqrt(spread) - 1) <= 5 / math.sqrt(2 * n)
    assert abs(torch.corrcoef(torch.stack([logs, old.log()]))[0, 1]) <= 5 / math.sqrt(n)


def test_what_is_drawn_with_a_tensors_moments_stays_what_it_was() -> None:
    """Pinned from the build in which kind `statistics` had code of its own."""
    expected = [[2.0373676, -0.98295099, -0.7858578], [4.9802976, 3.6467781, 1.6528494]]
    made = drawn_like("conv.weight", torch.arange(6.0).reshape(2, 3), 4)
    torch.testing.assert_close(made, torch.tensor(expected), rtol=1e-6, atol=0)


def test_variances_are_never_negative() -> None:
    many = torch.tensor([1e-12, 1e-3, 1.0, 5e3]).repeat(2500)
    for seed in range(20):
        made = variance_like("n.running_var", many, seed)
        assert (made >= 0).all() and made.isfinite().all()
    zeros = torch.zeros(8)
    assert torch.equal(variance_like("n.running_var", zeros, 0), zeros)
    assert (variance_like("n.running_var", torch.full((8,), 2.0), 0) - 2).abs().max() < 1e-6


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    save_file(source(), root / "w.safetensors")
    declaration = {"kind": "file", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    write_weights(declaration, LCNET, root / "w.safetensors", root / "weights" / ID)
    return root


def source(truncation: int = 0, outputs: int = 7) -> State:
    return dict(build(LCNET, outputs, truncation, seed=99).state_dict())


def started(
    results: Path, truncation: int = 0, **steps: Any
) -> tuple[State, dict[str, Any], list[str]]:
    weights = {"kind": "file", "id": ID, **({"derive": steps} if steps else {})}
    model, preprocessing, proof = initial_model(spec(truncation, **weights), results, outputs=3)
    assert preprocessing.mean == (0.4, 0.5, 0.6)
    json.dumps(proof, allow_nan=False)
    return dict(model.state_dict()), proof, head_keys(model)


def same(one: State, other: State) -> bool:
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("truncation", [0, 2])
def test_nothing_kept_is_the_random_arm_and_all_kept_the_transferred_one(
    results: Path, truncation: int
) -> None:
    random = initial_model(spec(truncation, kind="random"), results, outputs=3)[0].state_dict()
    transferred, whole, head = started(results, truncation)
    none, proof, _ = started(results, truncation, through=0)
    assert same(none, dict(random))
    assert set(proof["tensors"].values()) == {"seed"} and proof["matched"] == 0
    assert proof["probe"]["relative_difference"] == 0 and is_drawn(proof)
    every, proof, _ = started(results, truncation, through="all")
    assert same(every, transferred)
    assert {key for key, origin in proof["tensors"].items() if origin == "seed"} == set(head)
    assert all(proof[key] == whole[key] for key in ("matched", "missing", "left_out", "probe"))
    assert not is_drawn(proof)
    assert same(started(results, truncation, through=7 - truncation)[0], every)
    part, proof, _ = started(results, truncation, through=3)
    assert proof["keep"] == "part" and is_drawn(proof)
    assert proof["origins"] == {"source": 42, "seed": len(part) - 42}
    assert proof["matched"] == 42 and proof["derive"] == {"through": 3}
    with pytest.raises(UserError, match=rf"has {7 - truncation} blocks here"):
        started(results, truncation, through=8 - truncation)


def test_steps_go_together(results: Path) -> None:
    usual = initial_model(spec(kind="file", id=ID, keep="statistics"), results, outputs=3)[
        0
    ].state_dict()
    alone, proof, _ = started(results, statistics="identity")
    assert same(alone, dict(usual))
    both, proof, _ = started(results, statistics="identity", through=2)
    old = source()
    for key, origin in proof["tensors"].items():
        if origin == "source" and not key.endswith("num_batches_tracked"):
            assert torch.equal(both[key], old[key])
        elif origin != "source":
            assert torch.equal(both[key], usual[key])
    assert set(proof["origins"]) == {"source", "statistics", "identity", "seed"}
    filtered, proof, _ = started(results, statistics="keep", filters="gabor")
    assert proof["tensors"]["conv_stem.weight"] == "gabor"
    rms = [s["conv_stem.weight"].square().mean().sqrt().item() for s in (filtered, old)]
    assert rms[0] == pytest.approx(rms[1], rel=1e-5)
    first, proof, _ = started(results, filters="gabor")
    random = initial_model(spec(kind="random"), results, outputs=3)[0].state_dict()
    assert {key for key in first if not torch.equal(first[key], random[key])} == {
        "conv_stem.weight"
    }
    assert torch.equal(first["conv_stem.weight"], filtered["conv_stem.weight"])


def test_a_cut_network_starts_from_the_whole_ones_values(results: Path) -> None:
    for steps in ({"statistics": "statistics"}, {"through": 2}, {"filters": "gabor"}):
        whole, cut = (started(results, truncation, **steps) for truncation in (0, 2))
        body = [key for key in cut[0] if key not in cut[2]]
        assert all(torch.equal(whole[0][key], cut[0][key]) for key in body)
        assert all(whole[1]["tensors"][key] == cut[1]["tensors"][key] for key in body)


def test_the_weights_of_a_cell_are_derived_from(tmp_path: Path) -> None:
    weights = source_cell(tmp_path, source(outputs=14)) | {"derive": {"through": 1}}
    model, _, proof = initial_model(spec(**weights), tmp_path, outputs=2)
    assert (proof["source"], proof["cell"], proof["keep"]) == ("cell", CELL, "part")
    assert torch.equal(model.state_dict()["conv_stem.weight"], source()["conv_stem.weight"])
    assert not torch.equal(model.state_dict()["conv_head.weight"], source()["conv_head.weight"])


def test_a_cell_that_was_cut_serves_those_that_keep_no_more(tmp_path: Path) -> None:
    weights = source_cell(tmp_path, source(truncation=4))
    initial_model(spec(**weights, derive={"through": 3}), tmp_path, outputs=2)
    with pytest.raises(UserError, match=r"lacks .* tensors of lcnet_050.*blocks\.2"):
        initial_model(spec(**weights, derive={"through": 4}), tmp_path, outputs=2)


class Wrapped(nn.Module):
    """Blocks that a method puts together, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, again = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.row = nn.Sequential(again, nn.BatchNorm2d(4), again)
        self.last = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, 2)

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def blocks_of(self) -> list[list[nn.Module]]:
        return [[nn.Sequential(self.first, self.row)], [nn.ModuleList([self.last])]]


def test_blocks_may_be_put_together_anew_and_hold_a_layer_twice() -> None:
    model = Wrapped()
    source = made_up(model, 2)
    source |= {key.replace(".0.", ".2."): source[key] for key in source if ".0." in key}
    _, origins = result(model, source, through=1)
    kept = {key for key, origin in origins.items() if origin == "source"}
    assert kept == {key for key in origins if key.startswith(("first.", "row."))}
    assert {"row.0.weight", "row.2.weight", "row.1.running_var"} <= kept
    assert set(Parts.of(model).layers["stem"]) == kept


SLIM = [name for name, known in known_architectures().items() if known.base]


@pytest.mark.parametrize("name", SLIM)
def test_a_slim_network_takes_what_it_shares_from_its_base(name: str) -> None:
    known = known_architectures()[name]
    whole, _ = shapes(entry(known.base))
    own, _ = shapes(entry(name))
    with torch.device("meta"):
        model = build(entry(name), 1, 0, seed=0)
    shared = int(known.options["slim"])
    _, origins = derived(model, whole, {"through": shared}, seed=0)
    kept = [key for key, origin in origins.items() if origin == "source"]
    assert kept and all(whole[key].shape == own[key].shape for key in kept)
    assert len(blocks_of(model)) > shared


def test_a_slim_network_starts_with_its_bases_blocks(tmp_path: Path) -> None:
    slim, base = entry("cbr_tiny_32_slim2"), entry("cbr_tiny_32")
    old = build(base, 7, 0, seed=99).state_dict()
    weights = source_cell(tmp_path, dict(old))
    given = {**spec(**weights), "architecture": slim}
    random = build(slim, 2, 0, seed=4).state_dict()
    told = {"through": 2, "base": base}
    model, _, proof = initial_model(
        {**given, "weights": {**given["weights"], "derive": told}}, tmp_path, outputs=2
    )
    for key, tensor in model.state_dict().items():
        kept = key.startswith(("stem.", "block1."))
        assert proof["tensors"][key] == ("source" if kept else "seed")
        assert torch.equal(tensor, (old if kept else random)[key])
    assert proof["derive"] == told and proof["network"] == "cbr_tiny_32_slim2"
    # Weights of its own width are not its base's.
    (tmp_path / "other").mkdir()
    own = source_cell(tmp_path / "other", dict(build(slim, 7, 0, seed=99).state_dict()))
    given["weights"] |= {**own, "derive": told}
    with pytest.raises(UserError, match=r"does not fit cbr_tiny_32: block2\.conv\.weight is \(64,"):
        initial_model(given, tmp_path / "other", outputs=2)
