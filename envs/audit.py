"""Say which packages of requirements.lock have known vulnerabilities, where a service answers.

``make lint`` calls it with pip-audit's program. That no service answers is no fault: a note says
so. pip-audit takes a package that its service does not know for one without vulnerabilities, and so
would pass a whole lock behind a mirror that has files alone; here such packages are counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import escaped, listed

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "envs" / "requirements.lock"
PASSED = "passed"
"""Beside pip-audit's environment: when the lock was last found without vulnerabilities."""
DAY, LIMIT = 86_400.0, 600.0
"""Seconds for which that holds, and after which a silent service is given up."""
ACCEPTED: dict[str, str] = {}
"""Vulnerabilities that cannot be mended and do not reach us, by id, with the reason."""


def ask(program: Path, lock: Path) -> dict[str, Any] | str:
    """Return what pip-audit says of every package of a lock, or why it says nothing."""
    if not program.is_file():
        return "pip-audit could not be installed"
    options = "--no-deps --disable-pip --progress-spinner=off --timeout=10 --format=json"
    command = [str(program), "--requirement", str(lock), *options.split()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"no answer in {LIMIT:.0f} s"
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return lines[-1][:200]
    return answer if isinstance(answer, dict) else "an answer that cannot be read"


def told(answer: Mapping[str, Any] | str) -> tuple[list[str], list[str]]:
    """Return what has to be mended, and what is only to be known, each in a sentence.

    Args:
        answer: What `ask` returned.
    """
    if isinstance(answer, str):
        return [], [
            f"no vulnerability service was asked ({escaped(answer)}); the lock is unaudited"
        ]
    packages = answer["dependencies"]
    unknown = [package["name"] for package in packages if "vulns" not in package]
    notes = []
    if len(unknown) == len(packages):
        return [], ["the index here does not tell of vulnerabilities; the lock is unaudited"]
    if unknown:
        notes.append(f"not known to the vulnerability service: {escaped(listed(unknown))}")
    found = [(bool(fixed), text) for fixed, text in _vulnerabilities(packages)]
    errors = [text for fixed, text in found if fixed]
    return errors, notes + [text for fixed, text in found if not fixed]


def _vulnerabilities(packages: list[dict[str, Any]]) -> Iterator[tuple[list[str], str]]:
    for package in packages:
        for one in package.get("vulns", ()):
            names = [one["id"], *one["aliases"]]
            if ACCEPTED.keys() & set(names):
                continue
            what = f"{package['name']} {package['version']} is vulnerable: {', '.join(names)}"
            fixed = [str(version) for version in one["fix_versions"]]
            mend = "no version without it is known; see https://osv.dev/list?q=" + one["id"]
            if fixed:
                chosen = f"choose {' or '.join(fixed)} or later in envs/requirements.in"
                mend = f"{chosen}, make lock, make test"
            yield fixed, escaped(f"{what}; {mend}")


def main() -> int:
    """Audit the lock; 1 if a package has a vulnerability that another version mends."""
    program = Path(sys.argv[1])
    passed = program.parents[1] / PASSED
    if passed.is_file() and passed.stat().st_mtime > max(LOCK.stat().st_mtime, time.time() - DAY):
        return 0
    errors, notes = told(ask(program, LOCK))
    for word, sentences in (("note", notes), ("error", errors)):
        for sentence in sentences:
            print(f"{word}: {sentence}.", file=sys.stderr)
    if not errors and not notes:
        write_text(passed, "")
    return int(bool(errors))


if __name__ == "__main__":
    raise SystemExit(main())
