"""CreateBucket and DeleteBucket, HeadBucket and GetBucketLocation over the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.refusals import refused
from tests.kit.store import Store, allow


def test_made_used_removed(store: Store, s3: Any) -> None:
    made = s3.create_bucket(Bucket="made-and-removed")
    assert made["Location"] == "/made-and-removed"
    head = s3.head_bucket(Bucket="made-and-removed")
    assert head["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="made-and-removed")["LocationConstraint"] is None
    s3.delete_bucket(Bucket="made-and-removed")
    assert not list(store.data.glob("buckets/made-and-removed.*"))
    with refused("404"):
        s3.head_bucket(Bucket="made-and-removed")
    with refused("NoSuchBucket", 404):
        s3.delete_bucket(Bucket="made-and-removed")


def test_usage_is_told_to_the_owner(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 1000)
    s3.put_object(Bucket=bucket, Key="b", Body=b"x" * 100_000)
    fields = store.request("HEAD", f"/{bucket}", store.one).headers
    assert (fields["x-rgw-object-count"], fields["x-rgw-bytes-used"]) == ("2", "101000")
    s3.delete_object(Bucket=bucket, Key="b")
    assert store.request("HEAD", f"/{bucket}", store.one).headers["x-rgw-bytes-used"] == "1000"


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "UPPER", "under_score", "-dash", "dot.", "two..dots", "192.168.1.1", "xn--x", "a-s3alias", "a.-b"],
)
def test_bad_names_are_refused(store: Store, name: str) -> None:
    reply = store.request("PUT", f"/{name}", store.one)
    assert (reply.status, reply.code) == (400, "InvalidBucketName")


def test_own_bucket_again_succeeds_and_changes_nothing(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    s3.create_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")


def test_name_of_another_account_is_taken(store: Store, bucket: str) -> None:
    with refused("BucketAlreadyExists", 409):
        store.client(store.two).create_bucket(Bucket=bucket)


def test_one_of_many_at_once_gets_the_name(store: Store) -> None:
    clients = [store.client(key) for key in (store.one, store.two) * 4]

    def create(client: Any) -> str:
        try:
            client.create_bucket(Bucket="wanted-by-all")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(create, clients))
    assert "made" in outcomes
    assert outcomes <= {"made", "BucketAlreadyExists", "BucketAlreadyOwnedByYou"}
    assert len(list(store.data.glob("buckets/wanted-by-all.*"))) == 1


def test_ownership_is_set_and_defaults(s3: Any) -> None:
    s3.create_bucket(Bucket="ownership-default")
    s3.create_bucket(Bucket="ownership-writer", ObjectOwnership="ObjectWriter")
    rules = {
        name: s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
        for name in ("ownership-default", "ownership-writer")
    }
    assert rules == {"ownership-default": "BucketOwnerEnforced", "ownership-writer": "ObjectWriter"}


@pytest.mark.parametrize(
    ("constraint", "code"),
    [("us-east-1", "InvalidLocationConstraint"), ("eu-west-1", "IllegalLocationConstraintException")],
)
def test_other_locations_are_refused(store: Store, constraint: str, code: str) -> None:
    body = (
        f"<CreateBucketConfiguration><LocationConstraint>{constraint}</LocationConstraint></CreateBucketConfiguration>"
    )
    reply = store.request("PUT", "/bucket-elsewhere", store.one, body=body.encode())
    assert (reply.status, reply.code) == (400, code)


def configuration(*parts: str) -> bytes:
    return f"<CreateBucketConfiguration>{''.join(parts)}</CreateBucketConfiguration>".encode()


def tags(**values: str) -> str:
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in values.items())
    return f"<Tags>{rows}</Tags>"


def test_tags_are_there_from_the_first_moment(store: Store, s3: Any, bucket: str) -> None:
    name, both = f"{bucket}-tagged", [{"Key": "cost", "Value": "7"}, {"Key": "team", "Value": "red"}]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": both})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == both
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": both})  # again, and the same
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": both[:1]})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == both
    reply = store.request("PUT", f"/{bucket}-x", store.one, body=configuration(tags(**{"aws:own": "1"})))
    assert (reply.status, reply.code) == (400, "InvalidTag")


def test_conditions_on_the_tags_and_the_region_of_a_new_bucket(store: Store, bucket: str) -> None:
    may_create = allow("s3:CreateBucket", "s3:TagResource", StringEquals={"aws:RequestTag/Team": "red"})
    key = store.user(f"{bucket}-red", may_create)
    for body in (b"", configuration(tags(Team="blue")), configuration(tags(other="red"))):
        assert store.request("PUT", f"/{bucket}-new", key, body=body).code == "AccessDenied"
    assert store.request("PUT", f"/{bucket}-new", key, body=configuration(tags(Team="red"))).status == 200
    key = store.user(f"{bucket}-keys", allow("s3:*", **{"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}))
    for names, status in ((("Team", "Cost"), 403), (("Team",), 200)):
        body = configuration(tags(**dict.fromkeys(names, "any")))
        assert store.request("PUT", f"/{bucket}-keys", key, body=body).status == status
    key = store.user(f"{bucket}-west", allow("s3:*", StringEquals={"s3:LocationConstraint": "eu-west-1"}))
    assert store.request("PUT", f"/{bucket}-west", key).code == "AccessDenied"
    west = configuration("<LocationConstraint>eu-west-1</LocationConstraint>")
    assert store.request("PUT", f"/{bucket}-west", key, body=west).code == "IllegalLocationConstraintException"


def test_tags_of_a_new_bucket_need_a_right_of_their_own(store: Store, bucket: str) -> None:
    key = store.user(f"{bucket}-maker", allow("s3:CreateBucket"))
    body = configuration(tags(team="red"))
    assert store.request("PUT", f"/{bucket}-new", key, body=body).code == "AccessDenied"
    assert store.request("HEAD", f"/{bucket}-new", store.one).status == 404
    assert store.request("PUT", f"/{bucket}-new", None, body=b"no document").code == "AccessDenied"


def test_bucket_with_objects_stays(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_object(Bucket=bucket, Key="l", Body=b"still open")


def test_unfinished_uploads_do_not_keep_a_bucket(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * 100_000)
    s3.delete_bucket(Bucket=bucket)
    with refused("404"):
        s3.head_bucket(Bucket=bucket)


def test_new_bucket_of_an_old_name_is_empty_and_has_none_of_its_settings(s3: Any, bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_writes_and_removal_at_once_lose_nothing(store: Store, s3: Any, bucket: str) -> None:
    """Either the bucket goes and the write is refused, or the write is there and the bucket stays."""
    codes: set[str] = set()

    def put(number: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
        except ClientError as error:
            codes.add(error.response["Error"]["Code"])
            return False
        return True

    def remove(_: int) -> bool:
        try:
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            codes.add(error.response["Error"]["Code"])
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(put, number) for number in range(3)]
        removals = [pool.submit(remove, number) for number in range(3)]
        written = [future.result() for future in writes]
        removed = [future.result() for future in removals]
    assert codes <= {"BucketNotEmpty", "NoSuchBucket"}
    if any(removed):
        assert not any(written)
    else:
        assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == sum(written)
