"""The key pairs of bindings under another master key: in batches, beside whoever makes and removes bindings."""

from __future__ import annotations

from bucketry.kernel.envelope import Envelope, EnvelopeError, resealed
from bucketry.marketplace.domain.granting import sealed_context
from bucketry.marketplace.domain.record_ports import SealedRecords

_BATCH = 200


async def reseal(records: SealedRecords, envelope: Envelope) -> tuple[int, list[str]]:
    """Seal all pairs under the key that seals now: how many were not, and the guids of bindings whose pair opens under
    no key. A pair that is changed or removed meanwhile is left as it is then."""
    count = 0
    unopened: list[str] = []
    after = ""
    while page := await records.list_sealed(after, _BATCH):
        changes = []
        for guid, sealed in page:
            try:
                anew = resealed(envelope, sealed, sealed_context(guid))
            except EnvelopeError:
                unopened.append(guid)
                continue
            if anew is not None:
                changes.append((guid, sealed, anew))
        await records.replace_sealed(changes)
        count += len(changes)
        after = page[-1][0]
    return count, unopened
