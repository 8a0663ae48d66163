"""Names that nobody can guess or repeat: request ids, tokens, passwords, identifiers of things."""

from __future__ import annotations

import random
import secrets
import uuid

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def random_text(length: int, alphabet: str = _ALPHANUMERIC) -> str:
    """`length` characters of `alphabet`, from the system's random source. Safe for secrets."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def access_key_id() -> str:
    """20 characters: the prefix BKRY, then 80 random bits in base32. Not a secret."""
    return "BKRY" + random_text(16, _BASE32)


def secret_access_key() -> str:
    """40 characters, 238 random bits. Without `/` and `+`, which break URIs made by hand."""
    return random_text(40)


def token() -> str:
    """A bearer token: 43 characters, 256 random bits."""
    return secrets.token_urlsafe(32)


def guid() -> str:
    """A random UUID in its usual form."""
    return str(uuid.uuid4())


def hex_id(size_bytes: int = 8) -> str:
    """`size_bytes` random bytes as lower-case hex."""
    return secrets.token_hex(size_bytes)


def request_id() -> str:
    """16 hex digits, as AWS's request ids look. Unique, not secret; cheap, since each request has one."""
    return f"{random.getrandbits(64):016X}"
