"""A server that is missing, refuses, or is none: one clear line, the right exit code, never a traceback."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.kit import programs
from tests.kit.deaf import deaf_port
from tests.kit.manage_server import TOKEN


@contextlib.contextmanager
def stub(*answers: bytes) -> Iterator[str]:
    """A socket that gives each connection's first request the next answer, then closes. b"" closes at once; an answer
    that ends with b"..." leaves the connection open."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        for answer in answers:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer.removesuffix(b"..."))
                    if answer.endswith(b"..."):
                        stop.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()
        thread.join(10)


def answer(status: str, body: str, kind: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def ask(cli: Cli, url: str, *arguments: str) -> tuple[int, str]:
    result = cli(*(arguments or ("orgs",)), BUCKETRY_URL=url, BUCKETRY_TOKEN=TOKEN)
    assert result.out == ""
    assert TOKEN not in result.err
    return result.code, result.error


def test_no_server_anywhere_says_what_to_do(cli: Cli) -> None:
    del cli.environment["BUCKETRY_DATA"]
    missing = cli("services")
    assert missing.code == 1
    for part in ("bucketry serve", "--data", "BUCKETRY_URL"):
        assert part in missing.error


def test_a_data_folder_without_server_says_how_to_start_one(cli: Cli) -> None:
    missing = cli("services", "--data", "nowhere")
    assert missing.code == 1
    assert "bucketry serve --data nowhere" in missing.error


def test_a_server_that_is_not_running_says_how_to_start_it(cli: Cli) -> None:
    data = cli.home / "data"
    data.mkdir()
    with deaf_port() as port:
        (data / "admin.json").write_text(json.dumps({"api_url": f"http://127.0.0.1:{port}", "token": "t"}))
        refused = cli("services", BUCKETRY_DATA=str(data))
        assert refused.code == 1
        assert "no server answers" in refused.error.lower()
        assert f"bucketry serve --data {data}" in refused.error
        assert cli("--data", str(data), "services").code == cli("services", "--data", str(data)).code == 1


def test_a_wrong_token_is_not_allowed(cli: Cli) -> None:
    refused = cli("services", BUCKETRY_URL=cli.server.url, BUCKETRY_TOKEN="wrong-token")
    assert refused.code == 4
    assert "does not know the token" in refused.error
    assert "admin.json" in refused.error
    assert "wrong-token" not in refused.err


def test_a_missing_token_is_told(cli: Cli) -> None:
    refused = cli("services", BUCKETRY_URL=cli.server.url)
    assert (refused.code, "BUCKETRY_TOKEN" in refused.error) == (4, True)


@pytest.mark.parametrize("token", ["two\nlines", "tök en"])
def test_a_token_that_is_none_is_told_without_showing_it(cli: Cli, token: str) -> None:
    refused = cli("services", BUCKETRY_URL=cli.server.url, BUCKETRY_TOKEN=token)
    assert refused.code in (1, 4)
    assert token.split()[0] not in refused.error


@pytest.mark.parametrize(
    "reply",
    [
        answer("200 OK", "<html>hello</html>", "text/html"),
        answer("200 OK", '{"user": '),
        answer("200 OK", "[]"),
        answer("200 OK", '{"version": "1"}'),
        answer("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>", "application/xml"),
        answer("500 Internal Server Error", "oops", "text/plain"),
        answer("403 Forbidden", '{"error": "no"}'),
        answer("302 Found", "", "text/html", Location="http://127.0.0.1:1/"),
        answer("200 OK", "x" * 10)[:-5],
        b"220 smtp.example.org ready\r\n",
        b"\x15\x03\x01\x00\x02\x02P",
        b"",
    ],
)
def test_what_is_no_answer_of_bucketry_is_told(cli: Cli, reply: bytes) -> None:
    with stub(reply) as url:
        code, error = ask(cli, url)
    assert code == 1
    assert url in error


def test_the_token_does_not_follow_a_redirect(cli: Cli) -> None:
    with stub(answer("200 OK", "{}")) as other, stub(answer("307 Moved", "", Location=f"{other}/api/v1/info")) as url:
        assert ask(cli, url)[0] == 1
        with socket.create_connection(("127.0.0.1", int(other.rpartition(":")[2]))) as still_free:
            still_free.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert still_free.recv(10).startswith(b"HTTP/1.1")


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://x:99999", "http://x:0", "http://x/?a=b"])
def test_what_is_no_address_is_told(cli: Cli, url: str) -> None:
    code, error = ask(cli, url)
    assert (code, "not the address of a server" in error) == (1, True)


def test_an_unknown_host_is_told(cli: Cli) -> None:
    code, error = ask(cli, "http://no-such-host.invalid:8080")
    assert (code, "BUCKETRY_URL" in error) == (1, True)


def test_an_address_may_have_a_path_and_an_end(cli: Cli) -> None:
    for suffix in ("/", "/api/v1", "/api/v1/"):
        assert cli.ok("orgs", BUCKETRY_URL=cli.server.url + suffix, BUCKETRY_TOKEN=TOKEN).out


def test_an_emptying_that_breaks_off_is_told(cli: Cli) -> None:
    begun = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n"
        b'{"objects": 1000, "size_bytes": 10, "uploads": 0, "done": false}\n'
    )
    info = answer("200 OK", '{"user": "admin"}', Connection="close")
    with stub(info, begun) as url:
        code, error = ask(cli, url, "empty-bucket", "b", "-f")
    assert (code, "goes on where it was" in error) == (8, True)


def test_control_characters_of_a_server_do_not_reach_the_terminal(cli: Cli) -> None:
    body = json.dumps({"error": {"code": "X", "message": "a\x1b]0;b\x07\nError: c", "remedy": ""}})
    with stub(answer("404 Not Found", body)) as url:
        code, error = ask(cli, url)
    assert code == 3
    assert error.isprintable()


def test_an_interrupt_is_exit_code_130(cli: Cli) -> None:
    with stub(b"...") as url:
        process = subprocess.Popen(
            [programs.bucketry(), "orgs", "--verbose"],
            env=cli.environment | {"BUCKETRY_URL": url, "BUCKETRY_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 20
        while not _has_connection(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "Error: Interrupted"


def _has_connection(pid: int) -> bool:
    """Whether the process has a socket open: then it waits for the answer."""
    with contextlib.suppress(OSError):
        return any("socket:" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def test_a_reader_that_goes_away_is_no_traceback(cli: Cli) -> None:
    for number in range(3):
        cli.ok("create-service", "s3", "basic", f"{'x' * 200}-{number}")
    script = f'"{programs.bucketry()}" marketplace -o json | head -c 1'
    done = subprocess.run(["bash", "-c", script], env=cli.environment, capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_verbose_shows_requests_without_secrets(cli: Cli) -> None:
    shown = cli.ok("services", "--verbose")
    assert "GET /api/v1/info: 200 in" in shown.err
    assert TOKEN not in shown.err
