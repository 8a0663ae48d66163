"""The HTTP client where time and trust run out."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bucketry.cli.client import Client
from bucketry.cli.errors import NOT_ALLOWED, TIMED_OUT, CliError
from bucketry.cli.locate import Address


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_never_answers_is_exit_code_7(silent: str) -> None:
    with (
        closing(Client(Address(silent, "t", ""), timeout_seconds=0.05)) as client,
        pytest.raises(CliError, match="did not answer within") as failed,
    ):
        client.get("info")
    assert failed.value.exit_code == TIMED_OUT


def test_a_client_can_be_told_to_wait_longer_or_shorter(silent: str) -> None:
    with closing(Client(Address(silent, "t", ""))) as client:
        client.wait_for(0.05)
        with pytest.raises(CliError, match="did not answer within 0 s"):
            client.get("info")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of one's own for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[str]:
    """A TLS server that answers one request with an empty list."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        except OSError:
            return  # the client did not trust it

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    thread.join(10)


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: str) -> None:
    with (
        closing(Client(Address(encrypted, "t", ""))) as client,
        pytest.raises(CliError, match="can't be trusted") as refused,
    ):
        client.get("orgs")
    assert refused.value.exit_code == NOT_ALLOWED
    assert "SSL_CERT_FILE" in refused.value.line


def test_a_certificate_of_ones_own_can_be_named(
    encrypted: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with closing(Client(Address(encrypted, "t", ""))) as client:
        assert client.get("orgs") == []
