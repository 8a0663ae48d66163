"""APSW's SQLite behind the Python Database API 2.0 (PEP 249), as far as SQLAlchemy's SQLite dialect asks for it.

The SQLite that comes with Python differs by machine, and those before 3.51.3 can lose data in WAL mode; APSW brings a
newer one, which the store uses too. Transactions are begun by whoever uses a connection, never here.
See docs/decisions/0040-records-on-apsw.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

apilevel = "2.0"
threadsafety = 1  # connections may go from thread to thread, one at a time
paramstyle = "qmark"
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))

Binary = bytes  # the constructor of PEP 249

_STATEMENTS = 200  # kept compiled by a connection


class Error(Exception):
    """The base of all that a call may raise."""


class InterfaceError(Error):
    pass


class DatabaseError(Error):
    pass


class OperationalError(DatabaseError):
    """Locked, full, unreadable, or a statement that is wrong."""


class IntegrityError(DatabaseError):
    """A constraint said no; the text names its columns as SQLite does."""


class ProgrammingError(DatabaseError):
    pass


class NotSupportedError(DatabaseError):
    pass


class DataError(DatabaseError):
    pass


class InternalError(DatabaseError):
    pass


class Unwritable(OperationalError):
    """The disk fails or is full: nothing that another statement could mend."""

    def __init__(self, said: str, *, is_full: bool) -> None:
        self.is_full = is_full
        super().__init__(said)


_DISK = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.NotADBError,
)


def told(error: apsw.Error) -> Error:
    if isinstance(error, _DISK):
        return Unwritable(str(error), is_full=isinstance(error, apsw.FullError))
    return (IntegrityError if isinstance(error, apsw.ConstraintError) else OperationalError)(str(error))


def opened(file: str, timeout_ms: int) -> apsw.Connection:
    """A connection as all of the records' are: one sync a commit, foreign keys enforced. Raises apsw.Error."""
    connection = apsw.Connection(file, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(timeout_ms)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Cursor:
    """The rows of one statement, all read at once, so that no half-read one keeps a snapshot open."""

    arraysize = 1

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._describe
        self._rows: list[Any] = []
        self._at = 0
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self.lastrowid = 0

    def _describe(self, cursor: apsw.Cursor, _statement: str, _values: object) -> bool:
        """Called as the statement begins: later a query without rows would not tell its columns any more."""
        self.description = [(name, kind, None, None, None, None, None) for name, kind in cursor.get_description()]
        return True

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        self._run(lambda: self._cursor.execute(statement, tuple(values)))
        return self

    def executemany(self, statement: str, many: Iterable[Sequence[Any]]) -> Cursor:
        before = self._connection.total_changes()
        self._run(lambda: self._cursor.executemany(statement, [tuple(values) for values in many]))
        self.rowcount = self._connection.total_changes() - before
        return self

    def _run(self, work: Callable[[], apsw.Cursor]) -> None:
        self.description = None
        try:
            self._rows, self._at = work().fetchall(), 0
        except apsw.Error as error:
            raise told(error) from error
        if not self.description:
            self.description = None
        self.rowcount = self._connection.changes()
        self.lastrowid = self._connection.last_insert_rowid()

    def fetchone(self) -> Any:
        if self._at == len(self._rows):
            return None
        self._at += 1
        return self._rows[self._at - 1]

    def fetchmany(self, size: int | None = None) -> list[Any]:
        begun, self._at = self._at, min(self._at + (size or self.arraysize), len(self._rows))
        return self._rows[begun : self._at]

    def fetchall(self) -> list[Any]:
        begun, self._at = self._at, len(self._rows)
        return self._rows[begun:]

    def setinputsizes(self, _sizes: object) -> None:
        """Not needed, as PEP 249 allows."""

    def setoutputsize(self, _size: object, _column: object = None) -> None:
        """Not needed, as PEP 249 allows."""

    def close(self) -> None:
        self._rows = []
        self._cursor.close()


class Connection:
    """One connection to a file."""

    def __init__(self, file: str, timeout_seconds: float) -> None:
        try:
            self.apsw = opened(file, round(timeout_seconds * 1000))
        except apsw.Error as error:
            raise told(error) from error

    def cursor(self) -> Cursor:
        return Cursor(self.apsw)

    def create_function(self, name: str, arguments: int, function: Any, *, deterministic: bool = False) -> None:
        self.apsw.create_scalar_function(name, function, arguments, deterministic=deterministic)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        if self.apsw.in_transaction:
            try:
                self.apsw.execute(how)
            except apsw.Error as error:
                raise told(error) from error

    def close(self) -> None:
        self.apsw.close()


def connect(file: str, timeout: float = 5.0, **_ignored: Any) -> Connection:
    """Open a file; `timeout`: seconds that a lock is waited for. Other options of the dialect mean nothing here."""
    return Connection(file, timeout)
