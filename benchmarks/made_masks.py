"""Films with masks in files, and what a researcher would train a U-Net on them with."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_films import film, tabled
from made_training import BareLoop, Tensors
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

SIDE = 1000
"""Larger films are JPEG, as films of full size are; smaller ones PNG."""


def write_pairs(folder: Path, counts: Mapping[str, int], size: tuple[int, int]) -> None:
    """Write films, a mask of 0 and 255 for each as PNG, and films.csv; `size` is width, height."""
    folder.mkdir(parents=True)
    form, suffix = ("JPEG", "jpg") if min(size) > SIDE else ("PNG", "png")
    films = [film(number, size, form) for number in range(2 if min(size) > SIDE else 20)]
    masks = [mask(number, size) for number in range(len(films))]
    lines = ["film,mask,split"]
    for split, count in counts.items():
        for number in range(count):
            names = f"{split}-{number:04d}.{suffix}", f"{split}-{number:04d}-mask.png"
            for name, variants in zip(names, (films, masks), strict=True):
                (folder / name).write_bytes(variants[number % len(variants)])
            lines.append(",".join((*names, split)))
    (folder / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mask(number: int, size: tuple[int, int]) -> bytes:
    """Draw two lungs, roughly."""
    rng = np.random.default_rng(number)
    image = Image.new("L", size)
    for middle in (0.3, 0.7):
        x, y = (middle + rng.uniform(-0.05, 0.05)) * size[0], rng.uniform(0.4, 0.6) * size[1]
        box = (x - 0.13 * size[0], y - 0.3 * size[1], x + 0.13 * size[0], y + 0.3 * size[1])
        ImageDraw.Draw(image).ellipse(box, fill=255)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def declaration(folder: Path, px: int) -> dict[str, Any]:
    """Return the films as a data set of a study."""
    layers = [{"structures": ["lung"], "files": ["mask"]}]
    return {"kind": "mask_table", "image_column": "film", "layers": layers} | tabled(folder, px)


@dataclass(frozen=True)
class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Films and masks of files, as transforms v2 take them."""

    films: Sequence[Path]
    change: v2.Transform

    @classmethod
    def of(cls, folder: Path, split: str, px: int, resize: bool) -> Pairs:
        """Find a split's films; those that have the size already are not resized."""
        change = [v2.Resize(px, antialias=True), v2.CenterCrop(px)] if resize else []
        change.append(v2.ToDtype(torch.float32, scale=True))
        found = [path for path in folder.glob(f"{split}-*") if "-mask" not in path.stem]
        return cls(sorted(found), v2.Compose(change))

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (1, px, px) float32 of a film from -1 to 1, and of its mask 0 and 1."""
        path = self.films[index]
        paths = path, path.with_name(f"{path.stem}-mask.png")
        pixels, marked = (v2.functional.pil_to_tensor(Image.open(p).convert("L")) for p in paths)
        shown, truth = self.change(tv_tensors.Image(pixels), tv_tensors.Mask(marked))
        return (shown.as_subclass(Tensor) - 0.5) * 2, (truth.as_subclass(Tensor) > 127).float()

    def loader(self, batch: int, workers: int, shuffle: bool) -> DataLoader[Any]:
        """Return a loader whose processes are forked, as usual on Linux."""
        forked = {"num_workers": workers, "multiprocessing_context": "fork"}
        return DataLoader(self, batch, shuffle=shuffle, **forked)  # type: ignore[arg-type]


def usual_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return binary cross-entropy and one minus Dice of each film, the mean of their sum."""
    marked = logits.sigmoid().flatten(2)
    truth = masks.flatten(2)
    dice = 2 * (marked * truth).sum(2) / (marked.sum(2) + truth.sum(2) + 1e-6)
    pixels = nn.functional.binary_cross_entropy_with_logits(logits, masks)
    return pixels + (1 - dice).mean()


def usual_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Return (B, T) Dice of each film, 1 where both masks are empty."""
    marked, truth = (logits > 0).flatten(2), masks.flatten(2) > 0
    pixels = marked.sum(2) + truth.sum(2)
    return torch.where(pixels > 0, 2 * (marked & truth).sum(2) / pixels.clamp(min=1), 1.0)


class MaskLoop(BareLoop):
    """Training a U-Net the usual way: tensors in memory, AdamW, cross-entropy and Dice."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the usual loss."""
        return usual_loss(logits, labels)

    def validate(self, valid: Tensors) -> float:
        """Return the mean Dice over films."""
        self.model.eval()
        with torch.inference_mode():
            pairs = zip(valid.images.split(64), valid.labels.split(64), strict=True)
            found = [usual_dice(self.model(images), masks) for images, masks in pairs]
        return float(torch.cat(found).mean())
