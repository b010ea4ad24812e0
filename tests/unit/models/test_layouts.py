"""Files in other layouts than the network's own: RadImageNet's, and ports that must not load."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from transfergrid.models.layouts import check_no_port, find_layout
from transfergrid.models.pretraining import fetch
from transfergrid.models.zoo import build, shapes
from transfergrid.runtime.errors import UserError

RESNET = {"name": "resnet50", "timm": "resnet50.tv_in1k", "factory": None}
DENSENET = {"name": "densenet121", "timm": "densenet121.tv_in1k", "factory": None}
HEAD = ["fc.weight", "fc.bias"]
FILE = {"kind": "file", "mean": [0.5] * 3, "std": [0.5] * 3}


class Backbone(nn.Module):
    """The class whose state dict RadImageNet's ResNet50.pt is: all but the classifier, in a row."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(network.children())[:-1])

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(images)


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save(state, folder / "ResNet50.pt")
    return folder / "ResNet50.pt"


def network_of(make: str) -> nn.Module:
    """One of torchvision's networks, with running statistics that are not those of a new one."""
    torch.manual_seed(3)
    network = torchvision.models.get_model(make, weights=None)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.add_(torch.rand_like(tensor))
    return network.eval()


def test_radimagenets_resnet_gives_the_features_of_the_network_that_wrote_it(
    tmp_path: Path,
) -> None:
    backbone = Backbone(network_of("resnet50")).eval()
    path = saved(backbone.state_dict(), tmp_path)
    state, _, record = fetch({**FILE, "layout": "radimagenet"}, RESNET, path)
    assert (record["layout"], record["missing"], record["unexpected"]) == ("radimagenet", HEAD, [])
    assert record["matched"] == record["tensors_in_network"] - 2 == len(backbone.state_dict())
    ours = build(RESNET, 1, 0, seed=0).eval()
    ours.load_state_dict(state, strict=False)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        seen = ours.forward_head(ours.forward_features(images), pre_logits=True)
        assert torch.allclose(seen, backbone(images).flatten(1), rtol=1e-4, atol=1e-5)


def on_meta(make: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(torchvision.models.get_model(make, weights=None).state_dict())


# Its default is slow and about to change; names do not depend on it.
IN_A_HURRY = {"inception_v3": {"init_weights": False}}


def laid_out(make: str) -> list[str]:
    with torch.device("meta"):
        network = torchvision.models.get_model(make, weights=None, **IN_A_HURRY.get(make, {}))
        return list(Backbone(network).state_dict())


@pytest.mark.parametrize(
    ("make", "architecture", "head"),
    [
        ("resnet50", RESNET, HEAD),
        ("densenet121", DENSENET, ["classifier.weight", "classifier.bias"]),
    ],
)
def test_a_layout_is_told_by_its_names_and_lacks_the_head_alone(
    make: str, architecture: dict[str, str], head: list[str]
) -> None:
    names = laid_out(make)
    layout = find_layout(names, None, "it")
    assert layout is not None
    network, classifier = shapes(architecture)
    assert classifier == head
    assert {layout.renamed(name) for name in names} == set(network) - set(head)


@pytest.mark.parametrize("make", ["inception_v3", "resnet50", "densenet121"])
def test_names_of_no_known_layout_are_left_alone_and_refused_if_one_was_declared(
    make: str,
) -> None:
    names = laid_out(make) if make == "inception_v3" else list(on_meta(make))
    assert find_layout(names, None, "weight file x.pt") is None
    with pytest.raises(UserError, match=r"x\.pt does not have the layout radimagenet.*ResNet-50"):
        find_layout(names, "radimagenet", "weight file x.pt")
    # One tensor too many is another file.
    assert find_layout([*laid_out("resnet50"), "1.linear.weight"], None, "it") is None


def port(names: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names and shapes of a ResNet-50 ported from Keras: a bias for each convolution."""
    with_bias = dict(names)
    for name, tensor in names.items():
        if tensor.ndim == 4:
            with_bias[name.replace("weight", "bias")] = tensor[:, 0, 0, 0]
    return {name: tensor for name, tensor in with_bias.items() if not name.startswith("fc.")}


def test_a_port_from_keras_is_refused_also_where_its_biases_are_dropped(tmp_path: Path) -> None:
    stem = {name: tensor for name, tensor in on_meta("resnet50").items() if "layer" not in name}
    raw = {name: torch.zeros(tensor.shape) for name, tensor in port(stem).items()}
    path = saved(raw, tmp_path)
    told = r"biases for 1 convolutions \(conv1\.bias\) that have none in resnet50.*Keras"
    with pytest.raises(UserError, match=told):
        fetch(FILE, RESNET, path)
    # Without its biases every tensor of such a file fits, and the features are wrong.
    rule = {"drop": [r"(conv\d|downsample\.0)\.bias$"]}
    with pytest.raises(UserError, match=told):
        fetch({**FILE, "key_rule": rule}, RESNET, path)


def test_every_bias_of_a_port_is_counted_and_no_other() -> None:
    network = on_meta("resnet50")
    raw = port(network)
    new = {name: name for name in raw if name in network}
    with pytest.raises(UserError, match="biases for 53 convolutions"):
        check_no_port(raw, new, network, "it", "resnet50")
    own = {name: tensor for name, tensor in raw.items() if name in network}
    check_no_port(own, new, network, "it", "resnet50")  # batch norms have biases of their own
    keras = {"conv2_block1_1_conv.weight": network["layer1.0.conv1.weight"]}
    with pytest.raises(UserError, match="names of a Keras network"):
        check_no_port(keras, {}, network, "it", "resnet50")


def test_networks_whose_convolutions_have_biases_keep_them() -> None:
    with torch.device("meta"):
        vgg = dict(torchvision.models.vgg11().state_dict())
    check_no_port(vgg, {name: name for name in vgg}, vgg, "it", "vgg11")
