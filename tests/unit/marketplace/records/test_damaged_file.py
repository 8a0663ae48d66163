"""A file of records that is none: said in words, before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.records.database import Database


def test_what_is_no_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "marketplace.sqlite"
    file.write_bytes(b"no database " * 1000)
    database = Database(f"sqlite:///{file}")
    for ask in (database.migrate, database.version):
        with pytest.raises(RecordsUnavailable, match=r"marketplace\.sqlite can't be used: file is not a database"):
            ask()
    database.dispose()
    assert file.read_bytes() == b"no database " * 1000
