"""Targets inside this process: every parser of what clients send answers or refuses in the ways it names, quickly.

Where bytes come in pieces, the pieces must not matter.
"""

from __future__ import annotations

import contextlib
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

from bucketry.store.disk.version_ids import sequence_of
from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.validation import parse_bucket_policy, parse_identity_policy, parse_trust_policy
from bucketry.store.s3 import (
    acl_requests,
    buckets,
    copying,
    cors,
    dates,
    deleting,
    list_query,
    multipart,
    names,
    object_lock,
    post_policy,
    query,
    ranges,
    sigv2,
    sigv4,
    tagging,
    versioning,
    website,
)
from bucketry.store.s3.chunked import decoder_for
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.form_data import FormParser, boundary_of
from bucketry.store.s3.headers import Headers
from tests.fuzz.target import Target

MAX_SECONDS = 2.0  # for one input of at most 64 KiB; more would hold up a worker


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _quickly(run: Callable[[], object]) -> None:
    begun = time.process_time()
    with contextlib.suppress(S3Error, MalformedPolicy):
        run()
    assert time.process_time() - begun < MAX_SECONDS, "it takes too long"


DOCUMENTS: tuple[Callable[[bytes], object], ...] = (
    acl_requests.parse_document,
    buckets.parse_ownership,
    buckets.parse_access_block,
    cors.parse,
    deleting.parse_delete,
    lambda body: multipart.parse_complete(body, "upload"),
    object_lock.parse_configuration,
    object_lock.parse_retention,
    object_lock.parse_hold,
    tagging.parse_object_tagging,
    tagging.parse_bucket_tagging,
    versioning.parse_versioning,
    website.parse,
)


def check_documents(data: bytes) -> None:
    for parse in DOCUMENTS:
        _quickly(partial(parse, data))


def check_policies(data: bytes) -> None:
    text = _text(data)
    _quickly(lambda: parse_bucket_policy(text, "bucket"))
    _quickly(lambda: parse_identity_policy(text))
    _quickly(lambda: parse_trust_policy(text))
    _quickly(lambda: post_policy.parse_policy(text))
    _quickly(lambda: post_policy.parse_policy(b64encode(data).decode()))


def check_heads(data: bytes) -> None:
    """A target, then header lines."""
    target, _, rest = data.partition(b"\n")
    fields = [line.partition(b":")[::2] for line in rest.split(b"\n")]
    headers = Headers.from_raw(fields)
    path, _, raw_query = _text(target).partition("?")
    _quickly(lambda: sigv4.parse_claim("GET", path, raw_query, headers))
    _quickly(lambda: sigv2.parse_claim(raw_query, headers))
    _quickly(lambda: sigv4.canonical_query(raw_query))
    _quickly(lambda: names.split_path(path))
    _quickly(lambda: names.decode_path(path))
    _quickly(lambda: _queries(query.parse_query(raw_query)))
    _quickly(lambda: acl_requests.parse_headers(headers, frozenset()))
    _quickly(lambda: object_lock.parse_headers(headers, 0))


def _queries(parameters: dict[str, str]) -> None:
    parsers: tuple[Callable[[dict[str, str]], Any], ...] = (
        list_query.parse_list_objects,
        list_query.parse_list_objects_v2,
        list_query.parse_list_uploads,
        list_query.parse_list_versions,
        list_query.parse_list_parts,
    )
    for parse in parsers:
        _quickly(partial(parse, parameters))


def check_words(data: bytes) -> None:
    """Values of single headers and parameters."""
    text = _text(data)
    for parse in (
        tagging.parse_tag_header,
        copying.parse_copy_source,
        list_query.read_token,
        multipart.parse_part_number,
        dates.parse_http_date,
        dates.parse_iso8601,
        dates.parse_amz_date,
        sequence_of,
        boundary_of,
        lambda value: ranges.parse_range(value, 1000),
        lambda value: copying.parse_copy_range(value, 1000),
    ):
        _quickly(partial(parse, text))


def check_forms(data: bytes) -> None:
    assert _form(data, len(data) or 1) == _form(data, 7), "the pieces in which a form comes change what it says"


def _form(data: bytes, step: int) -> object:
    parser = FormParser("xyz")
    file = bytearray()
    try:
        for at in range(0, len(data), step):
            file += parser.feed(data[at : at + step])
        parser.finish()
    except S3Error as error:
        return error.code
    return parser.fields, parser.file, bytes(file)


CLAIM = sigv4.Claim(
    "AKIA",
    "20260101",
    "us-east-1",
    "s3",
    ("host",),
    "0" * 64,
    "20260101T000000Z",
    1,
    False,
    0,
    sigv4.PayloadMode.STREAMING_SIGNED,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    None,
)


def check_chunks(data: bytes) -> None:
    for mode in (sigv4.PayloadMode.STREAMING_UNSIGNED_TRAILER, sigv4.PayloadMode.STREAMING_SIGNED):
        assert _chunks(mode, data, len(data) or 1) == _chunks(mode, data, 3), "the pieces change what a body is"


def _chunks(mode: sigv4.PayloadMode, data: bytes, step: int) -> object:
    fields = {"x-amz-decoded-content-length": "10"}
    if mode is sigv4.PayloadMode.STREAMING_UNSIGNED_TRAILER:
        fields["x-amz-trailer"] = "x-amz-checksum-crc32"
    decoder = decoder_for(mode, Headers(fields.items()), CLAIM, b"k" * 32)
    body = bytearray()
    try:
        for at in range(0, len(data), step):
            for piece in decoder.feed(data[at : at + step]):
                body += piece
        trailers = decoder.finish()
    except S3Error as error:
        return error.code
    return bytes(body), trailers


