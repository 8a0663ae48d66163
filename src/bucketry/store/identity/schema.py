"""identity.sqlite and activity.sqlite: tables, numbered migrations, and how a connection is opened.

The format version is SQLite's `user_version`: the number of migrations done. A newer one is refused, never guessed at.

* `revision` of a key, a user or a bucket grows with each change of what is cached of it. Caches compare it, so that a
  change of one bucket or user costs the others nothing. A change of a managed policy must raise it of all users that
  have it attached.
* Names are unique without regard to case (`*_folded`), as IAM has it, and changed by their exact spelling: who asks for
  `ALICE` gets the rights on `user/alice` checked (gateway/iam finds the spelling), never those on another name.
* Managed policies are attached, and bound users, by their ARNs: those of AWS's own policies, which lie in code, and of
  the account's, which cannot be renamed, nor deleted while something names them. An ARN that leads to nothing denies.
* When keys were used is kept in a file of its own: noting it must not wake the caches of every process.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from bucketry.store.identity.errors import UnreadableIdentity

APPLICATION_ID = 0x424B4944  # "BKID"
BUSY_TIMEOUT_MS = 10_000  # SQLite's own short locks (opening, recovery, closing); writers wait for the lock

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE account (
        account_id TEXT PRIMARY KEY,
        canonical_id TEXT NOT NULL UNIQUE,
        display_name TEXT NOT NULL,
        email TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        bucket_count INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE iam_user (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        name TEXT NOT NULL,
        name_folded TEXT NOT NULL,
        path TEXT NOT NULL,
        user_id TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        tags TEXT NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE UNIQUE INDEX iam_user_name ON iam_user (account_id, name_folded);
    CREATE INDEX iam_user_path ON iam_user (account_id, path, name);

    CREATE TABLE access_key (
        access_key_id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        user INTEGER REFERENCES iam_user ON DELETE CASCADE,
        is_active INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        sealed_secret BLOB NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX access_key_user ON access_key (user);
    CREATE INDEX access_key_account ON access_key (account_id, user);

    CREATE TABLE user_policy (
        user INTEGER NOT NULL REFERENCES iam_user ON DELETE CASCADE,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (user, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE managed_policy (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        name TEXT NOT NULL,
        name_folded TEXT NOT NULL,
        path TEXT NOT NULL,
        policy_id TEXT NOT NULL,
        description TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        default_version INTEGER NOT NULL,
        attachment_count INTEGER NOT NULL DEFAULT 0,
        tags TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX managed_policy_name ON managed_policy (account_id, name_folded);
    CREATE INDEX managed_policy_path ON managed_policy (account_id, path, name);

    CREATE TABLE policy_version (
        policy INTEGER NOT NULL REFERENCES managed_policy ON DELETE CASCADE,
        number INTEGER NOT NULL,
        document TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (policy, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE attachment (
        user INTEGER NOT NULL REFERENCES iam_user ON DELETE CASCADE,
        policy INTEGER NOT NULL REFERENCES managed_policy ON DELETE CASCADE,
        PRIMARY KEY (user, policy)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX attachment_policy ON attachment (policy, user);

    CREATE TABLE bucket (
        name TEXT PRIMARY KEY,
        bucket_id TEXT NOT NULL UNIQUE,
        account_id TEXT NOT NULL REFERENCES account ON DELETE RESTRICT,
        region TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX bucket_account ON bucket (account_id, name);

    CREATE TABLE bucket_setting (
        bucket_id TEXT NOT NULL REFERENCES bucket (bucket_id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (bucket_id, name)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE iam_user ADD COLUMN boundary TEXT;
    CREATE INDEX iam_user_boundary ON iam_user (boundary, account_id) WHERE boundary IS NOT NULL;
    ALTER TABLE managed_policy ADD COLUMN last_version INTEGER NOT NULL DEFAULT 1;

    CREATE TABLE user_attachment (
        user INTEGER NOT NULL REFERENCES iam_user ON DELETE CASCADE,
        arn TEXT NOT NULL,
        PRIMARY KEY (user, arn)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX user_attachment_arn ON user_attachment (arn, user);
    INSERT INTO user_attachment
        SELECT a.user, coalesce('arn:aws:iam::' || p.account_id || ':policy' || p.path || p.name, 'gone ' || a.policy)
        FROM attachment a LEFT JOIN managed_policy p ON p.id = a.policy;
    DROP TABLE attachment;

    CREATE TABLE iam_group (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        name TEXT NOT NULL,
        name_folded TEXT NOT NULL,
        path TEXT NOT NULL,
        group_id TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX iam_group_name ON iam_group (account_id, name_folded);

    CREATE TABLE group_member (
        grp INTEGER NOT NULL REFERENCES iam_group ON DELETE CASCADE,
        user INTEGER NOT NULL REFERENCES iam_user ON DELETE CASCADE,
        PRIMARY KEY (grp, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX group_member_user ON group_member (user, grp);

    CREATE TABLE group_policy (
        grp INTEGER NOT NULL REFERENCES iam_group ON DELETE CASCADE,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (grp, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE group_attachment (
        grp INTEGER NOT NULL REFERENCES iam_group ON DELETE CASCADE,
        arn TEXT NOT NULL,
        PRIMARY KEY (grp, arn)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX group_attachment_arn ON group_attachment (arn, grp);

    CREATE TABLE iam_role (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        name TEXT NOT NULL,
        name_folded TEXT NOT NULL,
        path TEXT NOT NULL,
        role_id TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL,
        trust TEXT NOT NULL,
        description TEXT NOT NULL,
        max_session_s INTEGER NOT NULL,
        tags TEXT NOT NULL,
        boundary TEXT,
        revision INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE UNIQUE INDEX iam_role_name ON iam_role (account_id, name_folded);
    CREATE INDEX iam_role_boundary ON iam_role (boundary, account_id) WHERE boundary IS NOT NULL;

    CREATE TABLE role_policy (
        role INTEGER NOT NULL REFERENCES iam_role ON DELETE CASCADE,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (role, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE role_attachment (
        role INTEGER NOT NULL REFERENCES iam_role ON DELETE CASCADE,
        arn TEXT NOT NULL,
        PRIMARY KEY (role, arn)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX role_attachment_arn ON role_attachment (arn, role);
    """,
)

