"""Documents that are parsed beside the event loop, where they are large enough to hold it up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_THREAD_FROM_BYTES = 64 * 1024  # about 2 ms of parsing

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


async def parse_beside(
    size_bytes: int, parse: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """`parse(…)`, in a thread where the document of `size_bytes` is a large one."""
    if size_bytes <= _THREAD_FROM_BYTES:
        return parse(*arguments, **named)
    return await asyncio.to_thread(parse, *arguments, **named)
