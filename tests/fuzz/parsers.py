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

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.version_ids import sequence_of
from bucketry.store.gateway.iam.errors import IamError
from bucketry.store.gateway.iam.parameters import Parameters
from bucketry.store.identity import sessions
from bucketry.store.policy.evaluator import ANONYMOUS, AccessRequest, Decision, evaluate
from bucketry.store.policy.language import Policy
from bucketry.store.policy.malformed import MalformedPolicy
from bucketry.store.policy.principals import Principal
from bucketry.store.policy.validation import parse_bucket_policy, parse_identity_policy, parse_trust_policy
from bucketry.store.s3 import (
    access_log,
    acl_requests,
    attributes,
    buckets,
    checksums,
    conditions,
    copying,
    cors,
    dates,
    deleting,
    encryption,
    lifecycle,
    list_query,
    multipart,
    names,
    notifications,
    object_lock,
    post_policy,
    query,
    ranges,
    sigv2,
    sigv4,
    stored_headers,
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
    with contextlib.suppress(S3Error, MalformedPolicy, IamError):
        run()
    assert time.process_time() - begun < MAX_SECONDS, "it takes too long"


DOCUMENTS: tuple[Callable[[bytes], object], ...] = (
    access_log.parse,
    acl_requests.parse_document,
    buckets.parse_new_bucket,
    buckets.parse_ownership,
    buckets.parse_access_block,
    cors.parse,
    deleting.parse_delete,
    encryption.parse_configuration,
    lifecycle.parse,
    partial(multipart.parse_complete, upload_id="upload"),
    notifications.parse,
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


CONTEXT: dict[str, str | list[str] | None] = {
    "aws:username": "bob*",
    "aws:sourceip": "10.1.2.3",
    "aws:currenttime": "2026-01-01T00:00:00Z",
    "aws:securetransport": "true",
    "aws:tagkeys": ["a", "b"],
    "s3:prefix": "abc",
    "s3:max-keys": "10",
    "s3:versionid": None,
}


def check_policies(data: bytes) -> None:
    text = _text(data)
    _quickly(lambda: _decide(parse_bucket_policy(text, "bucket")))
    _quickly(lambda: _decide(parse_identity_policy(text)))
    _quickly(lambda: parse_trust_policy(text))
    _quickly(lambda: post_policy.parse_policy(text))
    _quickly(lambda: post_policy.parse_policy(b64encode(data).decode()))


ASKED = tuple(
    AccessRequest(principal, "s3:GetObject", "arn:aws:s3:::bucket/bob/key", CONTEXT, "123456789012")
    for principal in (ANONYMOUS, Principal("123456789012", "arn:aws:iam::123456789012:user/bob", None, False, None))
)


def _decide(policy: Policy) -> None:
    """A policy that can be read can be asked, by anybody."""
    for asked in ASKED:
        assert isinstance(evaluate(asked, (policy,), policy, policy), Decision)


def check_heads(data: bytes) -> None:
    """A target, then header lines."""
    target, _, rest = data.partition(b"\n")
    fields = [line.partition(b":")[::2] for line in rest.split(b"\n")]
    headers = Headers.from_raw(fields)
    path, _, raw_query = _text(target).partition("?")
    _quickly(lambda: _verify(path, raw_query, headers))
    _quickly(lambda: sigv2.parse_claim(raw_query, headers))
    _quickly(lambda: sigv4.canonical_query(raw_query))
    _quickly(lambda: names.split_path(path))
    _quickly(lambda: names.decode_path(path))
    _quickly(lambda: _queries(query.parse_query(raw_query)))
    _quickly(lambda: acl_requests.parse_headers(headers, frozenset()))
    _quickly(lambda: object_lock.parse_headers(headers, 0))
    _quickly(lambda: attributes.parse_asked(headers))
    _quickly(lambda: checksums.announced(headers))
    _quickly(lambda: checksums.content_md5(headers))
    _quickly(lambda: checksums.upload_checksum(headers))
    _quickly(lambda: encryption.customer_key(headers))
    _quickly(lambda: encryption.asks_for_store_key(headers))
    _quickly(lambda: stored_headers.answer_headers(stored_headers.stored_headers(headers)))
    _quickly(lambda: conditions.check_read({name: headers.get(name) for name in headers}, "e", 0))


def _verify(path: str, raw_query: str, headers: Headers) -> None:
    claim = sigv4.parse_claim("GET", path, raw_query, headers)
    if claim is not None:
        sigv4.check_time(claim, 0)
        sigv4.verify(claim, b"k" * 32, "GET", path, raw_query, headers)
        raise AssertionError("a signature by no key was taken")


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


ENVELOPE = Envelope([bytes(32)])
TICKET = sessions.Ticket(
    "ASIA" + "A" * 16, "s" * 40, "BKRY", 1, 2, "name", ("AROA",), "{}", ("arn:aws:iam::aws:policy/A",)
)
TOKEN = sessions.seal(ENVELOPE, TICKET).encode()


def check_tokens(data: bytes) -> None:
    """Only what was sealed opens."""
    for key in (TICKET.access_key_id, "ASIA" + "B" * 16, _text(data[:20])):
        found = sessions.open_token(ENVELOPE, key, _text(data))
        assert found is None or (found == TICKET and data == TOKEN), "a token that was never given opens"


def check_queries(data: bytes) -> None:
    """Forms of the IAM API."""
    _quickly(lambda: _read(Parameters.parse(data)))


def _read(parameters: Parameters) -> None:
    for read in (
        parameters.page_size,
        parameters.tags,
        parameters.tag_keys,
        partial(parameters.number, "DurationSeconds", 1, 10),
        partial(parameters.members, "PolicyArns"),
        partial(parameters.nested_texts, "ContextEntries"),
        partial(parameters.marker, 2),
    ):
        _quickly(read)


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
_XML += (
    b"<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b"
    b"</Value></Tag></Tags></CreateBucketConfiguration>",
    b"<LifecycleConfiguration><Rule><ID>a</ID><Filter><And><Prefix>a</Prefix><Tag><Key>a</Key><Value>b</Value></Tag>"
    b"<ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter><Status>Enabled</Status><Expiration><Days>9</Days>"
    b"</Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2"
    b"</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1"
    b"</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>",
    b"<LifecycleConfiguration><Rule><Prefix>a</Prefix><Status>Enabled</Status><Expiration><Date>2030-01-01T00:00:00Z"
    b"</Date></Expiration></Rule></LifecycleConfiguration>",
    b"<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p/</TargetPrefix>"
    b"<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix>"
    b"</TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>",
    b"<NotificationConfiguration><TopicConfiguration><Id>x</Id><Topic>arn:aws:sns:us-east-1:123456789012:webhook</Topic>"
    b"<Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule></S3Key>"
    b"</Filter></TopicConfiguration></NotificationConfiguration>",
    b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
    b"</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
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
    b"/b/k\ncontent-type: a/b\ncontent-encoding: aws-chunked, gzip\nx-amz-meta-a: b\n"
    b"x-amz-website-redirect-location: /a\n"
    b"content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\nx-amz-checksum-crc32: AAAAAA==\nx-amz-checksum-algorithm: CRC32\n"
    b'x-amz-server-side-encryption-customer-algorithm: AES256\nif-none-match: W/"a", b\nif-match: *\n'
    b"if-modified-since: Fri, 02 Jan 2026 03:04:05 GMT\nx-amz-object-attributes: ETag,Checksum\nx-amz-max-parts: 1",
)
_QUERIES = (
    b"Action=TagUser&Version=2010-05-08&UserName=alice&Tags.member.1.Key=k&Tags.member.1.Value=v&TagKeys.member.1=a",
    b"Action=AssumeRole&RoleArn=arn%3Aaws&PolicyArns.member.1.arn=a&DurationSeconds=3&MaxItems=10&Marker=YWI=",
    b"Action=SimulateCustomPolicy&ContextEntries.member.1.ContextKeyName=a&ContextEntries.member.1.ContextKeyValues.member.1=b",
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
    Target("tokens", check_tokens, (TOKEN,)),
    Target(
        "queries", check_queries, _QUERIES, (b".member.", b"&Tags.member.99999999999.Key=", b"&MaxItems=", b"&Marker=")
    ),
    Target("forms", check_forms, _FORMS, _FORM_WORDS),
    Target("chunks", check_chunks, _CHUNKS, _CHUNK_WORDS),
)