_XML = (
    b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
    b"<Delete><Quiet>true</Quiet><Object><Key>k</Key><VersionId>null</VersionId></Object></Delete>",
    b"<CORSConfiguration><CORSRule><ID>x</ID><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
    b"<AllowedHeader>*</AllowedHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>",
    b"<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Condition>"
    b"<KeyPrefixEquals>a</KeyPrefixEquals></Condition><Redirect><HostName>h</HostName></Redirect></RoutingRule>"
    b"</RoutingRules></WebsiteConfiguration>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;9dd4e461268c8034f5c8564e155c67a6&quot;</ETag>"
    b"</Part></CompleteMultipartUpload>",
    b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE"
    b"</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>",
    b"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>",
    b"<LegalHold><Status>ON</Status></LegalHold>",
    b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>",
    b'<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/'
    b'2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>x</ID></Grantee><Permission>READ</Permission></Grant>'
    b"</AccessControlList></AccessControlPolicy>",
    b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
    b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
)
_XML_WORDS = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"<a/>",
    b"<![CDATA[x]]>",
    b"&b;",
    b"<!-- -->",
    b" xmlns='http://s3.amazonaws.com/doc/2006-03-01/'",
    b"<a>" * 50,
)
_POLICIES = (
    b'{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":["123456789012","*"]},"Action":'
    b'["s3:Get*","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/${aws:username}/*","Condition":{"StringLike":{"s3:prefix"'
    b':["a*","?"]},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}]}',
    b'{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"s3:*","NotResource":"*"}}',
    b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}',
    b'{"expiration":"2030-01-01T00:00:00Z","conditions":[["starts-with","$key","a"],{"acl":"private"},'
    b'["content-length-range",0,10],["eq","$x-amz-meta-a","b"]]}',
)
_POLICY_WORDS = (
    b'"Condition":{"NumericEquals":{"a":1e999}}',
    b"${*}",
    b"${?}",
    b"${aws:",
    b'"Bool":{"aws:SecureTransport":true}',
    b"[" * 200,
    b'"ForAllValues:StringEquals":{"a":[]}',
    b"IfExists",
    b"::1/129",
    b"\\ud800",
    b'"Null":{"a":"x"}',
    b"arn:aws:iam::1:user/a",
)
_HEADS = (
    b"/b/k%20x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date="
    b"20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00\nhost: h",
    b"/b?list-type=2&prefix=a&delimiter=%2F&max-keys=10&continuation-token=x&encoding-type=url&start-after=b\nhost: h",
    b"/b/k?AWSAccessKeyId=AKIA&Expires=99&Signature=x%3D\nhost: h",
    b"/b/k\nauthorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;"
    b"x-amz-date, Signature=00\nx-amz-date: 20260101T000000Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nhost: h",
    b"/b/k\nx-amz-acl: private\nx-amz-grant-read: id=a, uri=b\nx-amz-object-lock-mode: GOVERNANCE\n"
    b"x-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z",
)
_WORDS = (
    b"a=1&b=%20",
    b"bucket/key?versionId=null",
    b"/bucket/k%2Fx",
    b"bytes=0-9",
    b"bytes=-5",
    b"bytes=5-",
    b"10000",
    b"djE6YQ==",
    b"Fri, 02 Jan 2026 03:04:05 GMT",
    b"2026-01-02T03:04:05.678Z",
    b"20260102T030405Z",
    b"0Ab_cd.efGHijkLMnoPQrsTUvwXYz012",
    b'multipart/form-data; boundary="xyz"',
)
_FORMS = (
    b'--xyz\r\nContent-Disposition: form-data; name="key"\r\n\r\na/${filename}\r\n--xyz\r\nContent-Disposition: form-'
    b'data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n',
    b'preamble\r\n--xyz  \r\nContent-Disposition: form-data; name="policy"; filename=p\r\n\r\ne30=\r\n--xyz\r\n'
    b"content-disposition: form-data; name=file\r\n\r\n\r\n--xyz--",
)
_FORM_WORDS = (
    b"--xyz",
    b"\r\n--xyz\r\n",
    b"\r\n--xyz--",
    b"--xy",
    b"Content-Disposition: form-data; name=",
    b"\r\n\r\n",
    b"v" * 9000,
)
_CHUNKS = (
    b"a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n",
    b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
    b"a;chunk-signature=" + b"0" * 64 + b"\r\n0123456789\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n",
)
_CHUNK_WORDS = (b"0\r\n", b"ffffffff\r\n", b";chunk-signature=", b"\r\n\r\n", b"x-amz-trailer-signature:", b"0" * 40)

PARSERS = (
    Target("documents", check_documents, _XML, _XML_WORDS),
    Target("policies", check_policies, _POLICIES, _POLICY_WORDS),
    Target(
        "heads",
        check_heads,
        _HEADS,
        (b"X-Amz-Signature=", b"x-amz-", b"AWS4-HMAC-SHA256", b"/aws4_request", b"versionId="),
    ),
    Target("words", check_words, _WORDS),
    Target("forms", check_forms, _FORMS, _FORM_WORDS),
    Target("chunks", check_chunks, _CHUNKS, _CHUNK_WORDS),
)
