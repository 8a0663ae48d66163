"""SERVICE contract, "Credentials": what a binding or key hands out, by which parameters, and how it ends."""

from __future__ import annotations

import http.client
import json
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest

from tests.kit.customer import Customer, ask_identity
from tests.kit.refusals import refusal

TEXTS = {
    "uri", "access_key_id", "secret_access_key", "region", "bucket", "endpoint", "endpoint_url", "fips_endpoint",
    "website_endpoint",
}  # fmt: skip
CONNECTIONS = 16  # enough that each worker has several


@pytest.fixture(scope="module")
def key(shared: Customer) -> dict[str, Any]:
    return shared.key(shared.order(name="here"))


# --- what is handed out


def test_credentials_have_the_names_that_s3_brokers_users_read(shared: Customer, key: dict[str, Any]) -> None:
    assert set(key) == TEXTS | {"insecure_skip_verify", "additional_buckets"}
    assert all(isinstance(key[name], str) and key[name] for name in TEXTS)
    assert key["insecure_skip_verify"] is False
    assert key["additional_buckets"] == []
    admin = shared.server.admin
    assert key["endpoint_url"] == admin["s3_endpoint"]
    assert key["endpoint"] == key["fips_endpoint"] == urlsplit(admin["s3_endpoint"]).netloc
    assert key["region"] == admin["region"]
    site = urlsplit(key["website_endpoint"])
    assert site.scheme == "http"
    assert (site.hostname or "").startswith(f"{key['bucket']}.s3-website-{key['region']}.")
    assert site.port == urlsplit(admin["website_endpoint"]).port


def test_the_uri_holds_key_secret_host_and_bucket_quoted(key: dict[str, Any]) -> None:
    uri = urlsplit(key["uri"])
    assert uri.scheme == "s3"
    assert unquote(uri.username or "") == key["access_key_id"]
    assert unquote(uri.password or "") == key["secret_access_key"]
    assert f"{uri.hostname}:{uri.port}" == key["endpoint"]
    assert uri.path == f"/{key['bucket']}"
    assert not set("/+=@: ") & set(f"{uri.username}{uri.password}")


def test_each_key_and_binding_has_a_pair_of_its_own(customer: Customer) -> None:
    name = customer.order()
    customer.ok("push", "app")
    customer.ok("bind-service", "app", name)
    (entry,) = customer.ok("env", "app", "-o", "json").value["VCAP_SERVICES"]["s3"]
    all_three = [customer.key(name, "one"), customer.key(name, "two"), entry["credentials"]]
    assert len({each["access_key_id"] for each in all_three}) == 3
    assert len({each["secret_access_key"] for each in all_three}) == 3
    assert len({each["bucket"] for each in all_three}) == 1
    assert len({customer.server.client("sts", each).get_caller_identity()["Arn"] for each in all_three}) == 3
    assert customer.key(name, "one") == all_three[0]  # asked for again, it is the same
    customer.ok("delete-service-key", name, "one", "-f")
    first, *rest = (customer.s3(each) for each in all_three)
    assert refusal(lambda: first.list_objects_v2(Bucket=entry["credentials"]["bucket"])) == "InvalidAccessKeyId"
    for s3 in rest:
        s3.list_objects_v2(Bucket=entry["credentials"]["bucket"])


# --- parameters of a key


def test_additional_instances_are_reached_too(customer: Customer) -> None:
    own, second, third = (customer.order(name=name) for name in ("own", "second", "third"))
    key = customer.key(own, "wide", additional_instances=[second])
    assert key["bucket"] == customer.bucket(own)
    assert key["additional_buckets"] == [customer.bucket(second)]
    s3 = customer.s3(key)
    for bucket in (key["bucket"], customer.bucket(second)):
        s3.put_object(Bucket=bucket, Key="k", Body=b"body")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    assert refusal(lambda: s3.list_objects_v2(Bucket=customer.bucket(third))) == "AccessDenied"
    customer.ok("empty-bucket", second, "-f")
    gone = customer.bucket(second)
    customer.ok("delete-service", second, "-f")
    assert customer.ok("service-key", own, "wide", "--json").value["credentials"]["additional_buckets"] == []
    assert refusal(lambda: s3.list_objects_v2(Bucket=gone)) in ("NoSuchBucket", "AccessDenied")
    s3.list_objects_v2(Bucket=key["bucket"])


