"""What a cache's card says of its images, and which images no cache may hold."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from datasets.made_tiff import tiff
from PIL import Image

from transfergrid.data.cache import build_cache
from transfergrid.data.medmnist import read as read_npz
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError

SPLIT = {"column": "split", "train": ["train"], "valid": ["valid"], "test": ["test"]}
CSV = {
    "kind": "csv",
    "table": "films.csv",
    "image_column": "path",
    "label_columns": ["finding"],
    "split": SPLIT,
    "image_px": 8,
    "resize": "stretch",
}


def film(number, shape=(9, 11)):
    """An image of its own, over the whole of eight bits."""
    values = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    values.reshape(-1)[:2] = 0, 255
    return values


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write(root, changes=(), count=12, suffix="png"):
    """Write films, a few of them changed, and their table; the first half of them is train."""
    root.mkdir(exist_ok=True)
    files = {f"{n:02d}.{suffix}": encoded(Image.fromarray(film(n))) for n in range(count)}
    files |= dict(changes)
    lines = ["path,finding,split"]
    for number, (name, data) in enumerate(files.items()):
        (root / name).write_bytes(data)
        split = "train" if number < count // 2 else "valid" if number < count * 3 // 4 else "test"
        lines.append(f"{name},{number % 2},{split}")
    (root / "films.csv").write_text("\n".join(lines) + "\n")
    return root


def notes(tmp_path, root, **options):
    card = build_cache({**CSV, **options}, root, tmp_path / "cache" / "films-12345678", 2)
    assert json.loads((tmp_path / "cache" / "films-12345678" / "card.json").read_text()) == card
    return [note for note in card["notes"] if "Patients are unknown" not in note]


def test_sound_images_are_not_warned_of(tmp_path, capsys):
    assert notes(tmp_path, write(tmp_path / "films")) == []
    assert "warning" not in capsys.readouterr().err


def frames(form):
    images = [Image.fromarray(film(n)) for n in (100, 101, 102)]
    return encoded(images[0], form, save_all=True, append_images=images[1:])


def turned():
    note = Image.Exif()
    note[274] = 6
    return encoded(Image.fromarray(film(103)), "JPEG", exif=note)


def with_hole(channels):
    pixels = np.dstack([film(104)] * channels + [film(104) * 0 + 255])
    pixels[3, 3, -1] = 0
    return encoded(Image.fromarray(pixels))


PAGES = "1 file holds several pages or frames, of which the first is read: 03.png."
COLOURS = encoded(Image.fromarray(film(105, (9, 11, 3))))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (encoded(Image.new("L", (9, 9), 77)), "1 image has a single level throughout: 03.png."),
        (
            encoded(Image.new("RGB", (9, 9), (7, 7, 7))),
            "1 image has a single level throughout: 03.png.",
        ),
        (
            frames("GIF"),
            "1 file holds several pages or frames, of which the first is read: 03.png.",
        ),
        (
            frames("PNG"),
            "1 file holds several pages or frames, of which the first is read: 03.png.",
        ),
        (
            frames("TIFF"),
            "1 file holds several pages or frames, of which the first is read: 03.png.",
        ),
        (tiff(film(1), pages=3), "1 file holds several pages or frames, of which the first is"),
        (with_hole(1), "1 image has transparent pixels, which are laid over black: 03.png."),
        (with_hole(3), "1 image has transparent pixels, which are laid over black: 03.png."),
        (turned(), "1 image was turned, as its orientation says: 03.png."),
        (tiff(film(1), tags={274: [8]}), "1 image was turned, as its orientation says: 03.png."),
        (COLOURS, "1 image has colours, of which `channels: grey` keeps only the brightness"),
    ],
)
def test_what_an_image_has_is_counted_and_named(tmp_path, capsys, data, told):
    (note,) = notes(tmp_path, write(tmp_path / "films", {"03.png": data}))
    assert note.startswith(told)
    assert f"warning: data set films: {note}\n" in capsys.readouterr().err


def test_colours_and_opaque_films_in_colour_are_sound(tmp_path):
    opaque = encoded(Image.fromarray(film(1)).convert("RGBA"))
    rounded = encoded(Image.fromarray(film(2, (40, 40))).convert("RGB"), "JPEG")
    root = write(tmp_path / "films", {"03.png": opaque, "04.png": rounded})
    assert notes(tmp_path, root) == []
    root = write(tmp_path / "films", {"03.png": COLOURS})
    assert notes(tmp_path, root, channels="rgb") == []


def test_the_first_few_of_many_are_named(tmp_path):
    holes = {f"{n:02d}.png": encoded(Image.new("LA", (n + 2, 3), (n, 9))) for n in range(1, 6)}
    found = notes(tmp_path, write(tmp_path / "films", holes))
    assert (
        "5 images have transparent pixels, which are laid over black: 01.png, 02.png, 03.png, ..."
        in " ".join(found)
    )


def test_twelve_bits_in_sixteen_are_told_once_and_cured_by_white(tmp_path):
    deep = {f"{n:02d}.png": encoded(Image.fromarray(film(n) * np.uint16(16))) for n in range(12)}
    root = write(tmp_path / "films", deep)
    (note,) = notes(tmp_path, root)
    assert note == (
        "The numbers in 12 image(s) (00.png, 01.png, 02.png, ...) go from 0 to 4080 and are read "
        "as if from 0 (black) to 65535 (white); if they have 12 bits, give the data set "
        "`white: 4095`."
    )
    assert open_split(tmp_path / "cache" / "films-12345678", "train").images.max() <= 16
    assert notes(tmp_path, root, white=4095) == []
    assert open_split(tmp_path / "cache" / "films-12345678", "train").images.max() > 200


def test_a_few_images_of_twelve_bits_among_sixteen_are_told(tmp_path):
    deep = [Image.fromarray(film(n) * np.uint16(16 if n == 3 else 257)) for n in range(12)]
    root = write(tmp_path / "films", {f"{n:02d}.png": encoded(i) for n, i in enumerate(deep)})
    assert notes(tmp_path, root) == ["1 image uses less than a sixteenth of its range: 03.png."]


def test_a_narrow_set_of_eight_bits_is_told(tmp_path):
    dim = {f"{n:02d}.png": encoded(Image.fromarray(film(n, (8, 8)) // 4)) for n in range(12)}
    (note,) = notes(tmp_path, write(tmp_path / "films", dim))
    assert (
        "go from 0 to 63 and are read as if from 0 (black) to 255 (white); if that is not" in note
    )


def test_equal_files_in_two_splits_are_refused_unless_they_are_allowed(tmp_path, capsys):
    same = encoded(Image.fromarray(film(1)))
    root = write(tmp_path / "films", {"07.png": same, "10.png": encoded(Image.fromarray(film(0)))})
    with pytest.raises(UserError) as told:
        notes(tmp_path, root)
    assert str(told.value) == (
        "2 image(s) are in more than one split, equal byte for byte: 00.png (train) = 10.png "
        "(test), 01.png (train) = 07.png (valid); keep each in one split, or allow it with the "
        "data set's `duplicates: allow`."
    )
    assert not (tmp_path / "cache" / "films-12345678").exists()
    assert notes(tmp_path, root, duplicates="allow") == [
        "1 image(s) are in train and test, equal byte for byte: 00.png (train) = 10.png (test).",
        "1 image(s) are in train and valid, equal byte for byte: 01.png (train) = 07.png (valid).",
    ]
    assert "are in train and test, equal byte" in capsys.readouterr().err
    card = json.loads((tmp_path / "cache" / "films-12345678" / "card.json").read_text())
    assert card["duplicates"] == "allow"
    with pytest.raises(UserError, match="duplicates is 'maybe'"):
        notes(tmp_path, root, duplicates="maybe")


def test_validation_and_test_films_may_not_be_equal_either(tmp_path):
    root = write(tmp_path / "films", {"10.png": encoded(Image.fromarray(film(7)))})
    with pytest.raises(UserError, match=r"07\.png \(valid\) = 10\.png \(test\)"):
        notes(tmp_path, root)


def test_equal_files_in_one_split_are_told(tmp_path):
    same = encoded(Image.fromarray(film(1)))
    root = write(tmp_path / "films", {"02.png": same, "03.png": same})
    (note,) = notes(tmp_path, root)
    told = "1 image(s) of train are there more than once, equal byte for byte"
    assert note == f"{told}: 01.png = 02.png = 03.png."


def test_a_link_to_a_film_of_another_split_is_found(tmp_path):
    root = write(tmp_path / "films")
    (root / "10.png").unlink()
    (root / "10.png").symlink_to(root / "02.png")
    with pytest.raises(UserError, match=r"02\.png \(train\) = 10\.png \(test\)"):
        notes(tmp_path, root)


def test_equal_pixels_of_an_archive_count_too(tmp_path):
    arrays = {}
    for number, split in enumerate(("train", "val", "test")):
        arrays[f"{split}_images"] = np.stack([film(10 * number + n, (28, 28)) for n in range(4)])
        arrays[f"{split}_labels"] = np.array([[0], [1], [0], [1]], np.uint8)
    arrays["test_images"][2] = arrays["train_images"][1]
    np.savez(tmp_path / "a.npz", **arrays)
    assert len(read_npz({}, tmp_path / "a.npz").images) == 12
    options = {"kind": "medmnist", "image_px": 28}
    with pytest.raises(UserError, match=r"train/000001 \(train\) = test/000002 \(test\)"):
        build_cache(options, tmp_path / "a.npz", tmp_path / "cache" / "a-1", 2)


def renamed(root, old, new):
    table = (root / "films.csv").read_text()
    assert old in table
    (root / "films.csv").write_text(table.replace(old, new))


@pytest.mark.parametrize("name", ["./01.png", "sub/../01.png", ".//01.png", "./sub/.././01.png"])
def test_a_file_of_two_names_is_one_image(tmp_path, name):
    root = write(tmp_path / "films")
    renamed(root, "10.png", name)
    with pytest.raises(UserError, match=r"1 image\(s\) are listed more than once: 01\.png"):
        notes(tmp_path, root)


def test_paths_are_written_in_one_form(tmp_path):
    root = write(tmp_path / "films")
    plain = build_cache(CSV, root, tmp_path / "cache" / "plain-1", 2)
    renamed(root, "03.png", ".//sub/../03.png")
    other = build_cache(CSV, root, tmp_path / "cache" / "other-1", 2)
    assert plain["content_sha256"] == other["content_sha256"]
    assert "03.png" in open_split(tmp_path / "cache" / "other-1", "train").image_id


def test_no_path_leads_out_of_the_root_but_links_are_followed(tmp_path):
    root = write(tmp_path / "films")
    (tmp_path / "elsewhere").mkdir()
    (root / "03.png").rename(tmp_path / "elsewhere" / "03.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    renamed(root, "03.png", "linked/03.png")
    (tmp_path / "link").symlink_to(root)
    assert notes(tmp_path, tmp_path / "link") == []
    for name in ("../elsewhere/03.png", "linked/../../elsewhere/03.png", ".."):
        renamed(root, "linked/03.png", name)
        with pytest.raises(UserError, match="is not in the data set's root; move it there"):
            notes(tmp_path, root)
        renamed(root, name, "linked/03.png")
