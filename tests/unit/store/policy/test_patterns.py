"""Wildcards: what matches, and that no pattern is slow."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketry.store.policy.patterns import (
    ANY,
    STAR,
    compile_any,
    compile_pattern,
    compile_tokens,
    split_at_colons,
    split_before,
    tokens_of,
)
from tests.unit.store.policy import reference


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["", "ab", "abcd", "ABC"]),
        ("*", ["", "a", "a/b", "\n", "*"], []),
        ("**", ["", "a"], []),
        ("abc*", ["abc", "abcd", "abc/d\n"], ["ab", "xabc"]),
        ("*abc", ["abc", "xabc", "abcabc"], ["abcx"]),
        ("a*c", ["ac", "abc", "a/b/c", "acc"], ["a", "c", "acb"]),
        ("ab*ba", ["abba", "abxba"], ["aba", "ab", "ba"]),
        ("a*b*c", ["abc", "axbxc", "abbc"], ["acb", "ac"]),
        ("*a*b*", ["ab", "xaxbx", "aab"], ["ba", "a"]),
        ("?", ["a", "*", "\n", "é"], ["", "ab"]),
        ("a?c", ["abc", "a?c"], ["ac", "abbc"]),
        ("a?*", ["ab", "abc"], ["a"]),
        ("*?b", ["ab", "xxb"], ["b"]),
        ("*aba*aba*", ["abaaba", "xabayabaz"], ["ababa", "aba"]),
        ("*?ab*?ab", ["xabxab"], ["xabab", "abxab"]),
        ("*a?b*", ["a1b", "xa1by", "aa1b"], ["ab", "a12b"]),
        ("?*?", ["ab", "abc"], ["a"]),
        ("a.c", ["a.c"], ["abc"]),
        ("a[b]c", ["a[b]c"], ["abc"]),
        ("a\\*", ["a\\", "a\\x"], ["a*"]),
    ],
)
def test_pattern_matches_whole_values_only(pattern: str, matching: list[str], other: list[str]) -> None:
    for match in (compile_pattern(pattern), compile_any([tokens_of(pattern)])):
        assert [value for value in matching if not match(value)] == []
        assert [value for value in other if match(value)] == []


def test_star_in_literal_text_is_no_wildcard() -> None:
    match = compile_tokens(("a", "*", ANY, "?", STAR))
    assert match("a*x?")
    assert match("a*x?tail")
    assert not match("abx?")
    assert not match("a*xy")


def test_one_of_several_patterns_is_enough() -> None:
    match = compile_any([tokens_of(text) for text in ("one", "two*", "x*y", "three*")])
    assert [value for value in ("one", "ones", "two", "twos", "xzy", "threes", "four") if match(value)] == [
        *("one", "two", "twos", "xzy", "threes"),
    ]
    assert not compile_any([])("")
    assert compile_any([tokens_of("a"), tokens_of("*")])("anything")


small = st.text(alphabet="ab*?", max_size=12)
values = st.text(alphabet="ab*", max_size=14)


@settings(max_examples=600)
@given(small, values)
def test_matches_are_those_of_the_textbook_table(pattern: str, value: str) -> None:
    expected = reference.glob([{"*": reference.ANYTHING, "?": reference.ONE}.get(c, c) for c in pattern], value)
    assert compile_pattern(pattern)(value) is expected
    assert compile_any([tokens_of(pattern)])(value) is expected
    assert compile_any([tokens_of("zzz"), tokens_of("z*z"), tokens_of(pattern)])(value) is expected


@settings(max_examples=200)
@given(st.lists(st.one_of(st.just(STAR), st.just(ANY), values.filter(bool)), max_size=5), values)
def test_literal_tokens_are_matched_literally(tokens: list[Any], value: str) -> None:
    pattern: list[object] = []
    for token in tokens:
        pattern.extend(token if isinstance(token, str) else [reference.ANYTHING if token is STAR else reference.ONE])
    assert compile_tokens(tuple(tokens))(value) is reference.glob(pattern, value)


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 5000 + "b",
        "a*" * 5000 + "b",
        "*" + "a?" * 2000 + "b*",
        "*a?a" * 2000 + "*b",
        "?" * 4000 + "*b",
        "*?" * 4000,
    ],
)
def test_hostile_patterns_stay_fast(pattern: str) -> None:
    match = compile_pattern(pattern)
    value = "a" * 8192
    start = time.process_time()
    match(value)
    assert time.process_time() - start < 2  # a backtracking matcher needs longer than the universe has


def test_arns_are_cut_at_literal_colons_only() -> None:
    assert split_at_colons(tokens_of("a:b*:c:d"), 2) == [("a",), ("b", STAR), ("c:d",)]
    assert split_at_colons((STAR, ":", "x:y"), 5) == [(STAR,), ("x",), ("y",)]
    assert split_at_colons(("a::b",), 5) == [("a",), (), ("b",)]
    assert split_before(tokens_of("a*b/c/d"), "/") == ("a", STAR, "b")
    assert split_before(tokens_of("a*"), "/") == ("a", STAR)