def test_prefix_source_ip_and_expires_in_limit_a_key(customer: Customer) -> None:
    own, second = customer.order(name="own"), customer.order(name="second")
    parameters = {"prefix": "in/", "source_ip": ["127.0.0.0/8", "::1"], "expires_in": "1h"}
    key = customer.key(own, "narrow", additional_instances=[second], **parameters)
    s3 = customer.s3(key)
    for bucket in (key["bucket"], *key["additional_buckets"]):
        s3.put_object(Bucket=bucket, Key="in/k", Body=b"body")
        assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]] == ["in/k"]
        assert refusal(partial(s3.put_object, Bucket=bucket, Key="k")) == "AccessDenied"
        assert refusal(partial(s3.list_objects_v2, Bucket=bucket)) == "AccessDenied"
    away = customer.s3(customer.key(own, "away", source_ip="192.0.2.0/24"))
    assert refusal(lambda: away.list_objects_v2(Bucket=key["bucket"])) == "AccessDenied"
    shown = customer.ok("service-key", own, "narrow", "--json").value["credentials"]
    assert shown["access_key_id"] == key["access_key_id"]


def test_an_instance_of_another_space_is_out_of_reach(customer: Customer, shared: Customer) -> None:
    customer.order(name="own")
    shared.order(name="only-there")
    for names, word in ((["only-there"], "only-there"), (["own"], "own"), (["own", "none"], "own")):
        parameters = json.dumps({"additional_instances": names})
        refused = customer("create-service-key", "own", "k", "-c", parameters)
        assert refused.code == 2
        assert word in refused.error
    assert customer.ok("service-keys", "own", "-o", "json").value == []


@pytest.mark.parametrize(
    "parameters",
    [{"colour": "red"}, {"prefix": "*"}, {"expires_in": "soon"}, {"source_ip": ["10.0.0.1/8"]}, {"permissions": "all"}],
    ids=lambda parameters: next(iter(parameters)),
)
def test_a_parameter_that_is_not_kept_is_refused_by_name(customer: Customer, parameters: dict[str, Any]) -> None:
    """Better no credentials than ones that may more than was asked for."""
    customer.order(name="own")
    refused = customer("create-service-key", "own", "k", "-c", json.dumps(parameters))
    assert refused.code == 2
    assert next(iter(parameters)) in refused.error
    customer.ok("push", "app")
    assert customer("bind-service", "app", "own", "-c", json.dumps(parameters)).code == 2
    assert customer.ok("service-keys", "own", "-o", "json").value == []
    assert customer.ok("env", "app").out == ""


# --- the end of them

ENDS = {
    "delete-service-key": ("delete-service-key", "own", "key", "-f"),
    "unbind-service": ("unbind-service", "app", "own"),
    "delete": ("delete", "app", "-f"),
    "delete-service": ("delete-service", "own", "-f"),
}


@pytest.mark.parametrize("end", ENDS)
def test_revoked_credentials_fail_on_the_next_request_in_every_worker(customer: Customer, end: str) -> None:
    customer.order("basic-sandbox", name="own")
    if end in ("unbind-service", "delete"):
        customer.ok("push", "app")
        customer.ok("bind-service", "app", "own")
        (entry,) = customer.ok("env", "app", "-o", "json").value["VCAP_SERVICES"]["s3"]
        key = entry["credentials"]
    else:
        key = customer.key("own")
    s3 = customer.s3(key)
    s3.put_object(Bucket=key["bucket"], Key="k", Body=b"body")
    made = customer.server.client("sts", key).get_session_token()["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], key["region"])
    in_session = session.client("s3", endpoint_url=key["endpoint_url"])
    in_session.get_object(Bucket=key["bucket"], Key="k")
    target = s3.generate_presigned_url("get_object", {"Bucket": key["bucket"], "Key": "k"})
    target = target.removeprefix(key["endpoint_url"])
    connections = [http.client.HTTPConnection(key["endpoint"], timeout=30) for _ in range(CONNECTIONS)]
    try:
        assert [ask(connection, target) for connection in connections] == [(200, b"body")] * CONNECTIONS
        customer.ok(*ENDS[end])
        for connection in connections:
            status, body = ask(connection, target)
            assert status == 403
            assert b"<Code>InvalidAccessKeyId</Code>" in body
    finally:
        for connection in connections:
            connection.close()
    assert refusal(lambda: s3.list_objects_v2(Bucket=key["bucket"])) == "InvalidAccessKeyId"
    assert refusal(lambda: in_session.list_objects_v2(Bucket=key["bucket"])) == "InvalidToken"
    assert ask_identity(key, "sts", "GetCallerIdentity").code == "InvalidClientTokenId"


def ask(connection: http.client.HTTPConnection, target: str) -> tuple[int, bytes]:
    """A GET on an open connection, which stays open."""
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()
