"""What looks like a secret doesn't reach a log line."""

from __future__ import annotations

import contextlib
import json
import logging
import os

import pytest
import structlog

from bucketry.kernel import logs


@pytest.mark.parametrize(
    "text",
    [
        "GET /b/k?X-Amz-Signature=s3cr3tvalue&x=1",
        "x-amz-security-token=s3cr3tvalue",
        "Authorization: Bearer s3cr3tvalue",
        "Authorization: Basic s3cr3tvalue==",
        "s3://BKRYKEY:s3cr3tvalue@host/bucket",
        "postgresql://user:s3cr3tvalue@host/db",
        "secret_access_key=s3cr3tvalue",
        "password=s3cr3tvalue",
    ],
)
def test_credentials_in_texts_are_taken_out(text: str) -> None:
    assert "s3cr3tvalue" not in logs.redact(text)


def test_ordinary_texts_stay() -> None:
    text = "PUT /bucket/key?partNumber=3 answered 200 from 127.0.0.1:9000 at https://host/path"
    assert logs.redact(text) == text


def test_fields_named_like_secrets_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", as_json=True)
    try:
        logs.get("test").info("made", secret_access_key="s3cr3tvalue", token="s3cr3tvalue", url="b://u:s3cr3tvalue@h")
    finally:
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert line["component"] == "test"
    assert "s3cr3tvalue" not in json.dumps(line)


def test_a_reader_that_went_away_costs_a_line_and_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", closefd=False) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        logs.configure("info", as_json=True)
        try:
            logs.get("test").info("nobody reads this")
            logging.getLogger("library").error("nor this")
        finally:
            structlog.reset_defaults()
            logging.basicConfig(force=True)
            monkeypatch.undo()
            os.close(write_end)
            with contextlib.suppress(OSError):
                stream.close()