ACTIVITY_TABLES = """
    CREATE TABLE IF NOT EXISTS key_use (
        access_key_id TEXT PRIMARY KEY,
        used_ms INTEGER NOT NULL,
        service TEXT NOT NULL,
        region TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"""


def create_file(path: Path) -> None:
    """Make an empty file that only the owner can read, unless it exists: SQLite gives its -wal and -shm the same mode.

    Never opens an existing file: closing it would drop the locks that SQLite holds on it in this process.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def connect(path: Path, vfs: str | None, *, writes: bool) -> apsw.Connection:
    """A connection in WAL mode with full durability; one that does not write can't."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    try:
        mode = connection.pragma("journal_mode", "wal")
    except apsw.NotADBError:
        connection.close()
        raise UnreadableIdentity(f"{path} is not a database, or is damaged; restore it from a backup.") from None
    if mode != "wal":
        raise UnreadableIdentity(f"{path} cannot be used in WAL mode; is it on a network file system?")
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    if not writes:
        connection.pragma("query_only", True)
    return connection


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Bring the tables to the format that this program knows. The caller holds the lock file."""
    version = connection.pragma("user_version")
    application = connection.pragma("application_id")
    if application != APPLICATION_ID and (application or version or _has_tables(connection)):
        raise UnreadableIdentity(f"{path} is a database of another program; move it away or use another data folder.")
    if version > len(MIGRATIONS):
        raise UnreadableIdentity(
            f"{path} was written by a newer bucketry (format {version}, this one knows up to {len(MIGRATIONS)}); "
            "run that version, or restore a backup made before it."
        )
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(statements)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", number)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _has_tables(connection: apsw.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall())
