"""AWS Signature Version 4 of small requests whose body is at hand. Pure.

IAM User Guide, "Create a signed AWS API request". What botocore's signer does for every kind of request and service
costs an order more than the request itself; see docs/decisions/0100-orders.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

_ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs for one key, region and service (`s3`, `iam`)."""

    def __init__(self, access_key_id: str, secret_access_key: str, region: str, service: str) -> None:
        self._access_key_id = access_key_id
        self._secret = secret_access_key
        self._region = region
        self.service = service
        self._day_key = ("", b"")

    def signed(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, moment: str
    ) -> dict[str, str]:
        """`headers` with what makes them signed. Their names are in lower case, `host` is among them; `path` and
        `query` are percent-encoded, the query in the order of its names. `moment`: yyyymmddThhmmssZ, of now."""
        content = sha256(body).hexdigest()
        whole = {**headers, "x-amz-content-sha256": content, "x-amz-date": moment}
        names = sorted(whole)
        lines = "".join(f"{name}:{whole[name]}\n" for name in names)
        signed_names = ";".join(names)
        request = f"{method}\n{path}\n{query}\n{lines}\n{signed_names}\n{content}"
        scope = f"{moment[:8]}/{self._region}/{self.service}/aws4_request"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(moment[:8]), text.encode(), "sha256").hex()
        whole["authorization"] = (
            f"{_ALGORITHM} Credential={self._access_key_id}/{scope}, SignedHeaders={signed_names}, "
            f"Signature={signature}"
        )
        return whole

    def _key_of(self, day: str) -> bytes:
        known, key = self._day_key
        if known != day:
            key = f"AWS4{self._secret}".encode()
            for part in (day, self._region, self.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day_key = (day, key)
        return key
