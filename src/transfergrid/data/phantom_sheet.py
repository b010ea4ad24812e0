"""A contact sheet of the phantom's films, for judging them by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from transfergrid.data.phantom_cohort import TEXTBOOK, Film, patient_films
from transfergrid.data.phantom_film import draw_film, sign_masks

_COLUMNS, _CAPTION_PX, _GAP_PX = 6, 13, 2
_GREYS = 20
_OUTLINE = (255, 140, 0)

Pixels = npt.NDArray[np.uint8]


def contact_sheet(seed: int = 0, px: int = 128) -> Image.Image:
    """Draw a sheet: normal films, then each sign mild, severe, and with its mask.

    Args:
        seed: Seed of the patients.
        px: Side of a tile.

    Returns:
        A palette image with few greys, since noise in all of them would make a large file.
    """
    tiles = _normal_tiles(seed, px)
    for patient, name in enumerate(TEXTBOOK):
        if name is None:
            continue
        film = replace(
            patient_films(seed, "train", patient)[0], lateral=False, hospital=patient % 2
        )
        mild, severe = (_with_severity(film, severity) for severity in (0.25, 0.80))
        tiles.append((name, _rgb(draw_film(mild, px))))
        tiles.append(("the same, severe", _rgb(draw_film(severe, px))))
        tiles.append(("its mask", _outlined(severe, name, px)))
    return _assembled(tiles, px)


def _normal_tiles(seed: int, px: int) -> list[tuple[str, Pixels]]:
    people = [patient_films(seed, "test", patient)[0] for patient in range(len(TEXTBOOK), 60)]
    man, woman = (
        replace(next(film for film in people if film.sex == sex), signs={})
        for sex in ("Male", "Female")
    )
    films = [
        ("Normal, man, A", replace(man, hospital=0)),
        ("hospital B", replace(man, hospital=1)),
        ("hospital C", replace(man, hospital=2)),
        ("lateral", replace(man, hospital=0, lateral=True)),
        ("Normal, woman, A", replace(woman, hospital=0, lateral=False)),
        ("lateral", replace(woman, hospital=0, lateral=True)),
    ]
    return [(caption, _rgb(draw_film(film, px))) for caption, film in films]


def _with_severity(film: Film, severity: float) -> Film:
    changed = {name: replace(f, severity=severity) for name, f in film.signs.items()}
    return replace(film, signs=changed)


def _rgb(film: Pixels) -> Pixels:
    return np.repeat(film[:, :, None], 3, axis=2)


def _outlined(film: Film, name: str, px: int) -> Pixels:
    mask = np.pad(sign_masks(film, px)[name], 1)
    inner = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    image = _rgb(draw_film(film, px))
    image[mask[1:-1, 1:-1] & ~inner] = _OUTLINE
    return image


def _assembled(tiles: Sequence[tuple[str, Pixels]], px: int) -> Image.Image:
    step_x, step_y = px + _GAP_PX, px + _CAPTION_PX + _GAP_PX
    size = (_COLUMNS * step_x - _GAP_PX, -(-len(tiles) // _COLUMNS) * step_y)
    sheet = Image.new("RGB", size)
    pen = ImageDraw.Draw(sheet)
    pen.fontmode = "1"
    for position, (caption, pixels) in enumerate(tiles):
        left, top = position % _COLUMNS * step_x, position // _COLUMNS * step_y
        pen.text((left + 1, top + 1), caption, fill=(255, 255, 255))
        picture = Image.fromarray(pixels)
        picture.thumbnail((px, px))
        offset = ((px - picture.width) // 2, (px - picture.height) // 2)
        sheet.paste(picture, (left + offset[0], top + _CAPTION_PX + offset[1]))
    greys = [round(255 * k / (_GREYS - 1)) for k in range(_GREYS)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for grey in greys for value in (grey,) * 3] + list(_OUTLINE))
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)
