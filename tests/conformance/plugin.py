"""A pytest plugin for the suite's run, loaded by `-p tests.conformance.plugin`; it needs nothing but pytest.

It gives each process its own configuration and each test its own bucket prefix, so that one test's remains never
fail the next, and writes a line of JSON a finished test: its name, its marks, and how each phase ended.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

CONFIGURATIONS = "CONFORMANCE_CONFIGURATIONS"  # the folder with PROCESS.KIND.conf for each process
KIND = "CONFORMANCE_KIND"  # which of them: s3 or iam
RESULTS = "CONFORMANCE_RESULTS"  # the file for the lines
UNNAMED = "CONFORMANCE_UNNAMED"  # a pattern of names to leave out (pytest's -k would look at marks too)
_reports: dict[str, dict[str, Any]] = {}


def pytest_configure(config: pytest.Config) -> None:
    """The suite reads S3TEST_CONF when its modules are imported, after this."""
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.environ["S3TEST_CONF"] = str(Path(os.environ[CONFIGURATIONS]) / f"{process}.{os.environ[KIND]}.conf")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unnamed = re.compile(os.environ[UNNAMED])
    left_out = [item for item in items if unnamed.search(item.name)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not unnamed.search(item.name)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    suite = sys.modules["s3tests.functional"]
    if getattr(suite, "prefix", None):
        process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        suite.prefix = suite.choose_bucket_prefix(template=f"c-{process}-{{random}}-")  # type: ignore[attr-defined]  # the suite's own


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Runs in the process that was started, for the reports of all."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    entry = _reports.setdefault(report.nodeid, {"test": report.nodeid, "phases": {}, "message": "", "seconds": 0.0})
    entry["marks"] = [name for name, value in report.keywords.items() if value == 1]
    entry["phases"][report.when] = report.outcome
    entry["seconds"] = round(entry["seconds"] + report.duration, 2)
    if report.outcome != "passed" and report.when != "teardown":
        entry["message"] = report.longreprtext
    if report.when == "teardown":
        with open(os.environ[RESULTS], "a") as file:
            file.write(json.dumps(_reports.pop(report.nodeid)) + "\n")


def pytest_sessionfinish() -> None:
    """Tests whose process died have no end of their own."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    with open(os.environ[RESULTS], "a") as file:
        for entry in _reports.values():
            file.write(json.dumps(entry) + "\n")
    _reports.clear()
