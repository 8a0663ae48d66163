"""A flame graph of bucketry's store workers under GET 1 KiB, by py-spy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from bench.cells import KIB, Run
from bench.load import run
from bench.objects import BUCKET, COUNTS, prepare
from bench.servers import BIN, Bucketry

# The command lines of recorder and server, which name the machine's own folders.
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*')
_PROCESS = re.compile(r"process (\d+):&quot;[^<]*?(?:&quot;( \([^<]*\))?|\.\.)(?=<)")

MOST_BYTES = 200 * 1024


def draw(run_: Run, output: Path) -> None:
    """Record for the length of a measurement and write an SVG."""
    spy = shutil.which("py-spy", path=f"{BIN}:{os.environ['PATH']}")
    if spy is None:
        raise SystemExit("py-spy is not installed: run `make bench`, which installs it")
    server = Bucketry(run_.folder / "bucketry")
    server.start()
    try:
        prepare(run_, server)
        sign = server.presigner().target
        targets = [sign("GET", f"/{BUCKET}/{KIB}/{number:06}") for number in range(COUNTS[KIB])]
        seconds = max(5.0, run_.seconds)
        load = threading.Thread(
            target=run, args=("GET", server.endpoint, targets, run_.folder), kwargs={"seconds": seconds + 4}
        )
        load.start()
        parent = server.processes()[0]
        subprocess.run(
            [spy, "record", "--subprocesses", "--pid", str(parent), "--duration", f"{seconds:.0f}", "--rate", "500",
             "--function", "--output", str(output)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        load.join()
        output.write_text(_anonymous(output.read_text()))
    finally:
        server.stop()
    size = output.stat().st_size
    print(f"{output}: {size / 1024:.0f} KiB")
    if size > MOST_BYTES:
        raise SystemExit(f"{output} has more than {MOST_BYTES // 1024} KiB; record for a shorter time")


def _anonymous(svg: str) -> str:
    """Without what belongs to this machine alone: the command lines of recorder and server."""
    svg = _TITLE.sub(r"\1bucketry under GET 1 KiB", svg)
    return _PROCESS.sub(lambda found: f"process {found[1]}{found[2] or ''}", svg)
