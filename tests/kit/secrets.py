"""Secrets in logs: every test server logs all it can, and its log is searched when it ends.

Two searches. By value: what the data folder's admin.json and master.key hold. By shape: every secret of ours is 40
letters and digits (secret access keys) or 43 characters of base64url (tokens, passwords), so that one issued and
revoked long ago is found as well; a customer's key is 32 bytes in base64, a session token long. Each also in the forms
in which it travels: percent-encoded and in base64.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path
from urllib.parse import unquote

_KEY = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9]{40}(?![A-Za-z0-9_+/=-])")
_TOKEN = re.compile(r"(?<![A-Za-z0-9_+/=.-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_+/=.-])")
_CUSTOMERS_KEY = re.compile(r"(?<![A-Za-z0-9+/=-])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])")
_SESSION_TOKEN = re.compile(r"[A-Za-z0-9_-]{200,}")
_SHAPES = (_KEY, _TOKEN, _CUSTOMERS_KEY, _SESSION_TOKEN)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_SECRET_FIELDS = ("token", "broker_password", "secret_access_key")


def leaked(log: str, data: Path) -> list[str]:
    """The lines of `log` that hold a secret, cut to what surrounds it. `data`: the server's folder."""
    known = _known(data)
    return [line[:300] for line in log.splitlines() if any(_is_telling(text, known) for text in _forms(line))]


def _forms(line: str) -> list[str]:
    """A line as it is, decoded as a URI, and what its words are in base64."""
    plain = [line]
    if "%" in line:
        plain.append(unquote(line))
    decoded = []
    for text in plain:
        for word in _BASE64.findall(text):
            decode = urlsafe_b64decode if "-" in word or "_" in word else b64decode
            try:
                decoded.append(decode(word.rstrip("=") + "=" * (-len(word.rstrip("=")) % 4)).decode("ascii"))
            except ValueError:
                continue
    return plain + decoded


def _is_telling(text: str, known: list[str]) -> bool:
    return any(secret in text for secret in known) or any(
        _is_mixed(found) for shape in _SHAPES for found in shape.findall(text)
    )


def _is_mixed(word: str) -> bool:
    """Capitals, small letters and digits, and many different ones: so are random words of 40 characters and more, but
    neither names nor hashes, nor what repeats a few letters again and again."""
    is_varied = len(set(word)) >= min(len(word) // 2, 40)
    return is_varied and bool(re.search("[A-Z]", word) and re.search("[a-z]", word) and re.search("[0-9]", word))


def _known(data: Path) -> list[str]:
    known = []
    admin, master = data / "admin.json", data / "master.key"
    if admin.exists():
        said = json.loads(admin.read_text())
        known += [said[name] for name in _SECRET_FIELDS if said.get(name)]
    if master.exists():
        known += master.read_text().split()
    return known
