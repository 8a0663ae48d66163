"""The processor time of single requests inside one process, without sockets: `python -m bench.request_path`.

Two figures each: `answer` is Gateway.answer alone (signature, policy, index, disk), `wire` the whole way from the bytes
of the request to the bytes of the answer, HTTP included, over a transport in memory. The least of several rounds
counts, since a busy machine only adds. What is left out is the kernel's share of sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import uvloop
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bucketry.kernel import logs
from bucketry.serve import preparing, settings, store_half, worker
from bucketry.serve.addresses import Addresses
from bucketry.serve.folder import DataFolder
from bucketry.serve.master_keys import open_keys
from bucketry.store.gateway.context import Services
from bucketry.store.gateway.http import Request, Response
from bucketry.store.gateway.pipeline import Gateway, make_server
from bucketry.store.s3.headers import Headers
from bucketry.store.s3.query import parse_query

HOST = "127.0.0.1:9000"
BUCKET = "bench-bucket"
KEYS = 1000
KIB = 1024


@dataclass(frozen=True, slots=True)
class Case:
    """A request that is made again and again."""

    name: str
    method: str
    path: str
    is_presigned: bool = True
    body: bytes = b""
    count: int = 2000  # a round


CASES = (
    Case("GET 1 KiB", "GET", f"/{BUCKET}/kib/000001"),
    Case("GET 1 KiB, header", "GET", f"/{BUCKET}/kib/000001", is_presigned=False),
    Case("HEAD", "HEAD", f"/{BUCKET}/kib/000001"),
    Case("GET 64 KiB", "GET", f"/{BUCKET}/64kib"),
    Case("GET 8 MiB", "GET", f"/{BUCKET}/8mib", count=20),
    Case("PUT 1 KiB", "PUT", f"/{BUCKET}/put", body=b"k" * KIB, count=500),
    Case("PUT 1 KiB, header", "PUT", f"/{BUCKET}/put", is_presigned=False, body=b"k" * KIB, count=500),
    Case("PUT 64 KiB", "PUT", f"/{BUCKET}/put-64kib", body=b"k" * 64 * KIB, count=250),
    Case("PUT 8 MiB", "PUT", f"/{BUCKET}/put-8mib", body=b"k" * 8192 * KIB, count=8),
    Case("LIST 1,000", "GET", f"/{BUCKET}?list-type=2&prefix=kib%2F", count=60),
)


class BodyInMemory:
    """A request's body as the server would hand it over, 128 KiB at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    async def read_chunk(self) -> bytes:
        chunk, self._rest = self._rest[: 128 * KIB], self._rest[128 * KIB :]
        return bytes(chunk)

    async def refuse_rest(self) -> None:
        self._rest = memoryview(b"")


class TransportInMemory(asyncio.Transport):
    """Takes what is written and wakes who waits for the first of it."""

    def __init__(self, is_head: bool) -> None:
        super().__init__()
        self._is_head = is_head
        self.wrote = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.status = b""
        self.left = 0

    def expect(self) -> None:
        self.wrote.clear()
        self.status = b""

    def write(self, data: Any) -> None:
        if not self.status:
            head, _, rest = bytes(data[:4096]).partition(b"\r\n\r\n")
            self.status = head[9:12]
            length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
            self.left = int(length or 0) - len(rest) - max(0, len(data) - 4096)
        else:
            self.left -= len(data)
        if self.left <= 0 or self._is_head or self.status != b"200":
            self.wrote.set()

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40_000) if name == "peername" else default

    def pause_reading(self) -> None:
        self.reads.clear()

    def resume_reading(self) -> None:
        self.reads.set()

    def close(self) -> None:
        """Nothing is open."""


class Signer:
    """Requests as botocore makes them: raw target and header fields."""

    def __init__(self, access_key_id: str, secret: str) -> None:
        self._credentials = Credentials(access_key_id, secret)
        self._agent = botocore.session.get_session().user_agent()

    def sign(self, case: Case) -> tuple[str, list[tuple[str, str]]]:
        data = b"" if case.is_presigned else case.body  # a presigned URL signs no body
        request = AWSRequest(case.method, f"http://{HOST}{case.path}", data=data)
        fields = [("Host", HOST)]
        if case.is_presigned:
            S3SigV4QueryAuth(self._credentials, "s3", "us-east-1", expires=3600).add_auth(request)
        else:
            request.headers["User-Agent"] = self._agent
            request.headers["Accept-Encoding"] = "identity"
            S3SigV4Auth(self._credentials, "s3", "us-east-1").add_auth(request)
            fields += [(name, value) for name, value in request.headers.items() if name.lower() != "host"]
        if case.body:
            fields.append(("Content-Length", str(len(case.body))))
        parts = urlsplit(str(request.url))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path, fields


