"""What a command can end with: the exit codes, and errors that carry one, a message and a remedy.

Each error becomes a single line on stderr. Exit codes are a promise to scripts: 0 done, 1 failed, 2 usage, 3 not found,
4 not allowed, 5 conflict, 7 a wait timed out, 8 partly done, 130 interrupted.
"""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_ALLOWED = 4
CONFLICT = 5
TIMED_OUT = 7
PARTLY_DONE = 8
INTERRUPTED = 130

# Exit codes of `run` when the command itself can't be started, as env(1) and the shells have them.
NOT_EXECUTABLE = 126
COMMAND_NOT_FOUND = 127

_EXIT_CODE_BY_STATUS = {
    400: USAGE,
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    409: CONFLICT,
    413: USAGE,
    504: TIMED_OUT,
}


class CliError(Exception):
    """A command that can't be done: what happened to what, what to do about it, and the exit code."""

    def __init__(self, message: str, remedy: str = "", *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_code = exit_code

    @property
    def line(self) -> str:
        """Message and remedy in one line, without control characters."""
        text = self.message if self.message.endswith((".", "!", "?")) or not self.remedy else f"{self.message}."
        return " ".join(f"{text} {self.remedy}".split())


class ApiError(CliError):
    """An error that the server answered; `code` is its name for scripts and for commands that expect it."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "", request_id: str = "") -> None:
        super().__init__(message, remedy, exit_code=_EXIT_CODE_BY_STATUS.get(status, FAILED))
        self.status = status
        self.code = code
        self.request_id = request_id
