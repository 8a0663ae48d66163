"""docs/settings.md: every setting with its default and meaning; a setting without a meaning here fails the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from bucketry.serve.engine_settings import KINDS, AwsAccount
from bucketry.serve.settings import SECTIONS

INTRODUCTION = """\
# Settings

`bucketry serve` reads `bucketry.toml` in its data folder, or the file that `--config` names. Each key may also be given
as `BUCKETRY_SECTION__KEY` in the environment, and some as flags; a flag wins over the environment, the environment over
the file. An unknown key or a wrong value is refused by its name.

`--data DIR` or `BUCKETRY_DATA` names the data folder; without them it is the platform's (`~/.local/share/bucketry`,
`~/Library/Application Support/bucketry`).
"""

MEANINGS = {
    "server.s3_listen": "where S3 and IAM are served; port 0 lets the system choose",
    "server.website_listen": "where websites are served",
    "server.api_listen": "where the broker (`/v2`) and the API (`/api/v1`) are served",
    "server.workers": "store processes; 0: one a core",
    "server.s3_url": "the address that credentials name, such as `https://s3.example.com`; empty: made of `s3_listen`",
    "server.website_domain": "websites are `BUCKET.s3-website-REGION.` and this",
    "server.region": "the region that signatures must name",
    "server.tls_certificate": "PEM file of the certificate chain, for S3 and the API",
    "server.tls_key": "PEM file of its key",
    "server.log_level": "`debug`, `info`, `warning` or `error`; logs go to stderr",
    "database.url": "where the marketplace's records are: `postgresql://USER:PASSWORD@HOST:PORT/NAME`, with options of "
    "libpq (`?sslmode=verify-full`, `?passfile=FILE`); empty: SQLite in the data folder",
    "broker.username": "the user name of the Open Service Broker API",
    "broker.password_file": "a file with its password; empty: made at the first start, in admin.json",
    "store.default_object_ownership": "of buckets that are made without: `ObjectWriter`, `BucketOwnerPreferred`, "
    "`BucketOwnerEnforced`; with the first two, new buckets have no Block Public Access either, as on AWS before "
    "April 2023",
    "store.garbage_seconds": "how often the space of what was deleted and overwritten is given back",
    "store.lifecycle_day_seconds": "how long a day of a lifecycle rule lasts; less than 86400 is for trials: then days "
    "end when they end, not at midnight UTC, and the rules are looked at every few seconds",
    "store.access_log_seconds": "how long lines of server access logs may wait in a store process before they are "
    "written into the target bucket; a process that is killed loses the lines that wait",
    "store.customer_keys_over_http": "whether keys of customers (SSE-C) are taken without TLS; AWS refuses them there. "
    "For a proxy in front that ends TLS itself, and for trials",
    "notifications.webhook_url": "where events of buckets are sent by POST, as Amazon writes them, at least once; "
    "empty: notifications can't be set. Buckets name it as `arn:aws:sns:REGION:ACCOUNT:webhook`",
    "notifications.webhook_secret_file": "a file with a secret of at least 16 characters; with it each message has its "
    "HMAC-SHA256 in `X-Bucketry-Signature: sha256=HEX`",
    "secrets.master_key_file": "a file with the master key, 64 hex digits; empty: `master.key` in the data folder, "
    "made at the first start. The variable `BUCKETRY_MASTER_KEY` or a command may give it instead; one of the three. "
    "Several keys, one a line: the first seals, the others open what was sealed before",
    "secrets.master_key_command": "a command whose output is the master key, for the client of a vault; run without a "
    "shell at the start and at SIGHUP, and ended after 20 seconds",
    "catalog.file": "a JSON file with the services and plans to offer; empty: the four plans of the default catalog",
}

ENGINES_INTRODUCTION = """
## [engines.NAME]

Where buckets live: one table an engine, with a name of your own and its `kind`. Without any there is one embedded
engine called `embedded`. A plan names its engine in the [catalog] file (`"bucketry": {"engine": "NAME"}`); plans that
name none go to the only engine, or to the one called `embedded` where there are several. The server's own store is
served in any case, on loopback unless told otherwise. `bucketry check-config` tries each engine.

An engine that has buckets has to stay: instances name it. As variables: `BUCKETRY_ENGINES__NAME__KEY`, with `_` for a
hyphen of the name.
"""

KIND_INTRODUCTIONS = {
    "embedded": "This server's own store; at most one engine is.",
    "ceph": "A Ceph RADOS Gateway.",
    "aws": "Amazon S3 and IAM.",
}

OF_ENGINES = {
    "bucket_prefix": "how names of buckets begin: 1 to 10 of a-z, 0-9 and hyphens, then a hyphen",
    "secret_access_key": "its secret",
    "secret_access_key_file": "a file with the secret, in its place",
    "ceph.endpoint": "the gateway: `http://` or `https://`, host, port; credentials name it",
    "ceph.access_key_id": "of the gateway's user that owns the buckets and may use the admin API",
    "ceph.admin_path": "where the admin API is (`rgw_admin_entry`)",
    "ceph.region": "what credentials name",
    "ceph.website_domain": "websites are `BUCKET.` and this (`rgw_dns_s3website_name`); empty: there are none",
    "aws.region": "where buckets are made; it says the partition, too (commercial, GovCloud, China)",
    "aws.profile": "a profile of the AWS configuration; without it and a key the usual chain is asked: environment, "
    "files, container, instance role",
    "aws.access_key_id": "of bucketry's own identity",
    "aws.accounts": "several accounts as one engine: `[[engines.NAME.accounts]]` tables",
    "aws.iam_path": "the path of the IAM users that bindings get",
    "aws.permissions_boundary": "the ARN of a policy that bounds each of these users; empty: none",
    "aws.fips": "drive S3 and IAM by their FIPS endpoints",
    "aws.endpoint": "in place of the region's own endpoint of S3, for trials against another server: it is addressed "
    "by path, and credentials name it",
    "aws.iam_endpoint": "in place of the partition's endpoint of IAM; empty: `endpoint`, if that is given",
    "aws.key_wait_seconds": "how long a new key may take until it works everywhere; it is answered only then. 0: it is "
    "answered at once",
    "account.profile": "as above",
    "account.access_key_id": "as above",
}


def meaning_of_engines(kind: str, key: str) -> str:
    return OF_ENGINES[key] if key in OF_ENGINES else OF_ENGINES[f"{kind}.{key}"]


def text() -> str:
    parts = [INTRODUCTION]
    for section, kind in SECTIONS.items():
        parts.append(f"\n## [{section}]\n")
        parts += _rows(kind, lambda key, section=section: MEANINGS[f"{section}.{key}"])
    parts.append(ENGINES_INTRODUCTION)
    for name, engine in KINDS.items():
        parts.append(f'\n### kind = "{name}"\n\n{KIND_INTRODUCTIONS[name]}\n')
        parts += _rows(engine, lambda key, name=name: meaning_of_engines(name, key))
    parts.append("\n### [[engines.NAME.accounts]]\n")
    parts += _rows(AwsAccount, lambda key: meaning_of_engines("account", key))
    return "".join(parts)


def _rows(kind: type[msgspec.Struct], meaning: Callable[[str], str]) -> Iterator[str]:
    yield "\n| setting | default | meaning |\n|---|---|---|\n"
    for field in msgspec.structs.fields(kind):
        yield f"| `{field.name}` | {_default(field.default)} | {meaning(field.name)} |\n"


def _default(value: object) -> str:
    if value == "" or value is msgspec.NODEFAULT:
        return "–"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
