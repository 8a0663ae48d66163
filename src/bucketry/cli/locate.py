"""Where the server is, and who is asking: an API address with its token.

In this order: `--data DIR`; `BUCKETRY_URL` with `BUCKETRY_TOKEN`; `BUCKETRY_DATA`; `./bucketry-data` where it exists
(what `make run` uses); the platform's data folder. A data folder names its server in `admin.json`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bucketry.cli.errors import FAILED, NOT_ALLOWED, CliError
from bucketry.cli.output import message

LOCAL_FOLDER = "bucketry-data"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and the token to show it. `start_hint` is what starts it where it does not answer."""

    url: str
    token: str
    start_hint: str

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def default_data_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The platform's place for a server's data, which need not exist."""
    home = Path(environment.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Application Support" / "bucketry"
    # The XDG specification says that a relative path is to be ignored.
    shared = environment.get("XDG_DATA_HOME", "")
    return (Path(shared) if shared.startswith("/") else home / ".local" / "share") / "bucketry"


def find_server(data_option: str | None, environment: Mapping[str, str], folder: Path | None = None) -> Address:
    """The server that this command speaks to; CliError says where it was looked for. `folder`: the current one."""
    if data_option:
        return _from_data_folder(Path(data_option))
    if environment.get("BUCKETRY_URL"):
        return _from_environment(environment)
    if environment.get("BUCKETRY_DATA"):
        return _from_data_folder(Path(environment["BUCKETRY_DATA"]))
    local = (folder or Path()) / LOCAL_FOLDER
    if (local / "admin.json").exists() and _is_mine(local):
        return _from_data_folder(local)
    default = default_data_folder(environment)
    if (default / "admin.json").exists():
        return _from_data_folder(default)
    raise CliError(
        f"no bucketry server found: neither ./{LOCAL_FOLDER} nor {default} holds an admin.json",
        "Start one with `bucketry serve`, name its data folder with --data, or set BUCKETRY_URL and BUCKETRY_TOKEN.",
        exit_code=FAILED,
    )


def _from_environment(environment: Mapping[str, str]) -> Address:
    token = environment.get("BUCKETRY_TOKEN", "")
    if not token:
        raise CliError(
            "BUCKETRY_URL is set, but BUCKETRY_TOKEN is not",
            "Set BUCKETRY_TOKEN to the `token` in the server's admin.json.",
            exit_code=NOT_ALLOWED,
        )
    url = environment["BUCKETRY_URL"]
    return Address(url, token, f"Check that BUCKETRY_URL={url} is right and that the server runs.")


def _is_mine(folder: Path) -> bool:
    """Whether the current user owns `folder`. What is found, not named, must not choose whom the commands speak to."""
    if folder.stat().st_uid == os.geteuid():
        return True
    message(f"./{folder.name} belongs to another user and is passed over; name it with --data to use it.")
    return False


def _from_data_folder(folder: Path) -> Address:
    path = folder / "admin.json"
    start = f"bucketry serve --data {folder}"
    values = _read_admin(path, start)
    url, token = values.get("api_url"), values.get("token")
    if not isinstance(url, str) or not isinstance(token, str) or not url or not token:
        raise CliError(
            f"{path} does not name both `api_url` and `token`",
            f"Start the server again with `{start}`, which writes it anew.",
        )
    return Address(url, token, f"Start it with `{start}`.")


def _read_admin(path: Path, start: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise CliError(
            f"{path} does not exist: no server has been started with this data folder",
            f"Start it with `{start}`, or name another folder with --data.",
        ) from None
    except PermissionError:
        raise CliError(
            f"{path} may not be read by this user",
            "Run the command as the user that runs the server, or set BUCKETRY_URL and BUCKETRY_TOKEN.",
            exit_code=NOT_ALLOWED,
        ) from None
    except OSError as error:
        raise CliError(f"{path} can't be read: {error.strerror}", "Check the folder named with --data.") from None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise CliError(f"{path} is not a JSON object", f"Start the server again with `{start}`, which writes it anew.")
    return values
