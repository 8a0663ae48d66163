"""Secrets at rest: AES-256-GCM under a master key that lies apart from the databases.

A sealed value is `version (1 byte) | key id (8 bytes) | nonce (12 bytes) | ciphertext and tag`. The context (what the
value is and whom it belongs to) is authenticated with it, so that a value moved to another row does not open.
Source: NIST SP 800-38D (GCM); nonces are random, far below 2^32 values a key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE_BYTES = 32
ID_SIZE_BYTES = 8
_VERSION = b"\x01"
_NONCE_SIZE_BYTES = 12
_HEAD = 1 + ID_SIZE_BYTES
_BODY = _HEAD + _NONCE_SIZE_BYTES


class EnvelopeError(Exception):
    """A sealed value that does not open: another master key, another row's value, or damage."""


def key_id(key: bytes) -> bytes:
    """What tells keys apart without showing anything of them: 8 bytes."""
    return hashlib.sha256(b"bucketry master key id" + key).digest()[:ID_SIZE_BYTES]


def sealed_with(sealed: bytes) -> bytes:
    """The id of the key that a sealed value needs."""
    return sealed[1 : 1 + ID_SIZE_BYTES]


Keys = Sequence[bytes]


class Envelope:
    """Seals and opens short secrets. The first key seals; the others only open (rotation)."""

    def __init__(self, keys: Keys | Callable[[], Keys]) -> None:
        """`keys` that may change are asked for whenever one seals and when a value needs an unknown one; the answer is
        the same object while nothing changed."""
        self._ask = keys if callable(keys) else lambda: keys
        self._ring = self._read(self._ask())

    @staticmethod
    def _read(keys: Keys) -> tuple[Keys, bytes, dict[bytes, AESGCM]]:
        if not keys or any(len(key) != KEY_SIZE_BYTES for key in keys):
            raise EnvelopeError("the master key must be 32 bytes")
        return keys, key_id(keys[0]), {key_id(key): AESGCM(key) for key in keys}

    def _look(self) -> tuple[Keys, bytes, dict[bytes, AESGCM]]:
        keys = self._ask()
        if keys is not self._ring[0]:
            self._ring = self._read(keys)
        return self._ring

    @property
    def sealing_id(self) -> bytes:
        """The id of the key that seals now."""
        return self._look()[1]

    def knows(self, of_key: bytes) -> bool:
        """Whether what was sealed with the key of this id opens."""
        return of_key in self._ring[2] or of_key in self._look()[2]

    def seal(self, secret: str, context: str) -> bytes:
        """Encrypt `secret` so that it opens under the same `context` alone."""
        nonce = os.urandom(_NONCE_SIZE_BYTES)
        _, sealing_id, ciphers = self._look()
        return _VERSION + sealing_id + nonce + ciphers[sealing_id].encrypt(nonce, secret.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """The secret again; EnvelopeError says why not, without showing anything of it."""
        if sealed[:1] != _VERSION:
            raise EnvelopeError("a sealed secret has an unknown form; was it written by a newer bucketry?")
        needed = sealed_with(sealed)
        cipher = self._ring[2].get(needed) or self._look()[2].get(needed)
        if cipher is None:
            raise EnvelopeError("a secret was sealed with another master key; put that key back beside the data")
        try:
            return cipher.decrypt(sealed[_HEAD:_BODY], sealed[_BODY:], context.encode()).decode()
        except InvalidTag:
            raise EnvelopeError("a sealed secret is damaged or was moved to another place") from None


def resealed(envelope: Envelope, sealed: bytes, context: str) -> bytes | None:
    """The same secret under the key that seals now; None: it is already. EnvelopeError."""
    if sealed_with(sealed) == envelope.sealing_id:
        return None
    return envelope.seal(envelope.open(sealed, context), context)


def new_key() -> bytes:
    """A fresh master key."""
    return os.urandom(KEY_SIZE_BYTES)


def derive_key(master: bytes, purpose: str) -> bytes:
    """A key for one purpose, so that no two parts ever share one. Source: RFC 5869 (HKDF-SHA-256)."""
    info = f"bucketry {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_SIZE_BYTES, salt=None, info=info).derive(master)
