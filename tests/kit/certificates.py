"""A certificate for this machine, for clients that do some things over TLS alone."""

from __future__ import annotations

from pathlib import Path

from tests.kit.programs import require
from tests.kit.server import run_program


def self_signed(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1 and localhost; the certificate is its own authority."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    run_program(
        [
            require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(key), "-out", str(certificate),
        ]
    )  # fmt: skip
    return certificate, key


def tls_config(folder: Path) -> tuple[Path, Path]:
    """(settings file for `serve --config`, certificate that clients are to trust)."""
    certificate, key = self_signed(folder)
    config = folder / "tls.toml"
    config.write_text(f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    return config, certificate
