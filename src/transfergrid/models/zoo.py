"""Build any of a study's networks from its pinned name and a seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import timm
import torch
from timm.layers import Conv2dSame, ScaledStdConv2dSame, StdConv2dSame
from torch import Tensor, nn

from transfergrid.models.normalise import Preprocessing
from transfergrid.models.truncation import truncate
from transfergrid.runtime.errors import UserError, suggest
from transfergrid.runtime.hashing import seeded

HEAD_STD = 0.01
_RESNET_CHANNELS = (64, 128, 256, 512)
"""Of the blocks after the stem."""


def load_function(reference: str) -> Callable[..., Any]:
    """Import what ``module:function`` names.

    Raises:
        UserError: The module cannot be imported or has no such function.
    """
    module_name, _, function_name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"{reference} cannot be used: module {module_name} was not imported ({error}); install "
            "it or put its folder on PYTHONPATH."
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UserError(f"{reference} cannot be used: {module_name} has no such function.")
    return function


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Let the block draw from a seeded global CPU generator, and restore that afterwards."""
    # timm and torch.nn draw initial weights from the global generator. It is lent to them during
    # construction and then restored, so that a build disturbs nobody's random numbers.
    # default_generator.manual_seed, because torch.manual_seed would reseed every GPU as well.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def label_of(architecture: Mapping[str, Any]) -> str:
    """Return what messages call an architecture.

    That is the pinned timm name, the factory of a user's own, or the name of a network that only
    this project has.
    """
    factory = str(architecture.get("factory") or "")
    if factory.startswith("transfergrid.") or "slim" in (architecture.get("options") or {}):
        return str(architecture["name"])
    return factory or str(architecture["timm"])


def _timm_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    arguments: dict[str, Any] = dict(options)
    if arguments.get("pad_type") == "symmetric":
        arguments["pad_type"] = ""
    if "slim" in arguments:
        whole = arguments.pop("slim") - 1  # the stem is a block, too
        half = (width // 2 for width in _RESNET_CHANNELS[whole:])
        arguments["channels"] = (*_RESNET_CHANNELS[:whole], *half)
    try:
        return timm.create_model(name, pretrained=False, **arguments)
    except RuntimeError:
        close = suggest(name, timm.list_models(pretrained=True))
        raise UserError(
            f"timm knows no network and tag '{name}'{close}; resources/timm_models.txt lists them."
        ) from None


def build(architecture: Mapping[str, Any], outputs: int, truncation: int, seed: int) -> nn.Module:
    """Build a network with random weights, cut it, and give it a new head.

    The whole network is drawn first and cut afterwards, so a truncated network has the same weights
    as the whole one with the same seed, and weights do not depend on the number of outputs. Dropout
    and stochastic depth are timm's defaults, which is none for every network in
    resources/architectures.csv.

    Args:
        architecture: ``timm`` (a pinned ``arch.tag``) or ``factory`` (``module:function``, called
            as ``function(outputs=..., truncation=...)``; the module has ``get_classifier()``), and
            perhaps ``options``: ``pad_type``, or ``slim`` (how many of its first blocks are whole,
            while later ones have half the channels; timm's ResNets and CBR).
        outputs: Number of logits, at least 1.
        truncation: Blocks to remove, 0 or more.
        seed: Seed of the weights, in [0, 2**63).

    Returns:
        A module in training mode from float32 (B, 3, H, W) to float32 logits (B, outputs).

    Raises:
        UserError: An unknown name, too deep a truncation, or a factory that breaks the contract.
    """
    factory, options = architecture.get("factory"), architecture.get("options") or {}
    with drawing_from(seed):
        if factory:
            model = load_function(factory)(outputs=outputs, truncation=truncation, **options)
            _check_factory(model, factory, outputs)
        else:
            network = _timm_network(architecture["timm"], options)
            model = truncate(network, truncation)
            # Pruning removes the pooling with the head; a whole network keeps its own pooling.
            model.reset_classifier(outputs, "avg" if truncation else None)  # type: ignore[operator]
    _draw_head(model, seed)
    return model


def _check_factory(model: object, factory: str, outputs: int) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"{factory} returned {type(model).__name__}; return a torch.nn.Module.")
    head = head_of(model)
    if head.out_features != outputs:
        raise UserError(
            f"{factory} returned a classifier with {head.out_features} outputs; it was asked for "
            f"{outputs}."
        )


