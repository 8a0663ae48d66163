"""How far it could go on this machine: nginx with static files under the same load, durable writes of the raw disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from bench.load import Rate, run
from bench.servers import free_port

_CONFIGURATION = """
{user}
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


class Nginx:
    """nginx over a folder of files. It signs, looks up and checks nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.endpoint = ""
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return _program() is not None

    @staticmethod
    def version() -> str:
        told = subprocess.run([_program() or "nginx", "-v"], capture_output=True, text=True, check=True).stderr
        return told.rpartition("/")[2].strip()

    def start(self, sizes: dict[str, int]) -> Nginx:
        """`sizes`: bytes by the file's name."""
        program = _program()
        assert program is not None, "asked before"
        (self._folder / "files").mkdir(parents=True)
        for name, size in sizes.items():
            with (self._folder / "files" / name).open("wb") as file:
                for at in range(0, size, 1 << 20):
                    file.write(os.urandom(min(1 << 20, size - at)))
        port = free_port()
        configuration = self._folder / "nginx.conf"
        user = "user root;" if os.getuid() == 0 else ""  # its workers could not read a private folder otherwise
        configuration.write_text(_CONFIGURATION.format(folder=self._folder, port=port, user=user))
        with (self._folder / "nginx.log").open("wb") as log:
            self._process = subprocess.Popen([program, "-c", str(configuration)], stdout=log, stderr=log)
        self.endpoint = f"http://127.0.0.1:{port}"
        for _ in range(500):
            if (self._folder / "nginx.pid").exists():
                return self
            time.sleep(0.01)
        raise SystemExit(f"nginx did not start:\n{(self._folder / 'nginx.log').read_text()}")

    def get(self, name: str, seconds: float, connections: int = 16) -> Rate:
        return run("GET", self.endpoint, [f"/{name}"], self._folder, seconds=seconds, connections=connections)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


def _program() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def durable_writes(folder: Path, size: int, seconds: float) -> float:
    """Writes of `size` bytes a second to a new file, each on the disk before the next (O_DSYNC)."""
    file, data, count = folder / "raw.bin", os.urandom(size), 0
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DSYNC, 0o600)
    try:
        begun = time.perf_counter()
        while time.perf_counter() < begun + seconds or not count:
            os.write(descriptor, data)
            count += 1
        return count / (time.perf_counter() - begun)
    finally:
        os.close(descriptor)
        file.unlink()
