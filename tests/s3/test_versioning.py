"""Versioning over the wire: the setting, and what becomes of objects that are written, read, copied and removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bucketry.store.disk import version_ids
from tests.kit.refusals import refused
from tests.kit.store import Store, allow
from tests.kit.versioning import body, hide, listed, put, set_versioning

CONFIGURATION = b"<VersioningConfiguration>%s</VersioningConfiguration>"


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    """A bucket that keeps versions."""
    set_versioning(s3, bucket)
    return bucket


def test_setting_is_nothing_until_it_is_enabled_or_suspended(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Suspended", "Enabled", "Enabled", "Suspended"):
        set_versioning(s3, bucket, status)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


@pytest.mark.parametrize(
    ("inside", "code", "status"),
    [
        (b"", "IllegalVersioningConfigurationException", 400),
        (b"<Status>enabled</Status>", "MalformedXML", 400),
        (b"<Status>Enabled</Status><Status>Suspended</Status>", "MalformedXML", 400),
        (b"<Other/>", "MalformedXML", 400),
        (b"<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", "NotImplemented", 501),
        (b"<Status>Enabled</Status><MfaDelete>Maybe</MfaDelete>", "MalformedXML", 400),
    ],
)
def test_setting_that_means_nothing_is_refused(
    store: Store, s3: Any, bucket: str, inside: bytes, code: str, status: int
) -> None:
    reply = store.request("PUT", f"/{bucket}?versioning", store.one, body=CONFIGURATION % inside)
    assert (reply.status, reply.code) == (status, code)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_setting_needs_a_document(store: Store, bucket: str) -> None:
    assert store.request("PUT", f"/{bucket}?versioning", store.one).code == "MalformedXML"


def test_mfa_delete_may_be_said_to_be_off(store: Store, bucket: str) -> None:
    text = CONFIGURATION % b"<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"
    assert store.request("PUT", f"/{bucket}?versioning", store.one, body=text).status == 200


def test_bucket_without_versions_tells_no_ids(s3: Any, bucket: str) -> None:
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"1"
    assert listed(s3, bucket) == [("k", "null", True, False)]
    answer = s3.delete_object(Bucket=bucket, Key="k")
    assert "DeleteMarker" not in answer
    assert "VersionId" not in answer
    assert listed(s3, bucket) == []


def test_each_write_is_a_version_that_can_be_read(s3: Any, versioned: str) -> None:
    ids = [put(s3, versioned, "k", b"%d" % number) for number in range(3)]
    assert len(set(ids)) == 3
    assert all(32 <= len(version_id) <= 1024 for version_id in ids)
    assert body(s3, versioned, "k") == b"2"
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == ids[2]
    for number, version_id in enumerate(ids):
        answer = s3.get_object(Bucket=versioned, Key="k", VersionId=version_id)
        assert (answer["Body"].read(), answer["VersionId"]) == (b"%d" % number, version_id)
        head = s3.head_object(Bucket=versioned, Key="k", VersionId=version_id)
        assert (head["VersionId"], head["ETag"]) == (version_id, answer["ETag"])
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=ids[0], Range="bytes=0-0")["Body"].read() == b"0"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=versioned)["Contents"]] == ["k"]


def test_version_that_is_not_there_is_told_from_one_that_never_was(s3: Any, versioned: str) -> None:
    put(s3, versioned, "k")
    missing = version_ids.make(1)
    for call in (s3.get_object, s3.get_object_tagging):
        with refused("NoSuchVersion", 404) as fields:
            call(Bucket=versioned, Key="k", VersionId=missing)
        assert (fields["Key"], fields["VersionId"]) == ("k", missing)
        with refused("InvalidArgument", 400) as fields:
            call(Bucket=versioned, Key="k", VersionId="made-up")
        assert fields["ArgumentName"] == "versionId"
    with refused("404", 404):
        s3.head_object(Bucket=versioned, Key="k", VersionId=missing)
    with refused("400", 400):
        s3.head_object(Bucket=versioned, Key="k", VersionId="made-up")
    with refused("InvalidArgument", 400):
        s3.delete_object(Bucket=versioned, Key="k", VersionId="made-up")
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=missing)["VersionId"] == missing
    assert body(s3, versioned, "k") == b"data"


def test_write_can_not_name_its_version(store: Store, s3: Any, versioned: str) -> None:
    version_id = put(s3, versioned, "k")
    for headers in ({}, {"x-amz-copy-source": f"{versioned}/k?versionId={version_id}"}):
        reply = store.request("PUT", f"/{versioned}/k?versionId={version_id}", store.one, headers, b"")
        assert (reply.status, reply.code) == (400, "InvalidArgument")
    assert listed(s3, versioned) == [("k", version_id, True, False)]


def test_delete_marker_hides_and_tells_so(store: Store, s3: Any, versioned: str) -> None:
    version_id = put(s3, versioned, "k")
    marker = hide(s3, versioned, "k")
    reply = store.request("GET", f"/{versioned}/k", store.one)
    assert (reply.status, reply.code) == (404, "NoSuchKey")
    assert reply.headers["x-amz-delete-marker"] == "true"
    assert reply.headers["x-amz-version-id"] == marker
    head = store.request("HEAD", f"/{versioned}/k", store.one)
    assert (head.status, head.headers["x-amz-delete-marker"]) == (404, "true")
    assert body(s3, versioned, "k", VersionId=version_id) == b"data"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    never = store.request("GET", f"/{versioned}/never", store.one)
    assert "x-amz-delete-marker" not in never.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_delete_marker_by_its_id_is_nothing_to_read(store: Store, s3: Any, versioned: str, method: str) -> None:
    put(s3, versioned, "k")
    marker = hide(s3, versioned, "k")
    reply = store.request(method, f"/{versioned}/k?versionId={marker}", store.one)
    assert reply.status == 405
    assert method == "HEAD" or reply.code == "MethodNotAllowed"
    assert reply.headers["x-amz-delete-marker"] == "true"
    assert reply.headers["x-amz-version-id"] == marker
    assert reply.headers["allow"] == "DELETE"
    assert reply.headers["last-modified"].endswith("GMT")


def test_removed_marker_shows_what_it_hid(s3: Any, versioned: str) -> None:
    put(s3, versioned, "k", b"kept")
    markers = [hide(s3, versioned, "k"), hide(s3, versioned, "k")]
    for marker in markers:
        answer = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
        assert (answer["DeleteMarker"], answer["VersionId"]) == (True, marker)
    assert body(s3, versioned, "k") == b"kept"


def test_removed_version_lets_the_next_newest_take_its_place(s3: Any, versioned: str) -> None:
    first, second, third = (put(s3, versioned, "k", data) for data in (b"1", b"2", b"3"))
    answer = s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert answer["VersionId"] == second
    assert "DeleteMarker" not in answer
    assert body(s3, versioned, "k") == b"3"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=third)
    assert body(s3, versioned, "k") == b"1"
    assert listed(s3, versioned) == [("k", first, True, False)]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=versioned, Key="k")


def test_what_was_there_before_is_the_null_version(s3: Any, bucket: str) -> None:
    put(s3, bucket, "k", b"before")
    set_versioning(s3, bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    new = put(s3, bucket, "k", b"after")
    assert body(s3, bucket, "k", VersionId="null") == b"before"
    assert listed(s3, bucket) == [("k", new, True, False), ("k", "null", False, False)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert listed(s3, bucket) == [("k", new, True, False)]


def test_suspended_bucket_writes_the_null_version_over_and_over(s3: Any, versioned: str) -> None:
    kept = put(s3, versioned, "k", b"kept")
    set_versioning(s3, versioned, "Suspended")
    for data in (b"null 1", b"null 2"):
        assert "VersionId" not in s3.put_object(Bucket=versioned, Key="k", Body=data)
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == "null"
    assert listed(s3, versioned) == [("k", "null", True, False), ("k", kept, False, False)]
    assert hide(s3, versioned, "k") == "null"
    assert hide(s3, versioned, "k") == "null"
    assert sorted(listed(s3, versioned)) == sorted([("k", "null", True, True), ("k", kept, False, False)])
    set_versioning(s3, versioned)
    new = put(s3, versioned, "k", b"new")
    assert body(s3, versioned, "k", VersionId=kept) == b"kept"
    assert {row[:2] for row in listed(s3, versioned)} == {("k", new), ("k", "null"), ("k", kept)}


def test_copies_take_the_version_that_is_named(s3: Any, versioned: str) -> None:
    old, new = put(s3, versioned, "k", b"old"), put(s3, versioned, "k", b"new")
    source = {"Bucket": versioned, "Key": "k"}
    answer = s3.copy_object(Bucket=versioned, Key="copy", CopySource=source)
    assert answer["CopySourceVersionId"] == new
    assert body(s3, versioned, "copy", VersionId=answer["VersionId"]) == b"new"
    answer = s3.copy_object(Bucket=versioned, Key="k", CopySource={**source, "VersionId": old})  # brought back
    assert answer["CopySourceVersionId"] == old
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == answer["VersionId"] not in (old, new)
    assert body(s3, versioned, "k") == b"old"
    marker = hide(s3, versioned, "k")
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=versioned, Key="copy", CopySource=source)
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=versioned, Key="copy", CopySource={**source, "VersionId": marker})
    with refused("NoSuchVersion", 404):
        s3.copy_object(Bucket=versioned, Key="copy", CopySource={**source, "VersionId": version_ids.make(1)})


def test_copies_cross_buckets_by_version(s3: Any, versioned: str, bucket: str) -> None:
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    old = put(s3, versioned, "k", b"o" * 300_000)
    put(s3, versioned, "k", b"new")
    answer = s3.copy_object(Bucket=other, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": old})
    assert answer["CopySourceVersionId"] == old
    assert "VersionId" not in answer
    assert body(s3, other, "k") == b"o" * 300_000


def test_uploads_make_versions_of_parts_and_of_older_versions(s3: Any, versioned: str) -> None:
    old = put(s3, versioned, "source", b"old")
    put(s3, versioned, "source", b"new")
    first = put(s3, versioned, "k", b"first")
    upload = {"Bucket": versioned, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part_copy(
        **upload, PartNumber=1, CopySource={"Bucket": versioned, "Key": "source", "VersionId": old}
    )
    assert part["CopySourceVersionId"] == old
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert body(s3, versioned, "k", VersionId=done["VersionId"]) == b"old"
    again = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert again["VersionId"] == done["VersionId"]
    assert body(s3, versioned, "k", VersionId=first) == b"first"


def test_tags_belong_to_a_version(s3: Any, versioned: str) -> None:
    old, new = put(s3, versioned, "k", b"old"), put(s3, versioned, "k", b"new")

    def tags(**named: str) -> list[dict[str, str]]:
        answer = s3.get_object_tagging(Bucket=versioned, Key="k", **named)
        assert answer["VersionId"] == named.get("VersionId", new)
        found: list[dict[str, str]] = answer["TagSet"]
        return found

    one = [{"Key": "a", "Value": "1"}]
    answer = s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=old, Tagging={"TagSet": one})
    assert answer["VersionId"] == old
    assert (tags(), tags(VersionId=old)) == ([], one)
    s3.put_object_tagging(Bucket=versioned, Key="k", Tagging={"TagSet": one})
    assert s3.delete_object_tagging(Bucket=versioned, Key="k", VersionId=old)["VersionId"] == old
    assert (tags(), tags(VersionId=old)) == (one, [])
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=new)["TagCount"] == 1
    marker = hide(s3, versioned, "k")
    for named, code, status in (({}, "NoSuchKey", 404), ({"VersionId": marker}, "MethodNotAllowed", 405)):
        with refused(code, status):
            s3.get_object_tagging(Bucket=versioned, Key="k", **named)
        with refused(code, status):
            s3.put_object_tagging(Bucket=versioned, Key="k", Tagging={"TagSet": one}, **named)


def test_conditions_look_at_the_current_version_or_at_the_one_named(s3: Any, versioned: str) -> None:
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old")
    new = s3.put_object(Bucket=versioned, Key="k", Body=b"new", IfMatch=old["ETag"])
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=versioned, Key="k", Body=b"x", IfMatch=old["ETag"])
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=versioned, Key="k", Body=b"x", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=versioned, Key="k", IfMatch=old["ETag"])
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=versioned, Key="k", IfMatch=new["ETag"], VersionId=old["VersionId"])
    assert len(listed(s3, versioned)) == 2
    s3.delete_object(Bucket=versioned, Key="k", IfMatch=old["ETag"], VersionId=old["VersionId"])
    assert s3.delete_object(Bucket=versioned, Key="k", IfMatch=new["ETag"])["DeleteMarker"] is True
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=versioned, Key="k", Body=b"x", IfMatch="*")
    put_again = s3.put_object(Bucket=versioned, Key="k", Body=b"x", IfNoneMatch="*")
    assert body(s3, versioned, "k", IfMatch=put_again["ETag"]) == b"x"
    assert body(s3, versioned, "k", IfMatch=new["ETag"], VersionId=new["VersionId"]) == b"new"


def test_bucket_is_not_removed_while_a_version_or_marker_is_left(s3: Any, versioned: str) -> None:
    version_id = put(s3, versioned, "k")
    marker = hide(s3, versioned, "k")
    for left in (version_id, marker):
        with refused("BucketNotEmpty", 409):
            s3.delete_bucket(Bucket=versioned)
        s3.delete_object(Bucket=versioned, Key="k", VersionId=left)
    s3.delete_bucket(Bucket=versioned)


def test_usage_counts_all_versions(store: Store, s3: Any, versioned: str) -> None:
    put(s3, versioned, "k", b"12345")
    put(s3, versioned, "k", b"678")
    hide(s3, versioned, "k")
    headers = store.request("HEAD", f"/{versioned}", store.one).headers
    assert (headers["x-rgw-object-count"], headers["x-rgw-bytes-used"]) == ("3", "8")


def test_many_versions_and_markers_go_in_one_request(s3: Any, versioned: str) -> None:
    old, new = put(s3, versioned, "k", b"old"), put(s3, versioned, "k", b"new")
    marker = hide(s3, versioned, "k")
    named = [("k", old), ("k", marker), ("k", "made-up"), ("k", version_ids.make(1)), ("other", None)]
    objects = [{"Key": key} | ({"VersionId": name} if name else {}) for key, name in named]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    hidden = answer["Deleted"].pop()
    assert answer["Deleted"] == [
        {"Key": "k", "VersionId": old},
        {"Key": "k", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker},
        {"Key": "k", "VersionId": objects[3]["VersionId"]},
    ]
    assert (hidden["Key"], hidden["DeleteMarker"]) == ("other", True)
    assert "VersionId" not in hidden
    assert [(entry["VersionId"], entry["Code"]) for entry in answer["Errors"]] == [("made-up", "NoSuchVersion")]
    assert listed(s3, versioned) == [
        ("k", new, True, False),
        ("other", hidden["DeleteMarkerVersionId"], True, True),
    ]


def test_versions_have_rights_of_their_own(store: Store, s3: Any, versioned: str) -> None:
    version_id = put(s3, versioned, "k")
    plain = store.client(
        store.user(f"{versioned}-plain", allow("s3:GetObject", "s3:DeleteObject", "s3:GetObjectTagging"))
    )
    named = store.client(
        store.user(f"{versioned}-named", allow("s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:PutObject"))
    )
    for call in (plain.get_object, plain.delete_object, plain.get_object_tagging):
        with refused("AccessDenied", 403):
            call(Bucket=versioned, Key="k", VersionId=version_id)
    answer = plain.delete_objects(
        Bucket=versioned, Delete={"Objects": [{"Key": "k", "VersionId": version_id}, {"Key": "x"}]}
    )
    assert [entry["Code"] for entry in answer["Errors"]] == ["AccessDenied"]
    assert [entry["Key"] for entry in answer["Deleted"]] == ["x"]
    with refused("AccessDenied", 403):
        named.get_object(Bucket=versioned, Key="k")
    with refused("AccessDenied", 403):
        named.copy_object(Bucket=versioned, Key="c", CopySource={"Bucket": versioned, "Key": "k"})
    source = {"Bucket": versioned, "Key": "k", "VersionId": version_id}
    named.copy_object(Bucket=versioned, Key="c", CopySource=source)
    assert body(named, versioned, "k", VersionId=version_id) == b"data"
    with refused("AccessDenied", 403):  # who may not list learns nothing of what is missing
        named.get_object(Bucket=versioned, Key="k", VersionId=version_ids.make(1))
    named.delete_object(Bucket=versioned, Key="k", VersionId=version_id)
    hidden = store.request("GET", f"/{versioned}/x", store.user(f"{versioned}-blind", allow("s3:GetObject")))
    assert hidden.status == 403
    assert "x-amz-delete-marker" not in hidden.headers


def test_conditions_of_policies_see_the_version_that_is_asked_for(store: Store, s3: Any, versioned: str) -> None:
    open_tag: dict[str, Any] = {"StringEquals": {"s3:ExistingObjectTag/access": "open"}}
    reader = store.client(store.user(f"{versioned}-reader", allow("s3:GetObject", "s3:GetObjectVersion", **open_tag)))
    closed = put(s3, versioned, "k", b"closed")
    answer = s3.put_object(Bucket=versioned, Key="k", Body=b"open", Tagging="access=open")
    assert body(reader, versioned, "k") == b"open"
    assert body(reader, versioned, "k", VersionId=answer["VersionId"]) == b"open"
    with refused("AccessDenied", 403):
        reader.get_object(Bucket=versioned, Key="k", VersionId=closed)
    s3.put_object(Bucket=versioned, Key="k", Body=b"closed again")
    with refused("AccessDenied", 403):
        reader.get_object(Bucket=versioned, Key="k")
    assert body(reader, versioned, "k", VersionId=answer["VersionId"]) == b"open"
    by_id: dict[str, Any] = {"StringEquals": {"s3:VersionId": closed}}
    one = store.client(store.user(f"{versioned}-one", allow("s3:GetObjectVersion", **by_id)))
    assert body(one, versioned, "k", VersionId=closed) == b"closed"
    with refused("AccessDenied", 403):
        one.get_object(Bucket=versioned, Key="k", VersionId=answer["VersionId"])


def test_named_version_stands_for_no_other_key(store: Store, s3: Any, versioned: str) -> None:
    """`versionId` of one question must not leak into the next: DeleteObjects asks for each key apart."""
    by_id: dict[str, Any] = {"Null": {"s3:VersionId": "true"}}
    user = store.client(store.user(f"{versioned}-user", allow("s3:DeleteObject*", **by_id)))
    version_id = put(s3, versioned, "k")
    objects = [{"Key": "k"}, {"Key": "k", "VersionId": version_id}]
    answer = user.delete_objects(Bucket=versioned, Delete={"Objects": objects})
    assert [entry.get("VersionId") for entry in answer["Errors"]] == [version_id]
    assert body(s3, versioned, "k", VersionId=version_id) == b"data"


def test_anonymous_see_the_current_version_alone(store: Store, s3: Any, versioned: str) -> None:
    s3.delete_public_access_block(Bucket=versioned)
    policy = allow("s3:GetObject", resource=f"arn:aws:s3:::{versioned}/*")
    policy["Statement"][0]["Principal"] = "*"
    s3.put_bucket_policy(Bucket=versioned, Policy=json.dumps(policy))
    version_id = put(s3, versioned, "k", b"old")
    put(s3, versioned, "k", b"new")
    assert store.request("GET", f"/{versioned}/k", None).body == b"new"
    assert store.request("GET", f"/{versioned}/k?versionId={version_id}", None).status == 403
