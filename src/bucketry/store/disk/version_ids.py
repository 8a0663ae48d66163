"""Names of object versions: nobody can guess one, and each tells the index where its row lies.

Amazon S3 User Guide, "Version IDs": opaque, URL-ready text of at most 1,024 bytes. A name here is 32 characters: 16
random bytes, and the version's sequence hidden by a digest of them, so that ids tell neither order nor number, and a
look-up is one search however many versions a key has. The row holds the name whole, and it must match whole.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from hashlib import blake2b

_ALTERNATIVES = b"._"  # no hyphen: a command line would take an id that begins with it for an option
_SHAPE = re.compile(r"[A-Za-z0-9._]{32}", re.ASCII)
_RANDOM_BYTES = 16
_SEQUENCE_BYTES = 8
_MAX_SEQUENCE = 2**48  # three writes a microsecond for three years; beyond it, it is no id that was given out


def make(sequence: int) -> str:
    """A new name for the version with this sequence."""
    salt = secrets.token_bytes(_RANDOM_BYTES)
    hidden = (sequence ^ _mask(salt)).to_bytes(_SEQUENCE_BYTES)
    return b64encode(salt + hidden, _ALTERNATIVES).decode("ascii")


def sequence_of(version_id: str) -> int | None:
    """The sequence that a name tells; None: no name that was ever given out looks so."""
    if not _SHAPE.fullmatch(version_id):
        return None
    raw = b64decode(version_id, _ALTERNATIVES)
    sequence = int.from_bytes(raw[_RANDOM_BYTES:]) ^ _mask(raw[:_RANDOM_BYTES])
    return sequence if 0 < sequence < _MAX_SEQUENCE else None


def _mask(salt: bytes) -> int:
    return int.from_bytes(blake2b(salt, digest_size=_SEQUENCE_BYTES, person=b"s3 version").digest())
