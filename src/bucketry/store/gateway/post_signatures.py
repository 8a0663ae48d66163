"""Who posts a form: the key that signed its policy, verified before anything of the policy counts."""

from __future__ import annotations

from bucketry.store.gateway.authenticate import accepted, find
from bucketry.store.gateway.context import Context
from bucketry.store.s3 import sigv4
from bucketry.store.s3.errors import SignatureDoesNotMatch
from bucketry.store.s3.post_policy import verify_v2, verify_v4
from bucketry.store.s3.sigv4 import Claim


def accept(context: Context, claim: Claim, policy: str) -> None:
    """Verify the signature of a form's policy; from here on the request is the signer's.

    An unknown or inactive key is InvalidAccessKeyId, after the time of a wrong signature. SignatureDoesNotMatch,
    InvalidToken, ExpiredToken, and AuthorizationHeaderMalformed for another region or service.
    """
    settings, identity = context.services.settings, context.services.identity
    if claim.version == 4:
        sigv4.check_scope(claim, settings.region, ("s3",))
    caller = find(identity, claim)
    secret = caller.secret_access_key if caller is not None else "nobody's"
    try:
        if claim.version == 4:
            verify_v4(claim, sigv4.signing_key(secret, claim.date, claim.region, claim.service), policy)
        else:
            verify_v2(claim, secret, policy)
    except SignatureDoesNotMatch:
        if caller is not None:
            raise
    context.caller, context.claim = accepted(claim, caller, context.now_ms), claim
    if context.caller.session is None:
        identity.note_key_use(claim.access_key_id, "s3", claim.region or settings.region)
