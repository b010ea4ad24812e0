"""Released weight files: each layout is read whole, and its near misses are refused."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor
from unit.models.released_files import HEAD, blank, contents, of_torchvision, simclr_v2, under

from transfergrid.models.normalise import Normalise
from transfergrid.models.pretraining import fetch
from transfergrid.models.released import (
    Network,
    check_published,
    fit_release,
    fitted,
    preprocessing_of,
)
from transfergrid.models.zoo import build
from transfergrid.planning.architectures import find_architecture
from transfergrid.planning.releases import UNVERIFIED, KeyLayout, known_releases
from transfergrid.runtime.errors import UserError

RESNET = {"name": "resnet50", "timm": "resnet50.tv_in1k", "factory": None}
FILE = Path("file.pth")
RELEASES = known_releases()
LAYOUTS = {layout.name: layout for file in RELEASES.values() for layout, _ in file.layouts}
WHOLE = of_torchvision()
BODY = {name: tensor for name, tensor in WHOLE.items() if name not in HEAD}
GREY = {**BODY, "conv1.weight": blank(64, 1, 7, 7)}
MADE = contents(BODY, {name: WHOLE[name] for name in HEAD}, GREY)
ALSO = {
    # A classifier that its own name tells may be left out or kept: the release says which.
    ("state_dict_module", "state_dict_module_without_head"),
    ("state_dict", "state_dict_without_head"),
}
"""Pairs: a file of the first layout is one of the second as well."""


@pytest.fixture(scope="module")
def resnet() -> Network:
    return Network.of(RESNET)


def test_every_layout_of_a_resnet_has_a_file_made_after_its_source() -> None:
    assert set(LAYOUTS) == {*MADE, "radimagenet_densenet"}


@pytest.mark.parametrize("layout", MADE)
def test_a_file_is_read_whole_by_its_own_layout(layout: str, resnet: Network) -> None:
    state = fitted(FILE, MADE[layout](), LAYOUTS[layout], resnet).state
    has_head = layout in ("own", "state_dict", "state_dict_module", "simclr_v2", "one_channel")
    assert set(state) == set(WHOLE if has_head else BODY)
    assert all(state[name].shape == WHOLE[name].shape for name in state)


# The names of a network small enough to try every file with every layout.
FEW = [name for name in WHOLE if re.match(r"conv1|bn1|layer[14]\.0\.(conv1|downsample)|fc", name)]
SMALL = {name: WHOLE[name] for name in FEW}
SMALL_NETWORK = Network("a few blocks of resnet50", SMALL, HEAD)
SMALL_BODY = {name: tensor for name, tensor in SMALL.items() if name not in HEAD}
SMALL_MADE = contents(
    SMALL_BODY,
    {name: WHOLE[name] for name in HEAD},
    {**SMALL_BODY, "conv1.weight": blank(64, 1, 7, 7)},
)


@pytest.mark.parametrize("made", SMALL_MADE)
def test_no_other_layout_reads_a_file(made: str) -> None:
    def reads(layout: str) -> bool:
        try:
            fitted(FILE, SMALL_MADE[made](), LAYOUTS[layout], SMALL_NETWORK)
        except UserError:
            return False
        return True

    expected = {made, *(also for one, also in ALSO if one == made)}
    assert {layout for layout in SMALL_MADE if reads(layout)} == expected


def tensors_of(content: dict[str, Any], layout: KeyLayout) -> dict[str, Tensor]:
    """The mapping in a made file that holds its tensors."""
    nested = next(key for key in layout.nested if key is None or key in content)
    return content if nested is None else content[nested]


@pytest.mark.parametrize("made", SMALL_MADE)
def test_a_near_miss_of_each_layout_is_refused(made: str) -> None:
    layout = LAYOUTS[made]

    def refused(change: Any, match: str) -> None:
        content = SMALL_MADE[made]()
        tensors = tensors_of(content, layout)
        encoder = [name for name in tensors if not any(re.search(p, name) for p in layout.leave)]
        change(
            tensors,
            [name for name in encoder if "layer1" in name or ".4." in name or ".1." in name],
        )
        with pytest.raises(UserError, match=match):
            fitted(FILE, content, layout, SMALL_NETWORK)

    refused(lambda tensors, encoder: tensors.pop(encoder[0]), "lacks 1 of the|no tensor whose name")
    refused(
        lambda tensors, encoder: tensors.update({encoder[0]: blank(1, 2, 3)}), r"is \(1, 2, 3\)"
    )
    # A name that only contains the prefix: a program that tests for that would take it for one.
    stray = f"other.{layout.prefix}conv1.weight"
    refused(lambda tensors, _: tensors.update({stray: blank(3)}), "have no place|has no place")
    refused(lambda tensors, _: tensors.update({"mean": blank(3)}), "have no place|has no place")
    for mark in layout.marks:
        refused(
            lambda tensors, _, mark=mark: [
                tensors.pop(name) for name in list(tensors) if re.search(mark, name)
            ],
            "no tensor whose name fits|lacks",
        )


def test_densenet_of_radimagenet_is_read_and_a_deeper_one_is_not() -> None:
    record = find_architecture("densenet121", {}).record(0)
    layout, network = LAYOUTS["radimagenet_densenet"], Network.of(record)

    def file(make: str) -> dict[str, Tensor]:
        features = {n: t for n, t in of_torchvision(make).items() if n.startswith("features.")}
        return {name.replace("features.", "backbone.0."): t for name, t in features.items()}

    state = fitted(FILE, file("densenet121"), layout, network).state
    assert set(network.tensors) - set(state) == {"classifier.weight", "classifier.bias"}
    with pytest.raises(UserError, match=r"does not fit densenet121.*89 of 725 tensors differ"):
        fitted(FILE, file("densenet169"), layout, network)


def test_a_wider_or_deeper_resnet_is_refused_as_the_release_that_it_is_called(
    resnet: Network,
) -> None:
    file = RELEASES["pcl_v1"]
    for make in ("wide_resnet50_2", "resnet101", "resnet34"):
        body = {name: t for name, t in of_torchvision(make).items() if name not in HEAD}
        content = contents(body, {}, {})["moco_linear"]()
        told = r"file\.pth is not the release pcl_v1 \(PCL_v1_epoch200\.pth\.tar, layout moco_line"
        with pytest.raises(UserError, match=told):
            fit_release(FILE, content, file, resnet)


def test_released_files_give_the_features_of_the_network_that_wrote_them(tmp_path: Path) -> None:
    torch.manual_seed(5)
    plain = torchvision.models.resnet50(weights=None).eval()
    for name, tensor in plain.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.add_(torch.rand_like(tensor))
    path = tmp_path / "r50_1x_sk0.pth"
    torch.save({"resnet": simclr_v2(plain.state_dict()), "head": {}}, path)
    declaration = {"kind": "release", "release": "simclr_v2"}
    state, preprocessing, record = fetch(declaration, RESNET, path)
    assert (record["matched"], record["missing"], record["unexpected"]) == (320, [], [])
    assert (record["release"], record["layout"], record["padding"]) == (
        "simclr_v2",
        "simclr_v2",
        "symmetric",
    )
    assert record["layout_read_in"].startswith("Separius/SimCLRv2-Pytorch @ f4c2f41")
    assert not record["published_hash"] and len(record["doubts"]) == 3
    ours = build(RESNET, 1000, 0, seed=0).eval()
    ours.load_state_dict(state)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        # What it saw in training: grey levels from 0 to 1 as they are.
        seen = Normalise(preprocessing)(images.permute(0, 2, 3, 1))
        assert torch.equal(seen, images)
        assert torch.allclose(ours(seen), plain(images), rtol=1e-4, atol=1e-5)


def test_one_channel_of_films_gives_what_the_network_for_grey_films_sees(resnet: Network) -> None:
    """torchxrayvision scales films to -1024..1024 and has one channel; ours are three thirds."""
    file = RELEASES["torchxrayvision_resnet50"]
    weight = torch.randn(64, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    content = MADE["one_channel"]() | {"conv1.weight": weight}
    _, _, found = fit_release(FILE, content, file, resnet)
    assert found.channels and found.channels["from_channels"] == 1
    film = torch.randint(256, (1, 32, 32), dtype=torch.uint8, generator=torch.Generator())
    theirs = (2 * (film[:, None].float() / 255) - 1) * 1024
    ours = Normalise(preprocessing_of(file))(film)
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(ours, found.state["conv1.weight"]), conv(theirs, weight), atol=0.05)


def test_a_file_with_another_hash_than_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet50-0676ba61.pth"
    path.write_bytes(b"not it")
    supervised = RELEASES["supervised"]
    check_published(path, supervised, "0676ba61" + "0" * 56)
    told = r"has the SHA-256 9.*, but that of the release supervised begins with 0676ba61; get it"
    with pytest.raises(UserError, match=told):
        check_published(path, supervised, "9" * 64)
    with pytest.raises(UserError, match=r"has the MD5 .* release moco_v2 begins with a04e12f8"):
        check_published(path, RELEASES["moco_v2"], "9" * 64)
    check_published(path, RELEASES["pcl_v2"], "9" * 64)


def test_a_release_of_another_layout_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "PCL_v1_epoch200.pth.tar"
    made = contents(*({n: torch.zeros(()).expand(t.shape) for n, t in BODY.items()}, {}, {}))
    real = {
        name: torch.zeros(()).expand(tensor.shape)
        for name, tensor in made["moco_mlp"]()["state_dict"].items()
    }
    torch.save({"state_dict": real}, path)
    with pytest.raises(UserError, match=r"is not the release pcl_v1 .* no tensor whose name fits"):
        fetch({"kind": "release", "release": "pcl_v1"}, RESNET, path)
    with pytest.raises(UserError, match=r"every weight in .* repeats a single value"):
        fetch({"kind": "release", "release": "pcl_v2"}, RESNET, path)
    with pytest.raises(UserError, match="was edited after it was planned"):
        fetch({"kind": "release", "release": "pcl_v2", "sha256": "0" * 64}, RESNET, path)


def test_the_manifest_has_the_studys_initialisations_and_cites_each_rule() -> None:
    study = [file for file in RELEASES.values() if file.study]
    groups = Counter(file.title.split(",")[0].split(" (")[0].split(" ")[0] for file in study)
    assert len(study) == 21 and groups["iNat2021"] == 2
    assert {file.architecture for file in study} == {"resnet50"}
    cited = re.compile(r"[\w.-]+/[\w.-]+ @ [0-9a-f]{7}: \S|pytorch/vision, |unverified: \S")
    for file in RELEASES.values():
        assert cited.match(file.input_from), file.name
        for _, source in file.layouts:
            assert cited.match(source), file.name
        assert find_architecture(file.architecture, {}).padding in (None, "symmetric")
        assert all(re.compile(p) for layout, _ in file.layouts for p in layout.leave)
        assert not set(file.sha256 + file.md5) - set("0123456789abcdef")
    unread = [file.name for file in study if file.input_from.startswith(UNVERIFIED)]
    assert unread == [
        "sela_v2",
        "chestxray14",
        "chexpert",
        "imagenet_chestxray14",
        "imagenet_chexpert",
    ]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("supervised", torchvision.models.ResNet50_Weights.IMAGENET1K_V1),
        ("supervised_v2", torchvision.models.ResNet50_Weights.IMAGENET1K_V2),
    ],
)
def test_torchvisions_own_weights_are_as_torchvision_says(name: str, weights: Any) -> None:
    file, transforms = RELEASES[name], weights.transforms()
    assert weights.url == file.origin and weights.url.endswith(f"/{file.file}")
    assert f"-{file.sha256}.pth" in file.file
    assert (tuple(transforms.mean), tuple(transforms.std)) == (file.mean, file.std)


def test_prefixes_are_taken_from_the_front_alone() -> None:
    layout = LAYOUTS["state_dict_module"]
    content = {"state_dict": under("module.", SMALL) | {"conv1.weight": blank(64, 3, 7, 7)}}
    with pytest.raises(UserError, match="two tensors the same name"):
        fitted(FILE, content, layout, SMALL_NETWORK)