@asynccontextmanager
async def store(root: Path) -> AsyncIterator[tuple[Services, Signer]]:
    """A store with one bucket and its objects, as its administrator."""
    logs.configure("info")
    folder = DataFolder(root)
    folder.make()
    chosen = settings.load(None, {})
    keys = open_keys(folder, chosen, may_create=True)
    addresses = Addresses.of(chosen, HOST, "127.0.0.1:9001", "127.0.0.1:8080", HOST)
    await preparing.prepare(folder, keys, chosen, addresses)
    with store_half.open_services(folder, keys, chosen, addresses) as services:
        admin = folder.read_admin()
        caller = services.identity.caller(admin.access_key_id)
        assert caller is not None
        owner = caller.account.account_id
        await services.identity.create_bucket(BUCKET, "0" * 16, owner, "us-east-1", "BucketOwnerEnforced")
        await services.disk.create_bucket(BUCKET, "0" * 16)
        signer = Signer(admin.access_key_id, admin.secret_access_key)
        gateway = Gateway(services, "host")
        objects = {f"kib/{number:06}": b"k" * KIB for number in range(KEYS)}
        objects |= {"64kib": b"k" * 64 * KIB, "8mib": b"k" * 8192 * KIB}
        for name, body in objects.items():
            made = Case("fill", "PUT", f"/{BUCKET}/{name}", body=body)
            response = await gateway.answer(request_of(made, *signer.sign(made)))
            assert response.status == 200, response.body
        yield services, signer
        await services.disk.close()


def request_of(case: Case, target: str, fields: list[tuple[str, str]]) -> Request:
    path, _, query = target.partition("?")
    length = len(case.body) if case.body else None
    headers = Headers(fields)
    parameters = parse_query(query) if query else {}
    return Request(
        case.method, path, query, headers, BodyInMemory(case.body), length, "127.0.0.1", False, "R", parameters
    )


async def drain(response: Response) -> None:
    assert response.status == 200, response.body
    if not isinstance(response.body, (bytes, bytearray, memoryview)):
        async for _ in response.body:
            pass


class ByAnswer:
    """Rounds of Gateway.answer. Making the Request is server.py's work, and done outside the clock."""

    def __init__(self, services: Services, signer: Signer, case: Case) -> None:
        self._gateway = Gateway(services, "host")
        self._case = case
        self._signed = signer.sign(case)
        self._waiting: list[Request] = []

    def prepare(self) -> None:
        self._waiting = [request_of(self._case, *self._signed) for _ in range(self._case.count)]

    async def run(self) -> None:
        for request in self._waiting:
            await drain(await self._gateway.answer(request))


class ByWire:
    """Rounds of whole requests over a connection in memory."""

    def __init__(self, services: Services, signer: Signer, case: Case) -> None:
        self._transport = TransportInMemory(case.method == "HEAD")
        self._protocol: Any = make_server(services)()
        self._protocol.connection_made(self._transport)
        self._count = case.count
        target, fields = signer.sign(case)
        lines = [f"{case.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        whole = "\r\n".join(lines).encode() + case.body
        self._pieces = [whole[at : at + 256 * KIB] for at in range(0, len(whole), 256 * KIB)]

    def prepare(self) -> None:
        """Nothing: the bytes are the same each time."""

    async def run(self) -> None:
        transport, protocol = self._transport, self._protocol
        for _ in range(self._count):
            transport.expect()
            for piece in self._pieces:
                protocol.data_received(piece)
                if not transport.reads.is_set():
                    await transport.reads.wait()
            if not transport.wrote.is_set():
                await transport.wrote.wait()
            assert transport.status == b"200"


async def least(rounds: ByAnswer | ByWire, count: int, times: int) -> float:
    """Microseconds of processor time (all threads) a request, of the quickest round."""
    best = float("inf")
    for _ in range(times + 1):
        rounds.prepare()
        begun = time.process_time()
        await rounds.run()
        best = min(best, time.process_time() - begun)
    return best / count * 1e6


async def run(options: argparse.Namespace) -> None:
    sys.setswitchinterval(worker.SWITCH_INTERVAL_SECONDS)
    with tempfile.TemporaryDirectory(prefix="bucketry-bench-") as name:
        async with store(Path(name) / "data") as (services, signer):
            gc.collect()
            gc.freeze()
            for case in CASES:
                if options.only and not any(word in case.name for word in options.only):
                    continue
                figures = []
                for kind, make in (("answer", ByAnswer), ("wire", ByWire)):
                    rounds = make(services, signer, case)
                    if options.profile == kind:
                        await profile(rounds)
                    figures.append(f"{kind} {await least(rounds, case.count, options.rounds):9.1f} µs")
                print(f"{case.name:20} " + "   ".join(figures), flush=True)


async def profile(rounds: ByAnswer | ByWire) -> None:
    rounds.prepare()
    profiler = cProfile.Profile()
    profiler.enable()
    await rounds.run()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.request_path", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="the quickest counts")
    parser.add_argument("--only", action="append", help="cases whose name contains this; may be repeated")
    parser.add_argument("--profile", choices=["answer", "wire"], help="print a cProfile of one round first")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
