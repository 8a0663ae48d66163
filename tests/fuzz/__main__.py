"""`python -m tests.fuzz --seconds N`: fuzz all targets, N seconds altogether, and say how many inputs each stood."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from bucketry.kernel import logs
from tests.fuzz.parsers import PARSERS
from tests.fuzz.target import Found, fuzz
from tests.fuzz.wire import MESSAGES
from tests.fuzz.world import living


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for all targets together (default: 120)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the random numbers")
    parser.add_argument("--only", action="append", help="targets of this name; may be repeated")
    options = parser.parse_args()
    logs.configure("info")
    print(f"seed {options.seed}", flush=True)
    code = 0
    with tempfile.TemporaryDirectory(prefix="bucketry-fuzz-") as folder, living(Path(folder)) as world:
        targets = [
            target
            for target in (*PARSERS, MESSAGES, *world.targets())
            if not options.only or target.name in options.only
        ]
        for target in targets:
            try:
                count = fuzz(target, options.seconds / len(targets), options.seed)
            except Found as found:
                print(f"FOUND {found}", flush=True)
                code = 1
            else:
                print(f"{target.name:12} {count:>10,} inputs", flush=True)
            world.check_alive()
    return code


if __name__ == "__main__":
    sys.exit(main())
