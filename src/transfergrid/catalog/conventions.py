"""Input conventions: what becomes of an image's grey levels before a network sees them.

A network with released weights gives its authors' features only for input that is prepared as
theirs was, and for RadImageNet the sources disagree on how that was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Triple = tuple[float, float, float]

_CAFFE = (103.939 / 255, 116.779 / 255, 123.68 / 255)


@dataclass(frozen=True)
class Convention:
    """A convention by name: channels in some order, minus a mean, divided by a deviation.

    Attributes:
        name: Value of ``input`` in a study.
        told: The transform of grey levels from 0 to 255, in words.
        source: Who uses it.
        grade: How the source is known: "published", or "published code".
        mean: Channel means on the scale 0..1, in the network's order of channels.
        std: Deviations on the same scale.
        channel_order: "rgb" or "bgr".
        by_layout: Another convention for weights whose file has a named layout.
    """

    name: str
    told: str
    source: str
    grade: str
    mean: Triple
    std: Triple
    channel_order: str
    by_layout: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """What a cell holds of it, as plain JSON values."""
        return {
            "mean": list(self.mean),
            "std": list(self.std),
            "channel_order": self.channel_order,
            "source": f"convention {self.name}",
        }


_BGR_CAFFE = Convention(
    "bgr_caffe",
    "BGR minus (103.939, 116.779, 123.68), not scaled",
    "Keras's ResNet-50 for ImageNet; Juodelyte et al. for ImageNet and RadImageNet alike "
    "(DovileDo/revisiting-transfer @ 54853c3)",
    "published code",
    mean=_CAFFE,
    std=(1 / 255, 1 / 255, 1 / 255),
    channel_order="bgr",
)
CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "imagenet",
        "RGB / 255, minus (.485, .456, .406), divided by (.229, .224, .225)",
        "torchvision's weights; the card of a copy of RadImageNet's PyTorch files "
        "(Lab-Rasool/RadImageNet)",
        "published",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        channel_order="rgb",
    ),
    _BGR_CAFFE,
    Convention(
        "bgr_caffe_255",
        "(BGR minus (103.939, 116.779, 123.68)) / 255",
        "RadImageNet's Keras code, where Keras scales after it has subtracted; MONAI, with means "
        "rounded to three digits",
        "published code",
        mean=_CAFFE,
        std=(1.0, 1.0, 1.0),
        channel_order="bgr",
    ),
    Convention(
        "bgr_pm1",
        "(BGR - 127.5) · 2 / 255, from -1 to 1",
        "RadImageNet's PyTorch example",
        "published code",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        channel_order="bgr",
    ),
    Convention(
        "mixture",
        "bgr_caffe_255 for weights of RadImageNet (layout: radimagenet), bgr_caffe for all others",
        "a later script of Juodelyte et al., which scales for RadImageNet alone",
        "published code",
        mean=_BGR_CAFFE.mean,
        std=_BGR_CAFFE.std,
        channel_order=_BGR_CAFFE.channel_order,
        by_layout={"radimagenet": "bgr_caffe_255"},
    ),
)
"""Every convention; a study may give mean, std and channel_order of its own instead."""


def declared_input(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a pretraining says of the input, as a part of its declaration.

    Args:
        settings: Its settings: ``input`` is the name of a convention, a mapping with ``mean``,
            ``std`` and perhaps ``channel_order``, or None; ``layout`` may be that of its file.

    Returns:
        ``input`` with mean, std, channel_order and source; empty if nothing is declared.
    """
    given = settings.get("input")
    if given is None:
        return {}
    if not isinstance(given, str):
        return {"input": {"channel_order": "rgb", **given, "source": "study"}}
    by_name = {convention.name: convention for convention in CONVENTIONS}
    meant = by_name[by_name[given].by_layout.get(str(settings.get("layout")), given)]
    return {"input": {**meant.values, "source": f"convention {given}"}}
