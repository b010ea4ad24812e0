"""Judges an archive by the validators of its forms, offline, and prints what they say as JSON.

Run by the Python of build/validators, with the archive, a JSON-LD context and a folder for a cache.
RO-Crate's context lies on the web; the validator finds the given one in its cache instead.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"


def remember(context: Path, cache: Path) -> None:
    """Put a context into a cache, as the answer of the web."""
    requests: Any = import_module("requests")

    class Stored(requests.adapters.BaseAdapter):  # type: ignore[misc, name-defined]
        def send(self, request: Any, **options: Any) -> Any:
            answer = requests.Response()
            answer.status_code, answer.url, answer.request = 200, request.url, request
            answer.headers["Content-Type"] = "application/ld+json"
            answer._content = context.read_bytes()
            answer.raw = import_module("urllib3").HTTPResponse(
                BytesIO(answer.content), headers=answer.headers, status=200, preload_content=False
            )
            return answer

        def close(self) -> None:
            pass

    cached = import_module("requests_cache").CachedSession
    with cached(cache_name=str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Stored())
        session.get(CONTEXT)


def of_crate(archive: Path, cache: Path) -> dict[str, Any]:
    told = cache.with_suffix(".json")
    words = ["-y", "validate", "--cache-path", cache, "--offline", "--no-paging", "-p", PROFILE]
    words += ["-l", "required", "-f", "json", "-o", told, archive]
    program = Path(sys.executable).with_name("rocrate-validator")
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)
    assert told.is_file(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(told.read_text())
    return {"passed": found["passed"], "issues": found["issues"], "checks": found["statistics"]}


def of_croissant(archive: Path) -> dict[str, Any]:
    logging.disable()
    try:
        found = import_module("mlcroissant").Dataset(jsonld=str(archive / "croissant.json"))
    except Exception as error:
        return {"passed": False, "issues": [str(error)]}
    return {"passed": True, "sets": [one.name for one in found.metadata.record_sets]}


def of_citation(archive: Path) -> dict[str, Any]:
    program = Path(sys.executable).with_name("cffconvert")
    words = [str(program), "--validate", "-i", str(archive / "CITATION.cff")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return {"passed": done.returncode == 0, "issues": [done.stdout + done.stderr]}


if __name__ == "__main__":
    archive, context, cache = map(Path, sys.argv[1:])
    remember(context, cache)
    verdicts = {"crate": of_crate(archive, cache)}
    if len(list(archive.iterdir())) > 2:
        verdicts |= {"croissant": of_croissant(archive), "citation": of_citation(archive)}
    print(json.dumps(verdicts))
