"""The table says what happened, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.areas import AREAS, area_of
from tests.conformance.reasons import KINDS, Reasons
from tests.conformance.report import page
from tests.conformance.running import Result, last_results, read_results
from tests.conformance.selection import SELECTIONS

REASONS = """
[[reason]]
kind = "ceph"
text = "AWS answers otherwise."
tests = ["test_bucket_list_*"]

[[reason]]
kind = "scope"
text = "Nobody asks for it."
tests = ["test_bucket_list_odd"]
"""


def _result(name: str, outcome: str = "passed", *marks: str) -> Result:
    return Result(name, frozenset(marks), outcome, "", 0.1, True)


@pytest.fixture
def reasons(tmp_path: Path) -> Reasons:
    (tmp_path / "reasons.toml").write_text(REASONS)
    return Reasons(tmp_path / "reasons.toml")


def test_area_counts_and_reasons_are_in_the_page(reasons: Reasons) -> None:
    results = [
        _result("test_bucket_list_a"),
        _result("test_bucket_list_b", "failed"),
        _result("test_bucket_list_odd", "failed"),
        _result("test_multipart_c", "failed"),
        _result("test_object_copy_d", "skipped"),
    ]
    text = page("", SELECTIONS["core"], results, "A suite.", reasons)
    assert "**1 of 5 passed**" in text
    assert "| listing | 1 | 2 | 3 |" in text
    assert "| `test_bucket_list_b` | listing | ceph: AWS answers otherwise. |" in text
    assert "| `test_bucket_list_odd` | listing | scope: Nobody asks for it. |" in text
    assert "| `test_multipart_c` | multipart | not explained yet |" in text
    assert "| `test_object_copy_d` (skipped) | copy | not explained yet |" in text


def test_a_run_replaces_its_own_part_alone(reasons: Reasons) -> None:
    both = page("", SELECTIONS["core"], [_result("test_a")], "First.", reasons)
    both = page(both, SELECTIONS["extended"], [_result("test_b")], "Second.", reasons)
    renewed = page(both, SELECTIONS["core"], [_result("test_a", "failed")], "Third.", reasons)
    assert "First." not in renewed
    assert renewed.index("## Core") < renewed.index("Third.") < renewed.index("## Extended") < renewed.index("Second.")


def test_every_reason_has_a_kind_and_stands_once() -> None:
    named = [name for reason in Reasons().all for name in reason.tests]
    assert {reason.kind for reason in Reasons().all} <= set(KINDS)
    assert len(named) == len(set(named))
    assert all(reason.text.endswith(".") and "|" not in reason.text for reason in Reasons().all)


def test_reason_without_failure_is_told(reasons: Reasons) -> None:
    assert reasons.unused({"test_bucket_list_x"}) == ["test_bucket_list_odd"]


@pytest.mark.parametrize(
    ("name", "marks", "area"),
    [
        ("test_bucket_listv2_delimiter_alt", {"list_objects_v2"}, "listing"),
        ("test_multipart_upload", set(), "multipart"),
        ("test_versioning_obj_list_marker", set(), "versioning"),
        ("test_cors_origin_response", set(), "CORS"),
        ("test_post_object_wrong_bucket", set(), "POST forms"),
        ("test_object_write_read_update_read_delete", set(), "objects"),
    ],
)
def test_tests_are_sorted_into_areas(name: str, marks: set[str], area: str) -> None:
    assert area_of(name, marks) == area
    assert area in AREAS


def test_only_the_body_of_a_test_decides(tmp_path: Path) -> None:
    phases = [
        {"setup": "passed", "call": "passed", "teardown": "failed"},
        {"setup": "failed", "teardown": "passed"},
        {"setup": "skipped", "teardown": "passed"},
        {"setup": "passed"},  # its process died
    ]
    lines = tmp_path / "lines.jsonl"
    lines.write_text(
        "\n".join(
            json.dumps({"test": f"f.py::test_{n}", "phases": each, "message": "", "seconds": 1, "marks": []})
            for n, each in enumerate(phases)
        )
    )
    results = read_results(lines)
    assert [result.outcome for result in results] == ["passed", "failed", "skipped", "failed"]
    assert [result.cleaned_up for result in results] == [False, True, True, False]


def test_only_a_whole_run_is_explained_again(tmp_path: Path) -> None:
    core = SELECTIONS["core"]
    line = {"phases": {"setup": "passed", "call": "passed"}, "message": "", "seconds": 1, "marks": []}
    lines = [json.dumps({"test": f"f.py::test_{number}", **line}) for number in range(core.expected)]
    (tmp_path / "core.jsonl").write_text("\n".join(lines))
    assert len(last_results(core, tmp_path)) == core.expected
    (tmp_path / "core.jsonl").write_text("\n".join(lines[1:]))
    for selection in (core, SELECTIONS["extended"]):
        with pytest.raises(SystemExit, match="no whole run"):
            last_results(selection, tmp_path)
