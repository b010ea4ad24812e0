"""The page of the made-up study, which tests read and do not change."""

from __future__ import annotations

import pytest
from unit.reporting import fabricate
from unit.reporting.page.parsed import Page

from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.page import render


@pytest.fixture(scope="session")
def report(drawn_tree: fabricate.Tree) -> ReportInput:
    return read_report(drawn_tree.study, drawn_tree.results, [])


@pytest.fixture(scope="session")
def html(report: ReportInput) -> str:
    return render(report)


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return Page(html)
