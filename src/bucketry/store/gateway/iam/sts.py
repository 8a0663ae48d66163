"""GetCallerIdentity: whom a key speaks for. AWS lets nobody be denied it."""

from __future__ import annotations

from bucketry.store.gateway.iam.operations import Call, IamOperation
from bucketry.store.s3 import xml


def _nothing(_call: Call) -> tuple[str, ...]:
    return ()


async def _get_caller_identity(call: Call) -> str:
    caller = call.caller
    user_id = caller.user.user_id if caller.user else caller.account.account_id
    return xml.elements([("Arn", caller.arn), ("UserId", user_id), ("Account", caller.account.account_id)])


OPERATIONS = (IamOperation("GetCallerIdentity", None, _nothing, _get_caller_identity),)
