"""make lint says which packages of the lock are vulnerable, and does not need a network."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from unit.project.test_pins import program

AUDIT = program("audit")
# As pip-audit 2.10.1 printed it of a service with an advisory of Jinja2 2.4.1, and another made up.
RECORDED = {
    "dependencies": [
        {
            "name": "jinja2",
            "version": "2.4.1",
            "vulns": [
                {
                    "id": "PYSEC-2099-1",
                    "fix_versions": [],
                    "aliases": [],
                    "description": "No fix yet",
                },
                {
                    "id": "CVE-2019-10906",
                    "fix_versions": ["2.10.1"],
                    "aliases": ["GHSA-462w-v97r-4m45"],
                    "description": "Jinja2 sandbox escape",
                },
            ],
        },
        {"name": "numpy", "version": "2.4.0", "vulns": []},
    ],
    "fixes": [],
}
# As it printed, with status 0 and "No known vulnerabilities found", of an index without advisories.
SKIPPED = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Run the program with a pip-audit that prints something; return its status and its words."""
    place = tmp_path / "bin" / "pip-audit"
    place.parent.mkdir()

    def run(printed: object, status: int = 0, wrong: str = "") -> tuple[int, str]:
        text = printed if isinstance(printed, str) else json.dumps(printed)
        script = f"import sys\nopen({str(tmp_path / 'asked')!r}, 'a').write('.')\n"
        script += f"print({text!r})\nprint({wrong!r}, file=sys.stderr)\nsys.exit({status})\n"
        place.write_text(f"#!{sys.executable}\n{script}")
        place.chmod(0o755)
        monkeypatch.setattr(sys, "argv", ["audit.py", str(place)])
        return AUDIT.main(), capsys.readouterr().err

    return run


def test_a_vulnerability_that_a_version_mends_fails_with_what_to_do(audit) -> None:
    status, said = audit(RECORDED, 1)
    assert status == 1
    assert said.splitlines() == [
        "note: jinja2 2.4.1 is vulnerable: PYSEC-2099-1; no version without it is known; see "
        "https://osv.dev/list?q=PYSEC-2099-1.",
        "error: jinja2 2.4.1 is vulnerable: CVE-2019-10906, GHSA-462w-v97r-4m45; choose 2.10.1 or "
        "later in envs/requirements.in, make lock, make test.",
    ]


def test_an_accepted_one_is_known_by_any_of_its_names(audit, monkeypatch) -> None:
    monkeypatch.setattr(AUDIT, "ACCEPTED", {"GHSA-462w-v97r-4m45": "no template of a stranger"})
    status, said = audit(RECORDED, 1)
    assert status == 0
    assert "CVE-2019-10906" not in said and "PYSEC-2099-1" in said


def test_an_index_that_knows_no_advisories_is_not_an_all_clear(audit, tmp_path) -> None:
    status, said = audit({"dependencies": [SKIPPED, SKIPPED], "fixes": []})
    assert status == 0
    assert said == "note: the index here does not tell of vulnerabilities; the lock is unaudited.\n"
    status, said = audit({"dependencies": [SKIPPED, RECORDED["dependencies"][1]], "fixes": []})
    assert (status, said) == (0, "note: not known to the vulnerability service: jinja2.\n")
    assert not (tmp_path / "passed").exists()


def test_without_a_network_lint_goes_on_in_words(audit, tmp_path, monkeypatch, capsys) -> None:
    status, said = audit("", 1, "Traceback\nrequests.exceptions.ConnectionError: no such host")
    assert status == 0
    assert said.startswith("note: no vulnerability service was asked (requests.exceptions.")
    assert said.endswith("; the lock is unaudited.\n")
    monkeypatch.setattr(sys, "argv", ["audit.py", str(tmp_path / "bin" / "other")])
    assert AUDIT.main() == 0
    assert "(pip-audit could not be installed); the lock is unaudited" in capsys.readouterr().err


def test_a_lock_that_passed_is_asked_for_again_after_a_day_or_a_change(
    audit, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(AUDIT, "LOCK", tmp_path / "lock")
    (tmp_path / "lock").write_text("numpy==2.4.0\n")
    os.utime(tmp_path / "lock", (time.time() - 9, time.time() - 9))
    clean = {"dependencies": RECORDED["dependencies"][1:], "fixes": []}
    asked = tmp_path / "asked"
    assert audit(clean) == audit(RECORDED) == (0, "")
    assert asked.read_text() == "."
    os.utime(tmp_path / "lock", (time.time() + 9, time.time() + 9))
    assert audit(RECORDED, 1)[0] == 1
    os.utime(tmp_path / "lock", (0, 0))
    os.utime(tmp_path / "passed", (time.time() - 90_000, time.time() - 90_000))
    assert audit(RECORDED, 1)[0] == 1
    assert asked.read_text() == "..."


def test_lint_calls_it() -> None:
    makefile = (AUDIT.ROOT / "Makefile").read_text()
    lint = makefile.partition("\nlint:")[2].partition("\n\n")[0]
    assert "envs/audit.py build/audit/bin/pip-audit" in lint
