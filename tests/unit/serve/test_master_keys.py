"""Where the master key comes from: exactly one source, refused in one sentence that holds nothing of it."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from bucketry.kernel.envelope import EnvelopeError, new_key
from bucketry.serve.errors import KeysInUse, ServeError
from bucketry.serve.folder import DataFolder
from bucketry.serve.key_sources import CommandSource
from bucketry.serve.master_keys import MasterKeys, open_keys
from bucketry.serve.settings import Secrets, Settings

KEY, OTHER = "ab" * 32, "cd" * 32
PURPOSE = "marketplace records"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.make()
    return made


def opened(folder: DataFolder, secrets: Secrets | None = None, *, may_create: bool = False, **given: str) -> MasterKeys:
    return open_keys(folder, Settings(secrets=secrets or Secrets()), may_create=may_create, environment=given)


def printing(*words: str) -> str:
    return f"{sys.executable} -c 'print(\"{' '.join(words)}\")'"


def test_the_first_start_makes_a_private_file_and_the_next_reads_it(folder: DataFolder) -> None:
    made = opened(folder, may_create=True).masters
    assert stat.S_IMODE(folder.master_key_file.stat().st_mode) == 0o600
    assert opened(folder).masters == made


def test_a_lost_master_key_is_not_made_anew_beside_data(folder: DataFolder) -> None:
    folder.identity_file.touch()
    with pytest.raises(ServeError, match="Put it back from a backup"):
        opened(folder, may_create=True)
    assert not folder.master_key_file.exists()


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33, f"{KEY} 00", "é", "# only a comment"])
def test_a_damaged_file_is_refused_and_kept(folder: DataFolder, text: str) -> None:
    folder.master_key_file.write_text(text)
    with pytest.raises(ServeError, match=r"damaged|can't be read") as refused:
        opened(folder, may_create=True)
    assert KEY not in str(refused.value)
    assert folder.master_key_file.read_text() == text


def test_each_source_gives_its_keys_the_first_of_which_seals(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere"
    file.write_text(f"# the new one\n{KEY}\n{OTHER}\n")
    expected = (bytes.fromhex(KEY), bytes.fromhex(OTHER))
    assert opened(folder, Secrets(master_key_file=str(file))).masters == expected
    assert opened(folder, Secrets(master_key_command=printing(KEY, OTHER))).masters == expected
    assert opened(folder, BUCKETRY_MASTER_KEY=f"{KEY},{OTHER}").masters == expected
    assert not folder.master_key_file.exists()


def test_the_variable_is_taken_out_of_the_environment(folder: DataFolder) -> None:
    environment = {"BUCKETRY_MASTER_KEY": KEY}
    open_keys(folder, Settings(), environment=environment)
    assert environment == {}


@pytest.mark.parametrize(
    ("secrets", "given"),
    [
        (Secrets(master_key_file="/a", master_key_command="b"), {}),
        (Secrets(master_key_file="/a"), {"BUCKETRY_MASTER_KEY": KEY}),
        (Secrets(master_key_command="b"), {"BUCKETRY_MASTER_KEY": KEY}),
    ],
)
def test_two_sources_are_refused_by_name(folder: DataFolder, secrets: Secrets, given: dict[str, str]) -> None:
    with pytest.raises(ServeError, match="Give exactly one of them") as refused:
        opened(folder, secrets, **given)
    assert KEY not in str(refused.value)


def test_another_source_beside_the_folders_own_file_is_refused(folder: DataFolder) -> None:
    folder.master_key_file.write_text(KEY)
    with pytest.raises(ServeError, match=r"master\.key is there too"):
        opened(folder, BUCKETRY_MASTER_KEY=KEY)


@pytest.mark.parametrize("text", ["", "secret-text", KEY[:-2], KEY + "0"])
def test_a_wrong_variable_is_named_and_not_shown(folder: DataFolder, text: str) -> None:
    with pytest.raises(ServeError, match="The variable BUCKETRY_MASTER_KEY is no master key") as refused:
        opened(folder, BUCKETRY_MASTER_KEY=text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/no/such/program", "can't be run"),
        ("'unclosed", "can't be run"),
        ("sh -c 'echo secret-text; exit 3'", "exit code 3"),
        ("sh -c 'echo secret-text'", "is no master key"),
    ],
)
def test_a_failing_command_is_named_and_its_output_not_shown(folder: DataFolder, command: str, told: str) -> None:
    with pytest.raises(ServeError, match=told) as refused:
        opened(folder, Secrets(master_key_command=command))
    assert "secret-text" not in str(refused.value)


def test_a_hanging_command_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = f"sh -c 'sleep 600 & echo $! > {pid_file}; wait'"
    begun = time.monotonic()
    with pytest.raises(ServeError, match=r"gave no key within 2 seconds"):
        CommandSource(command, seconds=2.0).read()
    assert time.monotonic() - begun < 60
    number = int(pid_file.read_text())
    deadline = time.monotonic() + 10
    while _runs(number):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_change_of_the_file_is_seen_by_who_seals_and_by_who_opens(folder: DataFolder) -> None:
    folder.master_key_file.write_text(f"{KEY}\n")
    sealing, opening = (opened(folder).envelope(PURPOSE) for _ in range(2))
    before = sealing.seal("s", "c")
    folder.master_key_file.write_text(f"{OTHER}\n{KEY}\n")
    after = sealing.seal("s", "c")
    assert before[1:9] != after[1:9]
    assert (opening.open(before, "c"), opening.open(after, "c")) == ("s", "s")
    folder.master_key_file.write_text(f"{OTHER}\n")
    assert sealing.seal("s", "c")[1:9] == after[1:9]
    with pytest.raises(EnvelopeError, match="another master key"):
        sealing.open(before, "c")


def test_a_file_that_is_spoilt_meanwhile_changes_nothing(folder: DataFolder) -> None:
    folder.master_key_file.write_text(KEY)
    envelope = opened(folder).envelope(PURPOSE)
    sealed = envelope.seal("s", "c")
    folder.master_key_file.write_text("spoilt")
    assert envelope.open(envelope.seal("s", "c"), "c") == "s"
    folder.master_key_file.unlink()
    assert envelope.open(sealed, "c") == "s"


def test_a_command_is_run_again_when_told(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "vault"
    file.write_text(KEY)
    keys = opened(folder, Secrets(master_key_command=f"cat {file}"))
    file.write_text(f"{OTHER} {KEY}")
    keys.renew(at_least=False)
    assert keys.masters == (bytes.fromhex(KEY),)
    keys.renew()
    assert keys.masters == (bytes.fromhex(OTHER), bytes.fromhex(KEY))
    file.unlink()
    keys.renew()
    assert keys.masters == (bytes.fromhex(OTHER), bytes.fromhex(KEY))


def test_keys_show_nothing_of_themselves(folder: DataFolder) -> None:
    key = new_key()
    keys = opened(folder, BUCKETRY_MASTER_KEY=key.hex())
    shown = f"{keys!r} {keys.source!r} {keys!s} {keys.source!s}"
    assert key.hex() not in shown
    assert repr(key) not in shown


def test_keys_are_not_changed_while_they_are_copied(folder: DataFolder) -> None:
    copying = folder.keys_held(is_shared=True)
    with copying, folder.keys_held(is_shared=True), pytest.raises(KeysInUse, match="Try again"), folder.keys_held():
        pass
    with folder.keys_held(), pytest.raises(KeysInUse, match="being rotated"), folder.keys_held(is_shared=True):
        pass
