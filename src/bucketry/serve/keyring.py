"""`DATA/keyring.json`: what a rotation of the master key leaves to be opened, and how far one is that was begun.

Keys of two purposes outlive the master key that they come from: that of encrypted objects, whose seals are never
written anew (a seal stands in each record of a segment), and for some days that of session tokens, which are in their
owners' hands. A rotation keeps both here, sealed under the newest master key. No master key can be found from them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bucketry.kernel.envelope import Envelope, EnvelopeError, derive_key
from bucketry.serve.errors import ServeError

STORE_IDENTITY = "store identity"
STORE_OBJECTS = "store objects"
MARKETPLACE_RECORDS = "marketplace records"
_PURPOSE = "keyring"
TOKENS_LIVE_MS = 37 * 3_600_000  # no session is longer than 36 hours


class Kept(msgspec.Struct, frozen=True):
    """A derived key of an earlier master key. `until_ms` None: for as long as there are objects."""

    purpose: str
    sealed: str = msgspec.field(default="")
    until_ms: int | None = None

    def __repr__(self) -> str:
        return f"Kept({self.purpose!r})"

    def is_over(self, now_ms: int) -> bool:
        return self.until_ms is not None and self.until_ms <= now_ms


class Keyring(msgspec.Struct, frozen=True):
    """The file. `rotating_to` is the id of the master key that a rotation brings in; "": none is under way."""

    rotating_to: str = ""
    kept: tuple[Kept, ...] = ()


def read(path: Path) -> Keyring:
    """The keyring, empty where there is none. ServeError: it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Keyring)
    except FileNotFoundError:
        return Keyring()
    except msgspec.DecodeError:
        raise ServeError(
            f"{path} is damaged, and encrypted objects may not open without it. Put it back from a snapshot."
        ) from None


def encode(keyring: Keyring) -> bytes:
    return msgspec.json.format(msgspec.json.encode(keyring), indent=2) + b"\n"


def open_kept(keyring: Keyring, masters: Sequence[bytes], purpose: str, now_ms: int) -> list[bytes]:
    """The keys kept for a purpose that these master keys open."""
    envelope, found = _envelope(masters), []
    for kept in keyring.kept:
        if kept.purpose == purpose and not kept.is_over(now_ms):
            try:
                found.append(_open(envelope, kept))
            except EnvelopeError:
                continue  # what needs it says so
    return found


def sealed_anew(
    keyring: Keyring, masters: Sequence[bytes], now_ms: int, *, with_tokens: bool = True
) -> tuple[Kept, ...]:
    """All that is kept, and what the master keys but the first leave to be kept, sealed under the first.

    `with_tokens` False: nothing is kept that opens session tokens. ServeError: something opens under none of them.
    """
    envelope = _envelope(masters)
    keys: dict[tuple[str, bytes], int | None] = {}
    for kept in keyring.kept:
        if not kept.is_over(now_ms):
            try:
                keys[kept.purpose, _open(envelope, kept)] = kept.until_ms
            except EnvelopeError as error:
                raise ServeError(f"The keyring can't be sealed anew: {error}.") from None
    for master in masters[1:]:
        keys.setdefault((STORE_OBJECTS, derive_key(master, STORE_OBJECTS)), None)
        keys.setdefault((STORE_IDENTITY, derive_key(master, STORE_IDENTITY)), now_ms + TOKENS_LIVE_MS)
    first = {derive_key(masters[0], purpose) for purpose in (STORE_OBJECTS, STORE_IDENTITY)}
    return tuple(
        Kept(purpose, _seal(envelope, purpose, key), until_ms)
        for (purpose, key), until_ms in keys.items()
        if key not in first and (with_tokens or purpose != STORE_IDENTITY)
    )


def _envelope(masters: Sequence[bytes]) -> Envelope:
    return Envelope([derive_key(master, _PURPOSE) for master in masters])


def _open(envelope: Envelope, kept: Kept) -> bytes:
    try:
        sealed = base64.b64decode(kept.sealed, validate=True)
        return bytes.fromhex(envelope.open(sealed, f"keyring|{kept.purpose}"))
    except ValueError:
        raise EnvelopeError("a key of the keyring is damaged") from None


def _seal(envelope: Envelope, purpose: str, key: bytes) -> str:
    return base64.b64encode(envelope.seal(key.hex(), f"keyring|{purpose}")).decode()
