"""Take the README's pictures of the demo's report: python docs/images/shoot.py; needs Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = {"report": ("answers", 1500), "figures": ("board", 1716)}
"""By picture: the first section that it shows, and its height in CSS pixels."""
ORDER = ("claims", "answers", "board", "figures")


def shoot(page: Path, folder: Path) -> None:
    """Write the pictures of a report into a folder."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None or not page.is_file():
        sys.exit(f"error: no Chromium, or no report {page}; run `make demo` first.")
    for name, (first, height) in PICTURES.items():
        hidden = ["header", "nav", ".notes", *(f"#{part}" for part in ORDER[: ORDER.index(first)])]
        style = f"<style>{', '.join(hidden)} {{ display: none !important; }}</style></head>"
        with tempfile.TemporaryDirectory() as scratch:
            part = Path(scratch) / "part.html"
            text = page.read_text(encoding="utf-8")
            part.write_text(text.replace("</head>", style, 1), encoding="utf-8")
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            options += [f"--user-data-dir={scratch}/profile", f"--window-size=1400,{height}"]
            options += ["--disable-background-networking", "--force-device-scale-factor=0.75"]
            target = f"--screenshot={folder / name}.png"
            subprocess.run([browser, *options, target, part.as_uri()], check=True, timeout=120)


if __name__ == "__main__":
    here = Path(__file__).resolve()
    shoot(here.parents[2] / "results" / "demo" / "report.html", here.parent)
