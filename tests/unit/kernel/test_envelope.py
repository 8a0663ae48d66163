"""Secrets at rest open where they belong and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.kernel.envelope import Envelope, EnvelopeError, derive_key, new_key

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.text(), st.text())
def test_what_was_sealed_opens_again(secret: str, context: str) -> None:
    envelope = Envelope([KEY])
    assert envelope.open(envelope.seal(secret, context), context) == secret


def test_a_sealed_value_shows_nothing_and_never_repeats() -> None:
    envelope = Envelope([KEY])
    first, second = envelope.seal("the-secret", "row 1"), envelope.seal("the-secret", "row 1")
    assert b"the-secret" not in first
    assert first != second


def test_a_value_moved_to_another_row_does_not_open() -> None:
    envelope = Envelope([KEY])
    with pytest.raises(EnvelopeError, match="moved"):
        envelope.open(envelope.seal("s", "row 1"), "row 2")


def test_another_master_key_does_not_open_and_says_so() -> None:
    with pytest.raises(EnvelopeError, match="another master key"):
        Envelope([OTHER]).open(Envelope([KEY]).seal("s", "c"), "c")


def test_an_older_key_still_opens_while_the_newest_seals() -> None:
    old = Envelope([KEY]).seal("s", "c")
    both = Envelope([OTHER, KEY])
    assert both.open(old, "c") == "s"
    assert Envelope([OTHER]).open(both.seal("s", "c"), "c") == "s"


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    envelope = Envelope([KEY])
    sealed = bytearray(envelope.seal("secret", "c"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(EnvelopeError):
        envelope.open(bytes(sealed), "c")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="32 bytes"):
        Envelope([b"short"])


def test_keys_of_two_purposes_differ_and_stay() -> None:
    master = new_key()
    assert derive_key(master, "a") == derive_key(master, "a") != derive_key(master, "b")
    assert len(derive_key(master, "a")) == 32
