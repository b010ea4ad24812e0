"""Lay out the pages of the site for Sphinx: `python docs/site/stage.py FOLDER`.

Pages are written to read well where the repository is shown: their links lead to files of it. In
the site a link to a page stays one, and any other file that is linked to (a study, a table of
resources/) becomes a page that shows its text. What a link does not find is an error here or in
Sphinx, which fails on warnings.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "BENCHMARKS.md": "project/benchmarks.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "SKILL.md": "project/skill.md",
    "findings/README.md": "project/findings.md",
}
"""Pages outside of docs/, by their place in the repository, and their place in the site."""
CONTENTS = {
    "Start": (
        "From films to an answer <tutorial>",
        "Which question, which design <questions>",
    ),
    "How to": (
        "Use your own films <howto/own_data>",
        "Test every patient: folds <howto/folds>",
        "Compare over hospitals <howto/hospitals>",
        "Learn masks <howto/masks>",
        "Judge by your own metric <howto/own_metric>",
        "Run on a Slurm cluster <slurm>",
    ),
    "Guide": (
        "Data and weights <data>",
        "Studies <studies>",
        "Masks <segmentation>",
        "Commands <commands>",
        "GPUs <gpus>",
        "Extending <extending>",
        "From another workflow <module>",
    ),
    "Reference": (
        "Keys of a study <keys>",
        "Options of commands <options>",
        "Columns of tables <columns>",
        "Statistics <statistics>",
        "How it is built <design>",
        "Security <security>",
    ),
    "Studies on real films": (
        "PneumoniaMNIST <pneumoniamnist>",
        "Sources of pretraining <radimagenet_small>",
        "What is worth keeping <transfusion_small>",
        "Sources, labels and masks <systematic_small>",
    ),
    "Project": (
        "Contributing <project/contributing>",
        "Benchmarks <project/benchmarks>",
        "Others' surprises <project/findings>",
        "For coding agents <project/skill>",
        "Reporting a fault <project/security>",
        "Changelog <project/changelog>",
    ),
}
"""The pages as the margin has them, with short titles; Sphinx warns of one that is left out."""
LANGUAGES = {".yaml": "yaml", ".py": "python", ".sh": "bash", ".cff": "yaml"}
LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#:]+)(?P<section>#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^(```.*?^```[^\n]*\n?)", re.MULTILINE | re.DOTALL)


def main(folder: Path) -> None:
    """Write every page of the site as Markdown, and the pictures, to `folder`, which is replaced.

    Raises:
        FileNotFoundError: A page links to a file that is not there.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "*.md", "site"))
    pages = {uri: ROOT / place for place, uri in ELSEWHERE.items()}
    for path in (ROOT / "docs").rglob("*.md"):
        pages[path.relative_to(ROOT / "docs").as_posix()] = path
    files: set[str] = set()
    for uri, path in pages.items():
        place = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        files.update(target for target in linked(text, place) if uri_of(target) not in pages)
        write(folder / uri, moved(text, place, uri) + (contents() if uri == "index.md" else ""))
    for place in files:
        if not place.startswith("docs/images/"):
            write(folder / uri_of(place), shown(place))


def write(path: Path, text: str) -> None:
    """Write a page and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def uri_of(place: str) -> str:
    """Return where in the site a file of the repository is found."""
    if place in ELSEWHERE:
        return ELSEWHERE[place]
    return place.removeprefix("docs/") if place.startswith("docs/") else f"files/{place}.md"


def joined(place: str, target: str) -> str:
    """Return the place of a link's target from the place of the page that has it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), target))


def linked(markdown: str, place: str) -> Iterator[str]:
    """Yield the place of each file of the repository that the page at `place` links to."""
    for link in LINK.finditer(FENCE.sub("", markdown)):
        yield joined(place, link["target"])


def moved(markdown: str, place: str, uri: str) -> str:
    """Return a page whose links lead to where their files are in the site."""

    def lead(link: re.Match[str]) -> str:
        target = uri_of(joined(place, link["target"]))
        path = posixpath.relpath(target, posixpath.dirname(uri) or ".")
        return f"{link['before']}{path}{link['section'] or ''}"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(lead, part) for part in parts)


def shown(place: str) -> str:
    """Return a page with the text of a file of the repository."""
    path = ROOT / place
    text = path.read_text(encoding="utf-8").rstrip("\n")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"^`+", text, re.MULTILINE)), 3)
    language = LANGUAGES.get(path.suffix, "text")
    return f"---\norphan: true\n---\n\n# {place}\n\n{fence}{language}\n{text}\n{fence}\n"


def contents() -> str:
    """Return the table of contents, which the margin shows and the first page does not."""
    parts = [
        "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
        for caption, pages in CONTENTS.items()
    ]
    return "".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
