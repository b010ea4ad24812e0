"""What released weight files hold, drawn as the sources cited in resources/weights.yaml say.

By hand from torchvision's names, on the meta device: nothing here reads the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchvision
from torch import Tensor

Tensors = Mapping[str, Tensor]
HEAD = ("fc.weight", "fc.bias")


def blank(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def of_torchvision(make: str = "resnet50", **arguments: Any) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(torchvision.models.get_model(make, weights=None, **arguments).state_dict())


def under(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def linear(name: str, outputs: int = 8, inputs: int = 8, bias: bool = True) -> dict[str, Tensor]:
    weight = {f"{name}.weight": blank(outputs, inputs)}
    return weight | ({f"{name}.bias": blank(outputs)} if bias else {})


def norm(name: str) -> dict[str, Tensor]:
    return {f"{name}.{key}": blank(8) for key in ("weight", "bias", "running_mean", "running_var")}


def simclr_v2(body: Tensors) -> dict[str, Tensor]:
    """Names of a network of sequences: net.<stage>.blocks.<n>.net.<place>, projections apart."""
    places = {
        **{f"conv{n}": f"net.{2 * n - 2}" for n in (1, 2, 3)},
        **{f"bn{n}": f"net.{2 * n - 1}.0" for n in (1, 2, 3)},
    }
    renamed = {}
    for name, tensor in body.items():
        stage, _, rest = name.partition(".")
        if stage in ("conv1", "bn1"):
            new = f"net.0.{'0' if stage == 'conv1' else '1.0'}.{rest}"
        elif stage.startswith("layer"):
            block, _, rest = rest.partition(".")
            layer, _, rest = rest.partition(".")
            if layer == "downsample":
                place, _, rest = rest.partition(".")
                inner = "projection.shortcut" if place == "0" else "projection.bn.0"
            else:
                inner = places[layer]
            new = f"net.{stage[-1]}.blocks.{block}.{inner}.{rest}"
        else:
            new = name
        renamed[new] = tensor
    return renamed


def radimagenet_resnet(body: Tensors) -> dict[str, Tensor]:
    numbers = {"conv1": 0, "bn1": 1, **{f"layer{n}": n + 3 for n in (1, 2, 3, 4)}}
    parts = ((name.partition("."), tensor) for name, tensor in body.items())
    return {f"backbone.{numbers[first]}.{rest}": tensor for (first, _, rest), tensor in parts}


def contents(body: Tensors, fc: Tensors, grey: Tensors) -> dict[str, Callable[[], dict[str, Any]]]:
    """Makers of what a file of each layout holds.

    Args:
        body: A network's tensors without its classifier.
        fc: Its classifier's.
        grey: The body with one input channel.
    """
    jigsaw = linear("module.head_jig.fc2")
    swav = linear("module.projection_head.0") | norm("module.projection_head.1")
    swav |= linear("module.projection_head.3") | under("module.", body)
    projector = linear("module.projector.0", bias=False) | norm("module.projector.1")

    def moco(*head: str) -> dict[str, Any]:
        heads = {name: t for place in head for name, t in linear(place).items()}
        key = under("module.encoder_k.", {**body, **heads})
        queue = {"module.queue": blank(8, 16), "module.queue_ptr": blank(1)}
        both = under("module.encoder_q.", {**body, **heads}) | key | queue
        return {"epoch": 200, "arch": "resnet50", "state_dict": both}

    def moco_v3() -> dict[str, Any]:
        heads = linear("fc.0", bias=False) | norm("fc.1") | linear("fc.3", bias=False)
        both = under("module.base_encoder.", {**body, **heads})
        both |= under("module.momentum_encoder.", {**body, **heads})
        return {"state_dict": both | linear("module.predictor.0") | norm("module.predictor.1")}

    def pycontrast(*heads: Tensors) -> dict[str, Any]:
        model = under("module.encoder.", body)
        for head in heads:
            model |= head
        return {"model": model, "contrast": {"memory_1": blank(4, 4)}, "epoch": 200}

    return {
        "own": lambda: {**body, **fc},
        "own_headless": lambda: dict(body),
        "state_dict": lambda: {"state_dict": {**body, **fc}, "epoch": 1},
        "state_dict_module": lambda: {"state_dict": under("module.", {**body, **fc})},
        "state_dict_without_head": lambda: {"state_dict": {**body, **linear("fc.0")}},
        "state_dict_module_without_head": lambda: {
            "state_dict": under("module.", {**body, **linear("fc.0")})
        },
        "moco_linear": lambda: moco("fc"),
        "moco_mlp": lambda: moco("fc.0", "fc.2"),
        "moco_v3": moco_v3,
        "swav": lambda: {**swav, **linear("module.prototypes", bias=False)},
        "swav_many_prototypes": lambda: {
            **swav,
            **{f"module.prototypes.prototypes{n}.weight": blank(4, 8) for n in range(3)},
        },
        "pycontrast_linear": lambda: pycontrast(linear("module.head.0")),
        "pycontrast_linear_jigsaw": lambda: pycontrast(
            linear("module.head.0"), linear("module.head_jig.fc1"), jigsaw
        ),
        "pycontrast_mlp_jigsaw": lambda: pycontrast(
            linear("module.head.0"),
            linear("module.head.2"),
            linear("module.head_jig.fc1.0"),
            linear("module.head_jig.fc1.2"),
            jigsaw,
        ),
        "barlowtwins_checkpoint": lambda: {
            "model": {**under("module.backbone.", body), **projector}
            | {f"module.bn.{key}": blank(8) for key in ("running_mean", "running_var")},
            "epoch": 1000,
        },
        "vicreg_checkpoint": lambda: {
            "model": {**under("module.backbone.", body), **projector},
            "optimizer": {},
        },
        "dino_checkpoint": lambda: {
            part: {**under("module.backbone.", body), **linear("module.head.mlp.0")}
            for part in ("student", "teacher")
        },
        "simclr_v2": lambda: {"resnet": simclr_v2({**body, **fc}), "head": linear("layers.0")},
        "radimagenet_resnet": lambda: radimagenet_resnet(body),
        "one_channel": lambda: {**grey, **fc},
    }
