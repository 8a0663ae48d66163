"""The queries of the records on SQLite, run by APSW alone: SQLAlchemy puts each statement together, once.

Its own way of running one (a connection from the pool, events, contexts, results) costs several times what SQLite does.
A connection here stands in the place of SQLAlchemy's, as far as the queries ask of one; errors are SQLAlchemy's, too.
See docs/decisions/0100-orders.md.
"""

from __future__ import annotations

import contextlib
import threading
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bucketry.marketplace.records import sqlite_driver

_CHECKPOINT_PAGES = 1000  # SQLite's own default
_dialect = sqlite.dialect(paramstyle="qmark")


class Occupied(Exception):
    """Another writes at this moment, and was not to be waited for; nothing was done."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """`names`: of the values, in their order; `given`: those that are the statement's own."""

    sql: str
    names: Sequence[str]
    given: Mapping[str, Any]
    row: Any


def _compile(statement: Any, keys: Sequence[str]) -> _Statement:
    compiled = statement.compile(dialect=_dialect, column_keys=keys or None)
    names = " ".join(statement.exported_columns.keys())
    row: Any = namedtuple("row", names, rename=True)  # type: ignore[misc]  # of names that are known when it runs
    return _Statement(str(compiled), compiled.positiontup or (), compiled.params, row)


class Rows:
    """What a statement answered, all of it read."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        return self._rows

    def one_or_none(self) -> Any:
        assert len(self._rows) <= 1, "asked of queries by a key"
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        return self._rows[0][0] if self._rows else None

    def scalars(self) -> Rows:
        return Rows([row[0] for row in self._rows], self.rowcount)


class DirectConnection:
    """One connection to a file, opened when it is first used; one user at a time."""

    def __init__(self, file: str, timeout_ms: int) -> None:
        self._file = file
        self._timeout_ms = timeout_ms
        self._turn = threading.Lock()
        self._opened: apsw.Connection | None = None
        self._is_brief: bool | None = None
        # Statements of modules; what is put together for one use comes without parameters and is not kept.
        self._statements: dict[tuple[Any, tuple[str, ...]], _Statement] = {}

    @contextlib.contextmanager
    def reading(self) -> Iterator[DirectConnection]:
        """All queries inside see the same moment. Waits for nobody."""
        with self._turn, self._transaction("BEGIN"):
            yield self

    @contextlib.contextmanager
    def writing(self, is_brief: bool, is_patient: bool) -> Iterator[DirectConnection]:
        """Durable at the end, but for what is brief (connecting.py). Not patient: Occupied where others write, here or
        in another process, and no checkpoint is made."""
        if not self._turn.acquire(blocking=is_patient):
            raise Occupied
        try:
            opened = self._connection()
            opened.set_busy_timeout(self._timeout_ms if is_patient else 0)
            if is_brief != self._is_brief:
                opened.execute(f"PRAGMA synchronous = {'NORMAL' if is_brief else 'FULL'}")
                self._is_brief = is_brief
            opened.wal_autocheckpoint(_CHECKPOINT_PAGES if is_patient else 0)
            with self._transaction("BEGIN IMMEDIATE", is_patient):
                yield self
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def _transaction(self, begin: str, is_patient: bool = True) -> Iterator[None]:
        opened = self._connection()
        try:
            opened.execute(begin)
        except apsw.Error as error:
            if isinstance(error, apsw.BusyError) and not is_patient:
                raise Occupied from None
            raise _told(begin, error) from error
        try:
            yield
            try:
                opened.execute("COMMIT")
            except apsw.Error as error:
                raise _told("COMMIT", error) from error
        finally:
            if opened.in_transaction:
                opened.execute("ROLLBACK")

    def execute(
        self, statement: Any, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> Rows:
        """As SQLAlchemy's: a list of parameters is as many statements."""
        if isinstance(parameters, Sequence):
            for one in parameters:
                answer = self.execute(statement, one)
            return answer
        known = self._statement(statement, parameters)
        values = known.given if parameters is None else {**known.given, **parameters}
        opened = self._connection()
        try:
            found = opened.execute(known.sql, [values[name] for name in known.names]).fetchall()
        except apsw.Error as error:
            raise _told(known.sql, error) from error
        return Rows([known.row._make(row) for row in found], opened.changes())

    def _statement(self, statement: Any, parameters: Mapping[str, Any] | None) -> _Statement:
        if parameters is None:
            return _compile(statement, ())
        key = (statement, tuple(parameters))
        known = self._statements.get(key)
        if known is None:
            known = self._statements[key] = _compile(statement, key[1])
        return known

    def _connection(self) -> apsw.Connection:
        if self._opened is None:
            try:
                self._opened = sqlite_driver.opened(self._file, self._timeout_ms)
            except apsw.Error as error:
                raise _told("", error) from error
        return self._opened

    def close(self) -> None:
        with self._turn:
            if self._opened is not None:
                self._opened.close()
                self._opened = None


def _told(sql: str, error: apsw.Error) -> Exception:
    return sa.exc.DBAPIError.instance(sql, None, sqlite_driver.told(error), sqlite_driver.Error, hide_parameters=True)
