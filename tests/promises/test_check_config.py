"""SERVICE contract, "Running it": `check-config` tries all that the settings name, and leaves nothing."""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.certificates import tls_config
from tests.kit.programs import bucketry
from tests.kit.server import Server, clean_environment, run_program

Fresh = Callable[..., Server]
ENGINE = "engine embedded: "


def check(data: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Exit code and lines of `bucketry check-config`."""
    done = run_program(
        [bucketry(), "--data", str(data), "check-config", *arguments],
        check=False,
        environment={**clean_environment(), **environment},
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines()


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_before_the_first_start_all_is_tried_and_nothing_made(tmp_path: Path) -> None:
    code, lines = check(tmp_path / "data", BUCKETRY_ENGINES__HERE__KIND="embedded")
    assert (code, [line for line in lines if not line.startswith("ok ")]) == (0, [])
    assert "ok     engine here: all is removed again" in lines
    assert any("basic on here" in line for line in lines)
    assert everything(tmp_path) == []


def test_the_running_server_is_asked_and_then_the_stopped_one_is_not_touched(fresh_server: Fresh) -> None:
    server = fresh_server()
    code, lines = check(server.data)
    assert (code, [line for line in lines if not line.startswith("ok ")]) == (0, [])
    assert f"ok     {ENGINE}the running server is asked, at {server.admin['s3_endpoint']}" in lines
    assert f"ok     {ENGINE}a key that is revoked is refused" in lines
    assert server.client().list_buckets()["Buckets"] == []
    assert server.stop() == 0
    before = everything(server.data)
    code, lines = check(server.data)
    assert code == 0
    assert f"ok     {ENGINE}no server runs, so a store in a temporary folder is asked" in lines
    assert everything(server.data) == before


def test_each_wrong_thing_is_told_with_what_to_do_and_the_rest_is_tried(tmp_path: Path) -> None:
    (tmp_path / "bucketry.toml").write_text(
        "[server]\ntls_certificate = '/none.pem'\ntls_key = '/none.key'\n"
        "[broker]\npassword_file = '/none.password'\n"
        "[database]\nurl = 'postgresql://user:hidden-password@127.0.0.1:1/none'\n"
        "[catalog]\nfile = '/none.json'\n"
        "[engines.away]\nkind = 'aws'\nregion = 'us-east-1'\nendpoint = 'http://127.0.0.1:1'\n"
        "access_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'hidden-secret'\n"
        "[engines.embedded]\nkind = 'embedded'\n"
    )
    code, lines = check(tmp_path / "data", "--config", str(tmp_path / "bucketry.toml"))
    assert code == 1
    wrong = [line.removeprefix("WRONG  ").partition(":")[0] for line in lines if line.startswith("WRONG ")]
    assert wrong == ["TLS", "broker", "database", "catalog", "engine away", "engine away"]
    assert f"ok     {ENGINE}all is removed again" in lines
    assert any(line.startswith("       To mend it: ") for line in lines)
    text = "\n".join(lines)
    assert "hidden" not in text
    assert "check-config" not in text


def test_a_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    code, lines = check(tmp_path, BUCKETRY_ENGINES__X__KIND="azure")
    assert code == 1
    assert lines[0].startswith("WRONG  settings: ")
    assert "azure" in lines[0]
    assert lines[1].startswith("       To mend it: ")


def test_over_tls_the_server_is_asked_as_its_clients_ask_it(fresh_server: Fresh, tmp_path: Path) -> None:
    config, certificate = tls_config(tmp_path)
    server = fresh_server("--config", str(config))
    code, lines = check(server.data, "--config", str(config), AWS_CA_BUNDLE=str(certificate))
    assert (code, [line for line in lines if not line.startswith("ok ")]) == (0, [])
    assert f"ok     {ENGINE}all is removed again" in lines
    code, lines = check(server.data, "--config", str(config))
    assert code == 1
    (wrong, *_) = [line for line in lines if line.startswith("WRONG ")]
    assert "is not trusted here" in wrong
    assert "AWS_CA_BUNDLE" in wrong


def test_a_certificate_that_ended_is_told(tmp_path: Path) -> None:
    config, certificate = tls_config(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    ended = builder.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=2))
    certificate.write_bytes(ended.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption())
    certificate.with_name("tls.key").write_bytes(secret)
    code, lines = check(tmp_path / "data", "--config", str(config))
    assert code == 1
    (wrong,) = [line for line in lines if line.startswith("WRONG ")]
    assert f"ended on {now - timedelta(days=2):%Y-%m-%d}" in wrong


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_finds_nothing_left(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [bucketry(), "--data", str(tmp_path), "check-config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert process.stdout is not None
    line = ""
    while "no server runs" not in line:
        assert select.select([process.stdout], [], [], 60)[0]
        line = process.stdout.readline()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert everything(tmp_path) == []
