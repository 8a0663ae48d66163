"""Who calls: the administrator's bearer token, the broker's basic credentials (RFC 6750, RFC 7617).

Values are given by serve/, which makes and keeps them. They are held as digests and compared in constant time, so
neither a dump of this object nor the time of an answer tells them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is behind a request that was let in."""

    name: str
    is_admin: bool


class BearerToken:
    """One token of one actor."""

    def __init__(self, token: str, actor: Actor) -> None:
        if not token:
            raise ValueError("a token must not be empty")
        self._digest = _digest(token.encode())
        self._actor = actor

    def actor(self, authorization: str | None) -> Actor | None:
        """Whose `Authorization` header this is; None: nobody's."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self.actor_of_token(token.strip())

    def actor_of_token(self, token: str) -> Actor | None:
        """Whose token this is; None: nobody's."""
        return self._actor if _is_same(token.encode("utf-8", "surrogateescape"), self._digest) else None


class BasicCredentials:
    """One pair of user name and password of one actor."""

    def __init__(self, username: str, password: str, actor: Actor) -> None:
        if not username or not password or ":" in username:
            raise ValueError("a user name and a password must be given, and the name must hold no colon")
        self._digest = _digest(f"{username}:{password}".encode())
        self._actor = actor

    def actor(self, authorization: str | None) -> Actor | None:
        """Whose `Authorization` header this is; None: nobody's, or not one that can be read."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            pair = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):  # ValueError: characters outside ASCII
            return None
        return self._actor if _is_same(pair, self._digest) else None


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _is_same(value: bytes, digest: bytes) -> bool:
    return hmac.compare_digest(_digest(value), digest)
