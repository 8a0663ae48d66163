"""A data folder with something of everything, written by one bucketry and to be read by every later one.

`python -m tests.formats.sample` writes the present format to tests/data/formats/N.tar.gz, N one more than the last.
Run it when a format changes, and commit the file: the older ones stay, and are opened for ever.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import apsw

from bucketry.marketplace.records.database import HEAD
from bucketry.store.disk.schema import CURRENT_FORMAT
from bucketry.store.identity.schema import MIGRATIONS
from tests.kit.server import Server

FOLDER = Path(__file__).parents[1] / "data" / "formats"
BUCKET, VERSIONED = "sample-bucket", "sample-versions"
MIB = 1 << 20
ORDER = "ordered"
# Bytes that say little, so that the file stays small, of each way in which they are stored.
OBJECTS = {"empty": b"", "inline": b"i" * 500, "a/shared é": b"s" * 50_000, "single": b"l" * 5 * MIB}
PARTS = [b"1" * 5 * MIB, b"2" * 10]
OPEN_PART = b"o" * 20_000
PUBLIC = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        ],
    }
)


def present_formats() -> dict[str, object]:
    """What this program writes."""
    return {"index": CURRENT_FORMAT, "identity": len(MIGRATIONS), "marketplace": HEAD}


def formats_of(data: Path) -> dict[str, object]:
    """What a data folder is written in."""
    index = next((data / "buckets").glob(f"{BUCKET}.*")) / "index.sqlite"
    return {
        "index": _ask(index, "SELECT value FROM meta WHERE name = 'format'"),
        "identity": _ask(data / "identity.sqlite", "PRAGMA user_version"),
        "marketplace": _ask(data / "marketplace.sqlite", "SELECT version_num FROM alembic_version"),
    }


def _ask(path: Path, sql: str) -> Any:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(sql).get
    finally:
        connection.close()


def fill(server: Server) -> None:
    """Make the sample on a server."""
    client = server.client()
    for bucket in (BUCKET, VERSIONED):
        client.create_bucket(Bucket=bucket)
    for key, body in OBJECTS.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"of": "sample"}, Tagging="colour=blue")
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="parts", ContentType="x/parts")["UploadId"]
    made = []
    for number, body in enumerate(PARTS, 1):
        part = client.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=body)
        made.append({"PartNumber": number, "ETag": part["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": made})
    client.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/single")
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="open")["UploadId"]
    client.upload_part(Bucket=BUCKET, Key="open", UploadId=upload, PartNumber=1, Body=OPEN_PART)
    client.put_object(Bucket=BUCKET, Key="deleted", Body=b"d" * 40_000)
    client.delete_object(Bucket=BUCKET, Key="deleted")
    client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        client.put_object(Bucket=VERSIONED, Key="key", Body=f"version {number}".encode())
    client.delete_object(Bucket=VERSIONED, Key="key")
    client.delete_public_access_block(Bucket=BUCKET)
    client.put_bucket_policy(Bucket=BUCKET, Policy=PUBLIC)
    iam = server.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=PUBLIC.replace('"Principal": "*", ', ""))
    server.run("create-service", "s3", "basic", ORDER)
    server.run("create-service-key", ORDER, "key")


def pack(data: Path, target: Path) -> None:
    """The folder as a file; the same bytes for the same content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(data, arcname="data", filter=_without_names)
    target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def _without_names(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uname = member.gname = ""
    member.uid = member.gid = 0
    return None if member.name == "data/lock" else member


def unpack(source: Path, folder: Path) -> Path:
    """The data folder of a sample, in `folder`."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    return folder / "data"


def samples() -> list[Path]:
    """The oldest first."""
    return sorted(FOLDER.glob("*.tar.gz"), key=lambda path: int(path.name.split(".")[0]))


def main() -> None:
    number = len(samples()) + 1
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data").start()
        try:
            fill(server)
        finally:
            server.stop()
        pack(server.data, FOLDER / f"{number}.tar.gz")
    print(f"wrote {FOLDER / f'{number}.tar.gz'}: {present_formats()}")


if __name__ == "__main__":
    main()