def _draw_head(model: nn.Module, seed: int) -> None:
    # timm initialises each family's head differently, some with values that slow small networks
    # badly; one rule and one generator make heads of equal width equal across architectures.
    head = head_of(model)
    generator = torch.Generator().manual_seed(seeded(seed, "head"))
    drawn = torch.empty(head.weight.shape, device="cpu").normal_(0, HEAD_STD, generator=generator)
    with torch.no_grad():
        head.weight.copy_(drawn)
        if head.bias is not None:
            head.bias.zero_()


def head_of(model: nn.Module) -> nn.Linear:
    """Return the classifier of a network.

    Raises:
        UserError: The network has no ``get_classifier()`` that returns a linear layer.
    """
    getter = getattr(model, "get_classifier", None)
    head = getter() if getter is not None else None
    if not isinstance(head, nn.Linear):
        raise UserError(
            f"{type(model).__name__} has no linear classifier; give it a method get_classifier() "
            "that returns its torch.nn.Linear."
        )
    return head


def new_layers(model: nn.Module) -> list[nn.Module]:
    """Return what initial weights leave new: the classifier, or what the network says itself.

    Raises:
        UserError: As `head_of`.
    """
    own = getattr(model, "new_layers", None)
    return [head_of(model)] if own is None else list(own())


def head_keys(model: nn.Module) -> list[str]:
    """Return the names of the classifier's tensors in the network's state dict."""
    head = head_of(model)
    name = next(name for name, module in model.named_modules() if module is head)
    return [f"{name}.{key}" for key in head.state_dict()]


def shapes(
    architecture: Mapping[str, Any], outputs: int = 1, truncation: int = 0
) -> tuple[dict[str, Tensor], list[str]]:
    """Return a network's state dict without memory (meta device) and its classifier's names.

    Raises:
        UserError: As in `build`.
    """
    with torch.device("meta"):
        model = build(architecture, outputs, truncation, seed=0)
    return model.state_dict(), head_keys(model)


def padding_of(model: nn.Module) -> str:
    """Return ``same`` for TensorFlow's one-sided padding, else ``symmetric``.

    The two give networks with equal tensor shapes and different outputs.
    """
    return "same" if any(map(_pads_one_side, model.modules())) else "symmetric"


def padding_in(architecture: Mapping[str, Any]) -> str:
    """Return how a network pads, as `padding_of`, without drawing its weights."""
    with torch.device("meta"):
        return padding_of(build(architecture, outputs=1, truncation=0, seed=0))


def _pads_one_side(module: nn.Module) -> bool:
    standardised = isinstance(module, StdConv2dSame | ScaledStdConv2dSame)
    return isinstance(module, Conv2dSame) or (standardised and bool(module.same_pad))


def timm_config(name: str) -> dict[str, Any]:
    """Return timm's facts about a pinned ``arch.tag``: mean, std, hub, licence and so on.

    Raises:
        UserError: timm does not know the name, or it has no tag.
    """
    config = None
    if "." in name:
        try:
            config = timm.get_pretrained_cfg(name, allow_unregistered=False)
        except RuntimeError:
            config = None
    if config is None:
        raise UserError(
            f"timm knows no weights '{name}'; give a pinned arch.tag of resources/timm_models.txt."
        )
    return dict(config.to_dict())


def timm_preprocessing(name: str) -> Preprocessing:
    """Return mean, standard deviation and interpolation of a pinned ``arch.tag``.

    Raises:
        UserError: timm does not know the name.
    """
    return Preprocessing.from_dict({**timm_config(name), "source": f"timm {name}"})


def default_preprocessing(architecture: Mapping[str, Any]) -> Preprocessing:
    """Return the pinned weights' preprocessing, or ImageNet's statistics for a factory.

    Raises:
        UserError: timm does not know the pinned name.
    """
    if architecture.get("timm"):
        return timm_preprocessing(str(architecture["timm"]))
    return Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), source="ImageNet statistics")
