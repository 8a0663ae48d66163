"""The table of operations and the list of handlers are one."""

from __future__ import annotations

from bucketry.store.gateway.handlers import BEFORE_AUTHORISING, HANDLERS
from bucketry.store.s3.operations import BY_NAME, OPERATIONS

PREFLIGHTS = {"OptionsBucket", "OptionsObject"}  # answered by the pipeline, before anybody is asked
ASKED_IN_THE_HANDLER = {"DeleteObjects", "PostObject"}  # each key apart; the key that a form names


def test_each_row_has_a_handler_and_each_handler_a_row() -> None:
    assert set(HANDLERS) == {operation.name for operation in OPERATIONS} - PREFLIGHTS
    assert set(BEFORE_AUTHORISING) <= set(BY_NAME)


def test_each_operation_asks_for_a_right() -> None:
    unasked = {operation.name for operation in OPERATIONS if operation.action is None}
    assert unasked == PREFLIGHTS | ASKED_IN_THE_HANDLER
