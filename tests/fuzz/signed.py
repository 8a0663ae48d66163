"""The running program, asked by somebody whose key may everything: what a signature lets through to the handlers.

Each operation of S3 and of IAM gives an input to begin with, taken from the tables of the tests of rights, so a new one
is fuzzed from its first day. An input is a request without its signature: a first line, header lines, a blank line, the
body. It is signed as it stands, whatever became of it, and must be answered by anything but a failure of the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from bucketry.store.s3 import sigv4
from bucketry.store.s3.operations import BY_NAME
from tests.fuzz.target import Target
from tests.fuzz.wire import check_answer, exchange
from tests.kit.server import Server
from tests.s3.test_operation_rights import CALLS
from tests.unit.store.gateway.iam.test_rights import FORMS, TRUST

ACCOUNT, BUCKET, DRIVER = "fuzzed", "fuzzed-bucket", "driver"
_RENEWED_EVERY = 100  # inputs: those before may have removed what the next ones need
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_STS = ("GetCallerIdentity", "GetSessionToken", "AssumeRole")
_FORM = b"content-type: application/x-www-form-urlencoded\n\n"
_SIGNED = re.compile(rb"host|x-amz-.*")
_WORDS = (
    b"?versionId=null",
    b"&versionId=",
    b"&max-keys=0",
    b"&encoding-type=url",
    b"x-amz-acl: public-read\n",
    b"x-amz-grant-read: id=1\n",
    b"x-amz-tagging: a=b&a=c\n",
    b"x-amz-server-side-encryption: AES256\n",
    b"x-amz-server-side-encryption-customer-algorithm: AES256\n",
    b"x-amz-object-lock-mode: COMPLIANCE\n",
    b"x-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z\n",
    b"x-amz-checksum-algorithm: CRC64NVME\n",
    b"x-amz-bypass-governance-retention: true\n",
    b"x-amz-copy-source-range: bytes=0-1\n",
    b"x-amz-expected-bucket-owner: 1\n",
    b"if-none-match: *\n",
    b"range: bytes=-0\n",
    b"<Date>2030-01-01T00:00:00Z</Date>",
    b"<Days>99999999999</Days>",
    b"<ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan>",
    b"<Filter><And><Prefix>a</Prefix></And></Filter>",
    b"&Marker=",
    b"&MaxItems=1",
    b"&PathPrefix=/",
    b"&Tags.member.1.Key=",
    b"&Policy=",
    b"%FF",
)


class SignedServer:
    """The target: a user with all rights in an account of its own, and what the operations are about."""

    def __init__(self, server: Server) -> None:
        self._port = server.port("s3")
        root = server.create_account(ACCOUNT)
        self._s3, self._iam = (server.client(service, root) for service in ("s3", "iam"))
        self._iam.create_user(UserName=DRIVER)
        self._iam.put_user_policy(UserName=DRIVER, PolicyName="all", PolicyDocument=json.dumps(_ALL))
        made = self._iam.create_access_key(UserName=DRIVER)["AccessKey"]
        self._key_id, self._secret = made["AccessKeyId"], made["SecretAccessKey"]
        arn = f"arn:aws:iam::{root['account_id']}:"
        self._known = {"ARN": f"{arn}policy/shared", "ALICE": f"{arn}user/alice", "ROLE": f"{arn}role/deputy"}
        self._upload = ""
        self._count = 0
        self._renew()

    def target(self) -> Target:
        return Target("signed", self.check, [*self._requests(), *self._forms()], _WORDS)

    def check(self, data: bytes) -> None:
        self._count += 1
        if self._count % _RENEWED_EVERY == 0:
            self._renew()
        check_answer(exchange(self._port, self._signed(data)))

    def _renew(self) -> None:
        """Make again what is asked about, where it is gone."""
        s3, iam = self._s3, self._iam
        documents = {"PolicyDocument": json.dumps(_ALL)}
        for make, named in (
            (s3.create_bucket, {"Bucket": BUCKET}),
            (s3.delete_bucket_policy, {"Bucket": BUCKET}),
            (s3.put_object, {"Bucket": BUCKET, "Key": "victim", "Body": b"kept"}),
            (iam.create_user, {"UserName": "alice"}),
            (iam.create_group, {"GroupName": "crew"}),
            (iam.create_policy, {"PolicyName": "shared", **documents}),
            (iam.create_role, {"RoleName": "deputy", "AssumeRolePolicyDocument": TRUST}),
            (iam.put_user_policy, {"UserName": "alice", "PolicyName": "main", **documents}),
        ):
            with contextlib.suppress(ClientError):
                make(**named)
        with contextlib.suppress(ClientError):
            self._upload = s3.create_multipart_upload(Bucket=BUCKET, Key="upload")["UploadId"]
            s3.upload_part(Bucket=BUCKET, Key="upload", UploadId=self._upload, PartNumber=1, Body=b"x")

    def _requests(self) -> Iterable[bytes]:
        for name, call in CALLS.items():
            lines = [f"s3 {BY_NAME[name].method} {call.target}", *(f"{n}: {v}" for n, v in call.headers.items())]
            head = "\n".join(lines).replace("BUCKET", BUCKET).replace("NEW", "fuzzed-new")
            yield head.encode() + b"\n\n" + call.body.replace(b"BUCKET", BUCKET.encode())

    def _forms(self) -> Iterable[bytes]:
        for name, form in FORMS.items():
            service, version = ("sts", "2011-06-15") if name in _STS else ("iam", "2010-05-08")
            fields = {field: self._known.get(value, value) for field, value in form.items()}
            body = urlencode({"Action": name, "Version": version, **fields})
            yield f"{service} POST /\n".encode() + _FORM + body.encode()

    def _signed(self, data: bytes) -> bytes:
        """The request on the wire. What no longer looks like one becomes a GET of the bucket."""
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        words = first.split(b" ")
        service, method, target = words if len(words) == 3 else (b"s3", b"GET", b"/" + BUCKET.encode())
        path, mark, query = target.partition(b"?")  # an upload's id looks like a secret, and paths are logged
        target = path + mark + query.replace(b"UPLOAD", self._upload.encode())
        scope_service = service.decode() if service in (b"iam", b"sts") else "s3"
        fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest().encode()
        fields = [pair for pair in fields if pair[0] not in (b"content-length", b"transfer-encoding")]
        fields += [(b"host", b"localhost"), (b"x-amz-date", moment.encode()), (b"x-amz-content-sha256", digest)]
        fields += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        fields.append((b"authorization", self._authorization(scope_service, method, target, fields, moment, digest)))
        wire = b"%b %b HTTP/1.1\r\n" % (method, target)
        return wire + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n" + body

    def _authorization(
        self, service: str, method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], moment: str, digest: bytes
    ) -> bytes:
        def text(raw: bytes) -> str:
            return raw.decode("utf-8", "surrogateescape")

        path, _, query = target.partition(b"?")
        values: dict[str, list[str]] = {}
        for name, value in fields:
            if _SIGNED.fullmatch(name):
                values.setdefault(text(name), []).append(" ".join(text(value).split()))
        names = ";".join(sorted(values))
        try:
            canonical = f"{text(method)}\n{sigv4.canonical_path(text(path))}\n{sigv4.canonical_query(text(query))}\n"
        except Exception:  # what can't be signed is sent all the same
            canonical = ""
        canonical += "".join(f"{name}:{','.join(values[name])}\n" for name in sorted(values)) + f"\n{names}\n"
        hashed = hashlib.sha256((canonical + digest.decode()).encode("utf-8", "surrogateescape")).hexdigest()
        scope = f"{moment[:8]}/us-east-1/{service}/aws4_request"
        key = sigv4.signing_key(self._secret, moment[:8], "us-east-1", service)
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}".encode(), "sha256").hex()
        return (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        ).encode("utf-8", "surrogateescape")
