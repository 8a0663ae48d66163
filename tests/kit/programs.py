"""Programs that tests drive. Where one is missing, a developer's run skips its tests; CI fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"


def require(name: str) -> str:
    """The path of a program, from the environment's bin folder or the PATH."""
    beside_python = Path(sys.executable).with_name(name)
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        message = f"{name} is not installed"
        if IN_CI:
            pytest.fail(f"{message}: CI must have it (see .ci/run)")
        pytest.skip(message)
    return found


def bucketry() -> str:
    """The program itself, as `make setup` leaves it."""
    return require("bucketry")
