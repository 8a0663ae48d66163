"""docs/conformance.md: a part for each selection, which its run replaces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tests.conformance.areas import area_of
from tests.conformance.reasons import KINDS, Reasons
from tests.conformance.running import Result
from tests.conformance.selection import SELECTIONS, Selection

NOT_EXPLAINED = "not explained yet"
INTRODUCTION = """\
# Conformance

The store measured by the functional tests of [ceph/s3-tests](https://github.com/ceph/s3-tests), which stay outside this
repository. Written by `make conformance S3TESTS=DIR`, where DIR is a checkout of the suite; `SELECTION=extended` runs
the larger selection. Where the suite and AWS's documentation disagree, the store follows AWS, and the test is listed
with that reason.

A run makes its own server, accounts and environment. It sets `default_object_ownership = "ObjectWriter"`, as the suite
takes ACLs for granted, `customer_keys_over_http = true`, as it has no TLS, and lets a lifecycle day last ten seconds.
"""


def page(existing: str, selection: Selection, results: Sequence[Result], suite: str, reasons: Reasons) -> str:
    """The page with this selection's part renewed; the other's stays as it is in `existing`."""
    kept = {name: _part(existing, name) for name in SELECTIONS}
    kept[selection.name] = part(selection, results, suite, reasons)
    return INTRODUCTION + "".join(f"\n{text}" for text in kept.values() if text)


def _part(page_text: str, name: str) -> str:
    found = re.search(rf"^## {name.capitalize()}$.*?(?=^## |\Z)", page_text, re.MULTILINE | re.DOTALL)
    return found[0].rstrip() + "\n" if found else ""


def part(selection: Selection, results: Sequence[Result], suite: str, reasons: Reasons) -> str:
    """`## Core` and all below it."""
    passed = sum(result.outcome == "passed" for result in results)
    lines = [
        f"## {selection.name.capitalize()}",
        "",
        f"**{passed} of {len(results)} passed** (goal: {selection.goal}). {suite}",
        "",
        *_areas(results),
        *_failures(results, reasons),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _areas(results: Sequence[Result]) -> list[str]:
    total: Counter[str] = Counter()
    ended: Counter[tuple[str, str]] = Counter()
    for result in results:
        area = area_of(result.name, result.marks)
        total[area] += 1
        ended[area, result.outcome] += 1
    rows = [
        f"| {area} | {ended[area, 'passed']} | {total[area] - ended[area, 'passed']} | {total[area]} |"
        for area in sorted(total, key=str.lower)
    ]
    return ["| area | passed | failed | total |", "|---|--:|--:|--:|", *rows, ""]


def _failures(results: Sequence[Result], reasons: Reasons) -> list[str]:
    failed = [result for result in results if result.outcome != "passed"]
    if not failed:
        return []
    found = {result.name: reasons.of(result.name) for result in failed}
    kinds = Counter(reason.kind if reason else NOT_EXPLAINED for reason in found.values())
    counts = [f"* {kinds[kind]}: {meaning}" for kind, meaning in KINDS.items() if kinds[kind]]
    if kinds[NOT_EXPLAINED]:
        counts.append(f"* {kinds[NOT_EXPLAINED]}: {NOT_EXPLAINED}")
    lines = ["### What fails, and why", "", *counts, "", "| test | area | reason |", "|---|---|---|"]
    for result in failed:
        reason = found[result.name]
        text = f"{reason.kind}: {reason.text}" if reason else NOT_EXPLAINED
        skipped = " (skipped)" if result.outcome == "skipped" else ""
        lines.append(f"| `{result.name}`{skipped} | {area_of(result.name, result.marks)} | {text} |")
    return lines
