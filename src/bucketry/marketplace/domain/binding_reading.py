"""Questions about bindings and keys, that change nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bucketry.marketplace.domain.context import Context
from bucketry.marketplace.domain.credentials import Credentials, document
from bucketry.marketplace.domain.engine_ports import AccessKey
from bucketry.marketplace.domain.errors import AmbiguousName, BindingNotFound, CredentialsUnknown
from bucketry.marketplace.domain.finishing import operation_of_binding
from bucketry.marketplace.domain.granting import open_key
from bucketry.marketplace.domain.settling import Settling
from bucketry.marketplace.domain.values import (
    Binding,
    BindingState,
    EndedOperation,
    Instance,
    OperationState,
    OperationType,
)


class BindingReading:
    """Those that take an id or name raise BindingNotFound."""

    def __init__(self, context: Context, settling: Settling) -> None:
        self._context = context
        self._settling = settling

    async def get(self, guid: str, instance_guid: str | None = None) -> Binding:
        """A finished binding; with `instance_guid`, only one of that instance. Raises BindingNotFound."""
        binding = await self._context.records.get_binding(guid)
        if binding is None or binding.state is not BindingState.READY:
            raise BindingNotFound("There is no binding with this id.")
        if instance_guid is not None and binding.instance_guid != instance_guid:
            raise BindingNotFound("There is no binding with this id.")
        return binding

    async def last_operation(
        self, guid: str, instance_guid: str
    ) -> tuple[OperationType, OperationState] | EndedOperation:
        """What was last done to a binding, or is; for what is gone, how a promised operation on it ended."""
        binding = await self._context.records.get_binding(guid)
        if binding is not None and binding.instance_guid == instance_guid:
            if binding.operation_id or binding.state is BindingState.READY:
                return operation_of_binding(binding)
        else:
            ended = await self._context.records.get_ended(instance_guid, guid)
            if ended is not None:
                return ended
        raise BindingNotFound("There is no binding with this id.")

    async def find_key(self, instance: Instance, name: str) -> Binding:
        """A service key by name. Raises BindingNotFound."""
        binding = await self._context.records.find_key(instance.guid, name)
        if binding is None or binding.state is not BindingState.READY:
            raise BindingNotFound(f"No service key {name} found for service instance {instance.name}.")
        return binding

    async def find_key_in_space(self, space_guid: str, name: str) -> Binding:
        """A service key by its name alone. Raises BindingNotFound, AmbiguousName."""
        found = await self._context.records.find_keys(space_guid, name)
        found = [binding for binding in found if binding.state is BindingState.READY]
        if not found:
            raise BindingNotFound(f"No service key {name} found in this space.")
        if len(found) > 1:
            raise AmbiguousName(f"Several service instances have a key {name}; name the instance too.")
        return found[0]

    async def list_for_instance(self, instance_guid: str) -> list[Binding]:
        """Finished bindings and keys of an instance, the oldest first."""
        found = await self._context.records.list_bindings(instance_guid)
        return [binding for binding in found if binding.state is BindingState.READY]

    async def list_for_app(self, app_guid: str) -> list[Binding]:
        """Finished bindings of an app, the oldest first."""
        found = await self._context.records.list_app_bindings(app_guid)
        return [binding for binding in found if binding.state is BindingState.READY]

    async def credentials(self, binding: Binding) -> Credentials:
        """The credentials of a finished binding. Raises CredentialsUnknown."""
        if binding.identity and binding.sealed_key is None:
            raise CredentialsUnknown(
                "The credentials of this binding were given by another broker, and nobody can show them again. They "
                "work as before; to have some that can be shown, bind anew (or rotate) and remove this one."
            )
        instance = await self._context.records.get_instance(binding.instance_guid)
        if instance is None or binding.sealed_key is None:
            raise BindingNotFound("There is no binding with this id (any more).")
        additional = await self._settling.buckets(list(binding.additional_instances))
        return self._document(instance, open_key(self._context, binding), additional)

    def _document(self, instance: Instance, key: AccessKey, additional_buckets: Sequence[str]) -> Credentials:
        address = self._context.engine(instance.engine).address(instance.bucket)
        return document(key, address, additional_buckets)
