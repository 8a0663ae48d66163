"""The load: wrk over keep-alive connections, each request a presigned URL, so that every server verifies the same
Signature V4. The URLs are made before the clock starts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# Each wrk thread takes its own share of the paths, in turn.
_SCRIPT = """
local paths = {}
for line in io.lines(%(paths)s) do paths[#paths + 1] = line end
local body = nil
if %(body)s then local f = io.open(%(body)s, "rb"); body = f:read("*a"); f:close() end
local threads = 0
function setup(thread) thread:set("first", threads); threads = threads + 1 end
local at
function request()
  at = (at or first * 7919) + 1
  return wrk.format(%(method)s, paths[at %% #paths + 1], nil, body)
end
local codes = {}
function response(status)
  if status >= 300 then failed = (failed or 0) + 1; last = status end
end
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What wrk saw: answers a second, latencies in ms, and answers that were errors. `cpu_us`: the server's processor
    time a request, which a busy machine changes little."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int
    cpu_us: float = 0.0


def run(
    method: str, urls: Sequence[str], folder: Path, *, body: bytes = b"", seconds: float = 5, connections: int = 16
) -> Rate:
    """Ask `urls` in turn for `seconds`."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is not installed (Debian: apt install wrk)")
    parts = urlsplit(urls[0])
    paths = folder / "paths.txt"
    paths.write_text("".join(url.removeprefix(f"{parts.scheme}://{parts.netloc}") + "\n" for url in urls))
    body_file = folder / "body.bin"
    body_file.write_bytes(body)
    script = folder / "load.lua"
    quoted = {
        "paths": f'"{paths}"',
        "body": f'"{body_file}"' if body else "nil",
        "method": f'"{method}"',
    }
    script.write_text(_SCRIPT % quoted)
    threads = min(2, connections)
    output = subprocess.run(
        [wrk, f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", "--latency", "--timeout", "20s", "-s", str(script),
         f"{parts.scheme}://{parts.netloc}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    errors = int(bad[1]) if bad else 0
    errors += sum(map(int, broken.groups())) if broken else 0
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    count = re.search(r"(\d+) requests in", output)
    assert rate is not None, output
    assert count is not None, output
    return Rate(float(rate[1]), _latency(output, "50%"), _latency(output, "99%"), errors, int(count[1]))


def _latency(output: str, name: str) -> float:
    found = re.search(rf"^\s+{re.escape(name)}\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[found[2]]
