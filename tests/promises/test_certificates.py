"""A renewed certificate is taken into use by SIGHUP: no connection is cut, and broken files change nothing."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from pathlib import Path

from tests.kit.certificates import self_signed, tls_config
from tests.kit.server import Server

SECONDS = 10.0


def presented(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def expected(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def await_log(server: Server, text: str, count: int) -> None:
    """Until the log has `text` so often: each worker says it once."""
    deadline = time.monotonic() + SECONDS
    while server.log.read_text().count(text) < count:
        assert time.monotonic() < deadline, server.log.read_text()[-2000:]
        time.sleep(0.02)


def test_sighup_loads_renewed_certificates(tmp_path: Path) -> None:
    config, certificate = tls_config(tmp_path)
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        ports = [server.port("s3"), server.port("api")]
        old = expected(certificate)
        assert [presented(port) for port in ports] == [old, old]
        trusting = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", ports[0]), 10) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as kept,
        ):
            self_signed(tmp_path)
            os.kill(server.pid, signal.SIGHUP)
            await_log(server, "the certificates were reloaded", 3)
            for _ in range(4):
                assert [presented(port) for port in ports] == [expected(certificate)] * 2
            kept.sendall(b"GET /_bucketry/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(65536).endswith(b"ok")
        renewed = expected(certificate)
        assert renewed != old
        certificate.write_text("not a certificate")
        os.kill(server.pid, signal.SIGHUP)
        await_log(server, "the certificates were not reloaded", 3)
        assert [presented(port) for port in ports] == [renewed, renewed]
    finally:
        assert server.stop() == 0


def test_without_certificates_sighup_stops_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    os.kill(server.pid, signal.SIGHUP)
    assert server.wait(SECONDS) == 0
