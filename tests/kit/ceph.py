"""A real Ceph cluster on loopback: one monitor, one manager, OSDs on sparse files, one RADOS Gateway. About 20 s.

A process of its own (`python -m tests.kit.ceph FOLDER OSDS`) starts the programs and ends with them when nobody holds
the folder's lock any more, so that workers of a test run share one cluster and nothing of it outlives them, whatever
ends them.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bucketry.marketplace.domain.engine_ports import AccessKey
from tests.kit.programs import require

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mgr", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS = 120.0
_DESCRIPTION = "cluster.json"

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = {monitor}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
osd pool default size = {osds}
osd pool default min size = {least}
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
ms bind ipv4 = true
[mon]
mon data = {folder}/mon.$id
mon cluster log file = {folder}/log/cluster.log
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
mon osd reporter subtree level = osd
mon osd min down reporters = 1
[osd]
osd data = {folder}/osd.$id
osd objectstore = bluestore
bluestore block size = 10737418240
bluestore fsck on mount = false
bluestore cache autotune = false
bluestore cache size = 67108864
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable static website = true
rgw enable apis = s3, s3website, admin
rgw dns name = s3.localhost
rgw dns s3website name = s3-website.localhost
rgw thread pool size = 32
"""

_KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mds": "allow *", "mgr": "allow *"},
    "client.rgw.a": {"mon": "allow rw", "osd": "allow rwx", "mgr": "allow rw"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs. Its gateway has a user `broker` whose key may use the admin API as docs/ceph.md says."""

    folder: str
    url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    osd_pids: list[int] = field(default_factory=list)

    @property
    def key(self) -> AccessKey:
        return AccessKey(self.access_key_id, self.secret_access_key)

    @property
    def website_host(self) -> str:
        return f"s3-website.localhost:{self.url.rpartition(':')[2]}"

    def admin(self, *arguments: str) -> str:
        """The answer of `radosgw-admin`, as JSON where it speaks it."""
        return _run(Path(self.folder), "radosgw-admin", *arguments)

    def ceph(self, *arguments: str) -> str:
        return _run(Path(self.folder), "ceph", *arguments)


@contextlib.contextmanager
def cluster(folder: Path, osds: int = 1) -> Iterator[Cluster]:
    """The cluster of a folder, started by whoever comes first; it ends after the last. Skips where Ceph is missing."""
    for program in PROGRAMS:
        require(program)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users.lock").open("w") as users:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for the end of one that is stopping
            description = folder / _DESCRIPTION
            if not description.exists():
                _begin(folder, osds)
            found = Cluster(**json.loads(description.read_text()))
        yield found


def _begin(folder: Path, osds: int) -> None:
    command = [sys.executable, "-m", "tests.kit.ceph", str(folder), str(osds)]
    with (folder / "starting.log").open("w") as log:
        started = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
    assert started.stdout is not None
    with started.stdout:
        line = started.stdout.readline()  # it ends by itself when it takes too long
    if line != b"ready\n":
        raise AssertionError(f"Ceph did not start: {(folder / 'starting.log').read_text()[-3000:]}")
    started.returncode = 0  # it is left alone from here on, and Popen is not to complain


# ---- the process that holds a cluster


def main(folder: Path, osds: int) -> None:
    """Start it, say `ready`, and stop it when nobody uses it any more."""
    signal.alarm(int(START_SECONDS))
    made = _Making(folder, osds)
    try:
        description = made.start()
        signal.alarm(0)
        (folder / _DESCRIPTION).write_text(json.dumps(asdict(description)))
        os.write(sys.stdout.fileno(), b"ready\n")
        sys.stdout.close()
        with (folder / "users.lock").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (folder / _DESCRIPTION).unlink()
            made.stop()
    finally:
        made.stop()


class _Making:
    def __init__(self, folder: Path, osds: int) -> None:
        self._folder = folder
        self._osds = osds
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> Cluster:
        folder = self._folder
        for name in ("run", "log", "mon.a"):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        fsid, ports = str(uuid.uuid4()), _free_ports(3)
        monitor = f"[v2:127.0.0.1:{ports[0]},v1:127.0.0.1:{ports[1]}]"
        (folder / "ceph.conf").write_text(
            _CONFIGURATION.format(
                fsid=fsid, monitor=monitor, folder=folder, osds=self._osds, least=(self._osds + 1) // 2, port=ports[2]
            )
        )
        self._make_keys()
        self._run("monmaptool", "--create", "--clobber", "--addv", "a", monitor, "--fsid", fsid, str(folder / "monmap"))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(folder / "monmap"), "--keyring", "keyring")
        self._hold("ceph-mon", "-i", "a")
        self._run("ceph", "auth", "import", "-i", "keyring.others")
        self._hold("ceph-mgr", "-i", "x")
        pids = [self._start_osd(number) for number in range(self._osds)]
        self._hold("radosgw", "-n", "client.rgw.a")
        url = f"http://127.0.0.1:{ports[2]}"
        _wait_for(url, self._running[-1])
        key = AccessKey(f"KEY{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
        self._run(
            "radosgw-admin",
            *("user", "create", "--uid=broker", "--display-name=bucketry", "--max-buckets=0"),
            f"--access-key={key.access_key_id}",
            f"--secret-key={key.secret_access_key}",
            "--caps=users=*;buckets=*",
        )
        return Cluster(str(folder), url, key.access_key_id, key.secret_access_key, pids)

    def stop(self) -> None:
        for process in self._running:
            process.kill()  # nothing of it is needed again
        for process in self._running:
            process.wait()
        self._running.clear()
        for number in range(self._osds):
            shutil.rmtree(self._folder / f"osd.{number}", ignore_errors=True)

    def _make_keys(self) -> None:
        """A keyring of all, and one of those that the monitor does not know from its own beginning."""
        for name, capabilities in _KEYS.items():
            ring = "keyring" if name in ("mon.", "client.admin") else "keyring.others"
            options = [word for service, allowed in capabilities.items() for word in ("--cap", service, allowed)]
            create = [] if (self._folder / ring).exists() else ["--create-keyring"]
            self._run("ceph-authtool", ring, *create, "--gen-key", "-n", name, *options)
        with (self._folder / "keyring").open("a") as keyring:
            keyring.write((self._folder / "keyring.others").read_text())

    def _start_osd(self, number: int) -> int:
        data = self._folder / f"osd.{number}"
        data.mkdir()
        guid, secret = str(uuid.uuid4()), self._run("ceph-authtool", "--gen-print-key").strip()
        self._run("ceph", "osd", "new", guid, "-i", "-", said=json.dumps({"cephx_secret": secret}))
        keyring = str(data / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring, "-n", f"osd.{number}", "--add-key", secret)
        self._run("ceph-osd", "-i", str(number), "--mkfs", "--osd-uuid", guid, "--keyring", keyring)
        return self._hold("ceph-osd", "-i", str(number), "--keyring", keyring)

    def _run(self, program: str, *arguments: str, said: str = "") -> str:
        return _run(self._folder, program, *arguments, said=said)

    def _hold(self, program: str, *arguments: str) -> int:
        """Start a program that lives as long as this process."""
        log = (self._folder / "log" / f"{program}.out").open("ab")
        with log:
            process = subprocess.Popen(
                [require(program), "-f", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=_environment(self._folder),
                preexec_fn=_end_with_parent,  # noqa: PLW1509  # there are no threads here
            )
        self._running.append(process)
        return process.pid


def _end_with_parent() -> None:
    pr_set_pdeathsig = 1  # prctl(2)
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "CEPH_CONF": str(folder / "ceph.conf"), "CEPH_ARGS": ""}


def _run(folder: Path, program: str, *arguments: str, said: str = "") -> str:
    done = subprocess.run(
        [require(program), *arguments],
        input=said,
        capture_output=True,
        text=True,
        cwd=folder,
        env=_environment(folder),
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{program} {arguments[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def _free_ports(count: int) -> list[int]:
    """Of those that the system gives to nobody who asks for any: Ceph listens only some seconds later."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.sample(range(lowest // 2, lowest), lowest // 2):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"there are no {count} free ports below {lowest}")


def _wait_for(url: str, gateway: subprocess.Popen[bytes]) -> None:
    """The gateway listens when its pools are made, and says so to nobody."""
    while gateway.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"radosgw ended with {gateway.returncode}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
