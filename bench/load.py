"""The load: wrk over kept connections, each request a presigned URL, so that every server verifies the same Signature
V4. The URLs are made before the clock starts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Each thread takes its own share of the requests, in turn. There is no function `response`: with one, wrk would keep
# every body in memory.
_SCRIPT = """
local requests = {}
for line in io.lines(%(file)s) do requests[#requests + 1] = line end
local body = nil
if %(body)s then local f = io.open(%(body)s, "rb"); body = f:read("*a"); f:close() end
local threads = 0
function setup(thread) thread:set("first", threads); threads = threads + 1 end
local at
function request()
  at = at and at + %(threads)d or first
  local line = requests[at %% #requests + 1]
  local range, path = line:match("^(bytes=%%S+) (.*)$")
  local headers = {%(headers)s}
  if range then headers["Range"] = range else path = line end
  return wrk.format(%(method)s, path, headers, body)
end
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What wrk saw: answers and megabytes (10^6) a second, latencies in ms, and answers that were errors."""

    per_second: float
    mb_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int


def run(
    method: str,
    endpoint: str,
    targets: Sequence[str],
    folder: Path,
    *,
    body: bytes = b"",
    seconds: float = 5,
    connections: int = 16,
    headers: Mapping[str, str] | None = None,
) -> Rate:
    """Ask `targets` in turn for `seconds`. A target is what stands in the request line, with `bytes=… ` before it where
    a range of it is wanted."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is not installed (Debian: apt install wrk)")
    listed, body_file, script = folder / "requests.txt", folder / "body.bin", folder / "load.lua"
    listed.write_text("".join(target + "\n" for target in targets))
    body_file.write_bytes(body)
    threads = min(2, connections)
    quoted = {
        "file": f'"{listed}"',
        "body": f'"{body_file}"' if body else "nil",
        "method": f'"{method}"',
        "threads": threads,
        "headers": ", ".join(f'["{name}"] = "{value}"' for name, value in (headers or {}).items()),
    }
    script.write_text(_SCRIPT % quoted)
    output = subprocess.run(
        [wrk, f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "60s",
         "-s", str(script), endpoint],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return _read(output)


def _read(output: str) -> Rate:
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    errors = int(bad[1]) if bad else 0
    errors += sum(map(int, broken.groups())) if broken else 0
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    bytes_ = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", output)
    count = re.search(r"(\d+) requests in", output)
    if rate is None or bytes_ is None or count is None:
        raise SystemExit(f"wrk said nothing that can be read:\n{output}")
    megabytes = float(bytes_[1]) * {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}[bytes_[2]] / 1e6
    return Rate(float(rate[1]), megabytes, _latency(output, "50%"), _latency(output, "99%"), errors, int(count[1]))


def _latency(output: str, name: str) -> float:
    """0 where no request was finished within the time."""
    found = re.search(rf"^\s+{re.escape(name)}\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[found[2]] if found else 0.0
