"""The parent of a server: it forks workers, replaces dead ones, and passes on the wish to stop or to load certificates.

The parent runs no event loop, opens no database and starts no thread, so that forking it is safe at any time and what
it inherits to workers is small. A worker lives no longer than the parent: it watches the read end of a pipe whose write
end only the parent holds.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bucketry.kernel import logs
from bucketry.serve.errors import ServeError

GRACE_SECONDS = 30.0  # in-flight requests get this long after SIGTERM
_FAST_DEATH_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 5.0
log = logs.get("supervisor")

# A worker's body: called in the child with the pipe to watch and the one to write a byte to when it serves.
Body = Callable[[int, int], None]


@dataclass(slots=True)
class Role:
    """A kind of worker and how many of it to keep running.

    `load`: reads what its process alone needs and takes long to read. Such roles are started before the server is
    prepared, read meanwhile, and call `body` once it is.
    """

    name: str
    body: Body
    count: int = 1
    load: Callable[[], None] | None = None


@dataclass(slots=True)
class _Worker:
    role: Role
    started: float
    ready_pipe: int
    is_ready: bool = False


@dataclass(slots=True)
class Supervisor:
    """Keeps the workers of `roles` running until SIGTERM or SIGINT. `prepare` makes what they expect; it may raise."""

    roles: list[Role]
    prepare: Callable[[], None]
    on_ready: Callable[[], None]
    reloads: bool = False  # SIGHUP is passed on to the workers; else it stops the server as SIGTERM does
    _workers: dict[int, _Worker] = field(default_factory=dict)
    _stopping: bool = False
    _life: tuple[int, int] = (-1, -1)
    _wake: tuple[int, int] = (-1, -1)
    _gate: tuple[int, int] | None = None  # a byte for each worker that waits for the server to be prepared
    _pauses: dict[str, float] = field(default_factory=dict)
    _due: list[tuple[float, Role]] = field(default_factory=list)  # when to start a worker in a dead one's place

    def run(self) -> int:
        """Serve until told to stop; the exit code: 0 after a clean stop, 1 when a first start failed."""
        self._life = os.pipe()
        self._prepare()
        self._wake = os.pipe()
        os.set_blocking(self._wake[1], False)
        os.set_blocking(self._wake[0], False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload if self.reloads else self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # or each collection in a worker writes into what it shares with the others, and gets its own copy
        gc.enable()
        for role in self.roles:
            if role.load is None:
                self._start_all(role)
        if not self._await_ready():
            self._stop_all()
            return 1
        self.on_ready()
        while not self._stopping:
            self._sleep(self._seconds_to_next())
            self._reap()
            self._start_due()
        self._stop_all()
        return 0

    def _prepare(self) -> None:
        """Prepare the server while the first workers load. A signal still ends the parent; they go when it does."""
        self._gate = os.pipe()
        gc.freeze()
        for role in self.roles:
            if role.load is not None:
                self._start_all(role)
        try:
            self.prepare()
        except BaseException:
            self._signal_all(signal.SIGKILL)  # they have begun nothing
            self._bury_all()
            raise
        os.write(self._gate[1], b"p" * len(self._workers))
        for end in self._gate:
            os.close(end)
        self._gate = None

    def _may_begin(self) -> bool:
        """In a worker: wait until the server is prepared; False when it won't be."""
        if self._gate is None:
            return True
        os.close(self._gate[1])
        return bool(os.read(self._gate[0], 1))

    def _on_stop(self, *_: object) -> None:
        self._stopping = True

    def _on_reload(self, *_: object) -> None:
        self._signal_all(signal.SIGHUP)

    def _start_all(self, role: Role) -> None:
        for _ in range(role.count):
            self._start(role)

    def _start(self, role: Role) -> None:
        ready_read, ready_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        number = os.fork()
        if number:
            os.close(ready_write)
            self._workers[number] = _Worker(role, time.monotonic(), ready_read)
            return
        code = 1
        try:
            os.close(ready_read)
            os.close(self._life[1])
            for worker in self._workers.values():
                os.close(worker.ready_pipe)
            signal.set_wakeup_fd(-1)
            signal.signal(
                signal.SIGHUP, signal.SIG_IGN
            )  # until the worker listens to it; it reads its files anew anyway
            for inherited in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(inherited, signal.SIG_DFL)
            if role.load is not None:
                role.load()
            if self._may_begin():
                role.body(self._life[0], ready_write)
            code = 0
        except KeyboardInterrupt:
            code = 0
        except ServeError as problem:
            sys.stderr.write(f"Error: {problem}\n")
            sys.stderr.flush()
        except BaseException as problem:
            log.error("a worker failed", role=role.name, error=f"{type(problem).__name__}: {problem}", exc_info=True)
        finally:
            os._exit(code)

    def _await_ready(self) -> bool:
        """Wait until every worker has said that it serves; False as soon as one dies first."""
        waiting = {worker.ready_pipe: worker for worker in self._workers.values()}
        while waiting and not self._stopping:
            readable, _, _ = select.select([*waiting, self._wake[0]], [], [])
            for descriptor in readable:
                if descriptor == self._wake[0]:
                    self._drain_wake()
                    continue
                if not os.read(descriptor, 1):
                    return False
                waiting.pop(descriptor).is_ready = True
        return not self._stopping

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake[0], 512)

    def _sleep(self, seconds: float | None) -> None:
        select.select([self._wake[0]], [], [], seconds)
        self._drain_wake()

    def _reap(self) -> None:
        while True:
            try:
                number, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not number:
                return
            worker = self._workers.pop(number, None)
            if worker is None:
                continue
            os.close(worker.ready_pipe)
            if not self._stopping:
                log.warning("a worker died and is replaced", role=worker.role.name, status=_describe(status))
                self._due.append((time.monotonic() + self._pause(worker), worker.role))

    def _pause(self, worker: _Worker) -> float:
        """One death is mended at once; a worker that dies as it starts is tried again ever more slowly."""
        name = worker.role.name
        if time.monotonic() - worker.started > _FAST_DEATH_SECONDS:
            self._pauses[name] = 0.0
            return 0.0
        pause = self._pauses.get(name, 0.0)
        self._pauses[name] = min(max(pause * 2, 0.1), _MAX_PAUSE_SECONDS)
        return pause

    def _seconds_to_next(self) -> float | None:
        """Until a worker is to be started again; None: none is waiting."""
        return max(0.0, min(at for at, _ in self._due) - time.monotonic()) if self._due else None

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [role for at, role in self._due if at <= now]
        self._due = [(at, role) for at, role in self._due if at > now]
        for role in due:
            if not self._stopping:
                self._start(role)

    def _stop_all(self) -> None:
        self._stopping = True
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS + 2
        while self._workers and time.monotonic() < deadline:
            self._reap()
            if self._workers:
                self._sleep(min(0.2, max(deadline - time.monotonic(), 0)))
        self._signal_all(signal.SIGKILL)
        self._bury_all()

    def _bury_all(self) -> None:
        while self._workers:
            number, _ = os.waitpid(-1, 0)
            self._workers.pop(number, None)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._workers:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue


def _describe(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"
