"""docs/settings.md: every setting with its default and meaning; a setting without a meaning here fails the tests."""

from __future__ import annotations

import msgspec

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
    "notifications.webhook_url": "where events of buckets are sent by POST, as Amazon writes them, at least once; "
    "empty: notifications can't be set. Buckets name it as `arn:aws:sns:REGION:ACCOUNT:webhook`",
    "notifications.webhook_secret_file": "a file with a secret of at least 16 characters; with it each message has its "
    "HMAC-SHA256 in `X-Bucketry-Signature: sha256=HEX`",
    "catalog.file": "a JSON file with the services and plans to offer; empty: the four plans of the default catalog",
}


def text() -> str:
    parts = [INTRODUCTION]
    for section, kind in SECTIONS.items():
        parts.append(f"\n## [{section}]\n\n| setting | default | meaning |\n|---|---|---|\n")
        for field in msgspec.structs.fields(kind):
            default = f"`{field.default}`" if field.default not in ("", 0) else "–" if field.default == "" else "`0`"
            parts.append(f"| `{field.name}` | {default} | {MEANINGS[f'{section}.{field.name}']} |\n")
    return "".join(parts)
