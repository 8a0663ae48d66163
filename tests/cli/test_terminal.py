"""What is different on a terminal: questions, and a progress line that is rewritten."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import Cli
from tests.kit import programs

INTERRUPT = "\x03"


def on_terminal(cli: Cli, *arguments: str, typed: str = "") -> tuple[int, str]:
    """The exit code and all that is shown when a person types `typed` at the first question."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [programs.bucketry(), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=cli.environment | {"TERM": "xterm"},
            cwd=cli.home,
            start_new_session=True,
        )
        os.close(slave)
        shown, waiting = "", typed
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            ready, _, _ = select.select([master], [], [], 1)
            if not ready:
                continue
            try:
                text = os.read(master, 65536).decode()
            except OSError:  # the other end is closed: the program has ended
                break
            if not text:
                break
            shown += text
            if waiting and shown.endswith("[yN]: "):
                if waiting == INTERRUPT:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(master, waiting.encode())
                waiting = ""
        return process.wait(10), shown
    finally:
        with contextlib.suppress(OSError):
            os.close(master)


@pytest.mark.parametrize("typed", ["n\n", "\n", "yep\n", "\x04"])
def test_anything_but_yes_leaves_all_as_it_is(cli: Cli, typed: str) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    code, shown = on_terminal(cli, "delete-service", "my-bucket", typed=typed)
    assert code == 0
    assert "Really delete the service instance my-bucket" in shown
    assert "Delete cancelled" in shown
    assert cli.ok("service", "my-bucket", "--guid").out


@pytest.mark.parametrize("typed", ["y\n", "Yes\n"])
def test_yes_deletes(cli: Cli, typed: str) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    code, shown = on_terminal(cli, "delete-service", "my-bucket", typed=typed)
    assert code == 0
    assert "Service instance my-bucket deleted." in shown
    assert cli("service", "my-bucket").code == 3


def test_an_interrupt_at_the_question_leaves_all_as_it_is(cli: Cli) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    code, shown = on_terminal(cli, "delete-service", "my-bucket", typed=INTERRUPT)
    assert (code, "Error: Interrupted" in shown) == (130, True)
    assert cli.ok("service", "my-bucket", "--guid").out


def test_headers_are_bold_and_progress_is_one_line(cli: Cli) -> None:
    cli.ok("create-service", "s3", "basic", "my-bucket")
    assert "\x1b[1mname        offering" in on_terminal(cli, "services")[1]
    cli.server.engine.fill(cli.bucket("my-bucket"), objects=2500)
    _, shown = on_terminal(cli, "empty-bucket", "my-bucket", typed="y\n")
    assert "\r1,000 objects and versions" in shown
    assert "\r2,500 objects and versions" in shown
    cli.environment["NO_COLOR"] = "1"
    assert "\x1b" not in on_terminal(cli, "services")[1]
