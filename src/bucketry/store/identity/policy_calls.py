"""The calls about policies of users, groups and roles: inline ones, managed ones, attachments, boundaries.

`kind` is one of holders.USER, GROUP and ROLE, `holder` the exact name. Calls raise NoSuchEntity when what they name is
not there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bucketry.store.identity import attachments, inline, managed
from bucketry.store.identity.holders import HolderKind
from bucketry.store.identity.part import Part
from bucketry.store.identity.types import ManagedPolicy, PolicyVersion


class PolicyCalls(Part):
    """What `Identity.policies` is."""

    # --- inline

    async def put_inline(self, kind: HolderKind, account_id: str, holder: str, name: str, document: str) -> None:
        """Set an inline policy. MalformedPolicyDocument, LimitExceeded."""
        await self._write(lambda db: inline.put(db, kind, account_id, holder, name, document))

    def inline(self, kind: HolderKind, account_id: str, holder: str, name: str) -> str:
        """An inline policy's text as it was set."""
        return inline.find(self._reader, kind, account_id, holder, name)

    def all_inline(self, kind: HolderKind, account_id: str, holder: str) -> list[tuple[str, str]]:
        """The inline policies of a holder by name: (name, text)."""
        return inline.every(self._reader, kind, account_id, holder)

    async def delete_inline(self, kind: HolderKind, account_id: str, holder: str, name: str) -> None:
        await self._write(lambda db: inline.delete(db, kind, account_id, holder, name))

    # --- managed

    async def create(
        self,
        account_id: str,
        name: str,
        document: str,
        path: str = "/",
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ManagedPolicy:
        """A new managed policy. MalformedPolicyDocument, EntityAlreadyExists, LimitExceeded."""
        now_ms = self._clock_ms()
        return await self._write(
            lambda db: managed.create(
                db, now_ms, account_id, name, document, path=path, description=description, tags=tags or {}
            )
        )

    def find(self, account_id: str, arn: str) -> ManagedPolicy:
        """A policy of the account, or of AWS, by its exact ARN."""
        return managed.find(self._reader, account_id, arn)

    def document(self, account_id: str, arn: str) -> str | None:
        """The text that counts of a policy; None where the ARN leads to nothing."""
        return managed.document_of(self._reader, account_id, arn)

    def page(
        self,
        account_id: str,
        path_prefix: str = "/",
        after: tuple[str, str] | None = None,
        limit: int = 100,
        *,
        only_attached: bool = False,
    ) -> list[ManagedPolicy]:
        """The account's policies whose path begins so, by (path, name), from behind `after`."""
        return managed.page(self._reader, account_id, path_prefix, after, limit, only_attached=only_attached)

    def of_aws(self, account_id: str, *, only_attached: bool = False) -> list[ManagedPolicy]:
        """AWS's own policies, by name."""
        return managed.aws_page(self._reader, account_id, only_attached=only_attached)

    async def delete(self, account_id: str, arn: str) -> None:
        """DeleteConflict while it is attached, bounds anybody, or has several versions."""
        await self._write(lambda db: managed.delete(db, account_id, arn))

    async def tag(self, account_id: str, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags beside the others. LimitExceeded."""
        await self._write(lambda db: managed.tag(db, account_id, arn, tags))

    async def untag(self, account_id: str, arn: str, tag_keys: Collection[str]) -> None:
        await self._write(lambda db: managed.untag(db, account_id, arn, tag_keys))

    # --- versions

    def versions(self, account_id: str, arn: str) -> list[PolicyVersion]:
        """The newest first."""
        return managed.versions(self._reader, account_id, arn)

    async def create_version(self, account_id: str, arn: str, document: str, *, is_default: bool) -> PolicyVersion:
        """One more version, that counts at once if `is_default`. MalformedPolicyDocument, LimitExceeded."""
        now_ms = self._clock_ms()
        return await self._write(
            lambda db: managed.create_version(db, now_ms, account_id, arn, document, is_default=is_default)
        )

    async def set_default_version(self, account_id: str, arn: str, version_id: str) -> None:
        now_ms = self._clock_ms()
        await self._write(lambda db: managed.set_default_version(db, now_ms, account_id, arn, version_id))

    async def delete_version(self, account_id: str, arn: str, version_id: str) -> None:
        """DeleteConflict for the version that counts."""
        await self._write(lambda db: managed.delete_version(db, account_id, arn, version_id))

    # --- attachments and boundaries

    async def attach(self, kind: HolderKind, account_id: str, holder: str, arn: str) -> None:
        """Attach a managed policy; again is no error. LimitExceeded beyond ten."""
        await self._write(lambda db: attachments.attach(db, kind, account_id, holder, arn))

    async def detach(self, kind: HolderKind, account_id: str, holder: str, arn: str) -> None:
        await self._write(lambda db: attachments.detach(db, kind, account_id, holder, arn))

    def attached(self, kind: HolderKind, account_id: str, holder: str) -> list[ManagedPolicy]:
        """The managed policies of a holder, by name."""
        return attachments.attached(self._reader, kind, account_id, holder)

    def names_with(
        self, kind: HolderKind, account_id: str, arn: str, *, as_boundary: bool = False
    ) -> list[tuple[str, str, str]]:
        """(name, path, unique id) of each holder of a kind that has a policy attached, or as its boundary."""
        return attachments.names_with(self._reader, kind, account_id, arn, as_boundary=as_boundary)

    async def set_boundary(self, kind: HolderKind, account_id: str, holder: str, arn: str | None) -> None:
        """Bound the rights of a user or role by a managed policy; None: no more."""
        await self._write(lambda db: attachments.set_boundary(db, kind, account_id, holder, arn))
