"""Secrets at rest: AES-256-GCM under a master key that lies apart from the databases.

A sealed value is `version (1 byte) | key id (8 bytes) | nonce (12 bytes) | ciphertext and tag`. The context (what the
value is and whom it belongs to) is authenticated with it, so that a value moved to another row does not open.
Source: NIST SP 800-38D (GCM); nonces are random, far below 2^32 values a key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE_BYTES = 32
_VERSION = b"\x01"
_NONCE_SIZE_BYTES = 12


class EnvelopeError(Exception):
    """A sealed value that does not open: another master key, another row's value, or damage."""


class Envelope:
    """Seals and opens short secrets. The first key seals; the others only open (rotation)."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_SIZE_BYTES for key in keys):
            raise EnvelopeError("the master key must be 32 bytes")
        self._ciphers = {self._key_id(key): AESGCM(key) for key in keys}
        self._sealing_id = self._key_id(keys[0])

    @staticmethod
    def _key_id(key: bytes) -> bytes:
        return hashlib.sha256(b"bucketry master key id" + key).digest()[:8]

    def seal(self, secret: str, context: str) -> bytes:
        """Encrypt `secret` so that it opens under the same `context` alone."""
        nonce = os.urandom(_NONCE_SIZE_BYTES)
        sealed = self._ciphers[self._sealing_id].encrypt(nonce, secret.encode(), context.encode())
        return _VERSION + self._sealing_id + nonce + sealed

    def open(self, sealed: bytes, context: str) -> str:
        """The secret again; EnvelopeError says why not, without showing anything of it."""
        if sealed[:1] != _VERSION:
            raise EnvelopeError("a sealed secret has an unknown form; was it written by a newer bucketry?")
        cipher = self._ciphers.get(sealed[1:9])
        if cipher is None:
            raise EnvelopeError("a secret was sealed with another master key; put that key back beside the data")
        try:
            return cipher.decrypt(sealed[9:21], sealed[21:], context.encode()).decode()
        except InvalidTag:
            raise EnvelopeError("a sealed secret is damaged or was moved to another place") from None


def new_key() -> bytes:
    """A fresh master key."""
    return os.urandom(KEY_SIZE_BYTES)


def derive_key(master: bytes, purpose: str) -> bytes:
    """A key for one purpose, so that no two parts ever share one. Source: RFC 5869 (HKDF-SHA-256)."""
    info = f"bucketry {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_SIZE_BYTES, salt=None, info=info).derive(master)
