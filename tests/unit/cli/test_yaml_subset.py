"""The YAML of manifests: read as YAML means it, or refused with a line."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.cli.yaml_subset import YamlError, parse_yaml

GOOD: list[tuple[str, Any]] = [
    ("", None),
    ("# only a comment\n", None),
    ("---\n", None),
    ("text", "text"),
    ("a: 1", {"a": 1}),
    ("---\na: 1\nb: two words\n...\n", {"a": 1, "b": "two words"}),
    ("a: # comment\n  b: c # comment\n", {"a": {"b": "c"}}),
    ("a: x#y", {"a": "x#y"}),
    ("a:\n- 1\n- 2\nb: 3", {"a": [1, 2], "b": 3}),
    ("a:\n  - 1\n  - 2\n", {"a": [1, 2]}),
    ("- name: x\n  m: 1\n  env:\n    A: b\n- name: y\n", [{"name": "x", "m": 1, "env": {"A": "b"}}, {"name": "y"}]),
    ("-\n  name: x\n", [{"name": "x"}]),
    ("- - 1\n  - 2\n- 3\n", [[1, 2], 3]),
    ("- a:\n  - 1\n  b: 2\n", [{"a": [1], "b": 2}]),
    ("a:\nb: null\nc: ~\nd: ''\n", {"a": None, "b": None, "c": None, "d": ""}),
    ("a: true\nb: False\nc: 1.5\nd: 0x1F\ne: 0o17\nf: -3\ng: 1e3\nh: yes\n",
     {"a": True, "b": False, "c": 1.5, "d": 31, "e": 15, "f": -3, "g": 1000.0, "h": "yes"}),
    ("url: http://example.org:80/x\n", {"url": "http://example.org:80/x"}),
    ("a: 'it''s: # not a comment'\n", {"a": "it's: # not a comment"}),
    ('a: "x\\n\\u00e9\\"y"\n', {"a": 'x\né"y'}),
    ('"quoted key": 1\n\'another\': 2\n', {"quoted key": 1, "another": 2}),
    ("a: [1, two, 'three, 3', [4], {five: 5}]\n", {"a": [1, "two", "three, 3", [4], {"five": 5}]}),
    ("a: {b: [1], \"c\": d, e: }\n", {"a": {"b": [1], "c": "d", "e": None}}),
    ("a: []\nb: {}\n", {"a": [], "b": {}}),
    ("a: [1,\n    2, # comment\n    3]\n", {"a": [1, 2, 3]}),
    ("a: {don't: x}\n", {"a": {"don't": "x"}}),
    ("a: one\n  two\n  three\nb: 1\n", {"a": "one two three", "b": 1}),
    ("a: |\n  line 1\n    indented\n\n  line 2\nb: 1\n", {"a": "line 1\n  indented\n\nline 2\n", "b": 1}),
    ("a: |-\n  x\n  y\n", {"a": "x\ny"}),
    ("a: >\n  x\n  y\n\n  z\n", {"a": "x y\nz\n"}),
    ("command: python -m http.server $PORT --bind ::1\n", {"command": "python -m http.server $PORT --bind ::1"}),
    ("- -x\n- -1\n", ["-x", -1]),
    ("a: -\n", {"a": "-"}),
    ("a b: c d\n", {"a b": "c d"}),
    ("\n\na: 1\n\n\n  # c\nb: 2\n\n", {"a": 1, "b": 2}),
]  # fmt: skip

BAD: list[tuple[str, str]] = [
    ("a: &anchor 1", "line 1: anchors"),
    ("a: *alias", "aliases"),
    ("a: !!python/object:os.system x", "tags"),
    ("a: 1\n<<: *base\n", "line 2: merge keys"),
    ("? a\n: b\n", "complex keys"),
    ("%YAML 1.2\n---\na: 1\n", "directives"),
    ("a: 1\n---\nb: 2\n", "line 2: only one document"),
    ("a:\n\tb: 1\n", "tabs"),
    ("a: 1\n  b: 2\n", "line 2"),
    ("a:\n    b: 1\n  c: 2\n", "line 3"),
    ("a: 1\na: 2\n", "'a' is given twice"),
    ("a: {b: 1, b: 2}\n", "'b' is given twice"),
    ("a: b: c\n", "must be quoted"),
    ("a: [1, 2\nb: 3\n", "never closed"),
    ('a: "x\n', "never closed"),
    ("a: 'x' y\n", "unexpected text"),
    ("a: [1,,2]\n", "missing"),
    ("a: {b c}\n", ": is missing"),
    ("a: @b\n", "quotes"),
    ("a: 1\nb\n", "line 2"),
    ('a: "\\q"\n', "escape"),
    ('a: "\\ud800"\n', "no character"),
    ("[" * 100_000, "never closed"),
    ("[" * 1000 + "]" * 1000, "nested deeper"),
    ("- " * 1000 + "x", "nested deeper"),
]


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_what_yaml_means_is_read(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_is_not_understood_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(YamlError, match=r"line [0-9]+: ") as refused:
        parse_yaml(text)
    assert reason in str(refused.value)


@given(st.text(alphabet="ab:-#'\"[]{}|>&*!?%@, \n\t0.~\\", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(YamlError):
        parse_yaml(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc 1'", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    assert parse_yaml(json.dumps({"value": value}, ensure_ascii=False)) == {"value": value}
