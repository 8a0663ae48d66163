"""How what a request writes is encrypted, and with which key what it reads is decrypted.

s3/encryption.py knows the headers, disk/sealing.py the bytes. What is asked for wins over the bucket's default; a copy
of what is encrypted is encrypted, whatever is asked. A customer's key over plain HTTP is refused, unless the operator
says that the way is safe ("Using server-side encryption with customer-provided keys"). Also Get-, Put- and
DeleteBucketEncryption.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_bytes

from bucketry.store.disk.sealing import CUSTOMER_KEY, STORE_KEY, Protection
from bucketry.store.disk.types import Upload, Version
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3.encryption import (
    AES256,
    CUSTOMER,
    HEADER,
    MAX_DOCUMENT_BYTES,
    SALT_BYTES,
    CustomerKey,
    asks_for_store_key,
    configuration_document,
    parse_configuration,
)
from bucketry.store.s3.encryption import customer_key as parse_customer_key
from bucketry.store.s3.errors import (
    InvalidArgument,
    InvalidRequest,
    MalformedXML,
    ServerSideEncryptionConfigurationNotFoundError,
)

SETTING = "encryption"
_STORE_FIELDS = ((HEADER, AES256),)


@dataclass(frozen=True, slots=True)
class Encryption:
    """How bytes are written: what the index says of it, what the disk does, and what the answer tells."""

    kept: str = ""
    protection: Protection | None = None
    fields: tuple[tuple[str, str], ...] = ()


NONE = Encryption()
BY_STORE = Encryption(STORE_KEY, Protection(), _STORE_FIELDS)


def customer_key(context: Context, prefix: str = CUSTOMER) -> CustomerKey | None:
    """The customer's key of a request; None: it has none. InvalidArgument; InvalidRequest: it came over plain HTTP,
    where anybody on the way may have read it.
    """
    request = context.request
    key = parse_customer_key(request.headers, prefix)
    if key is not None and not request.is_secure and not context.services.settings.customer_keys_over_http:
        raise InvalidRequest(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure "
            "connection."
        )
    return key


def of_write(context: Context, source: Version | None = None) -> Encryption:
    """How the object or upload is encrypted that the request makes (by copying `source`).

    InvalidArgument, NotImplemented.
    """
    headers = context.request.headers
    key = customer_key(context)
    if asks_for_store_key(headers):
        if key is not None:
            raise InvalidArgument(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method "
                "specified",
                {"ArgumentName": HEADER, "ArgumentValue": AES256},
            )
        return BY_STORE
    if key is not None:
        verifier = key.verifier(token_bytes(SALT_BYTES))
        return Encryption(CUSTOMER_KEY + verifier, Protection(key.key), tuple(key.fields()))
    if source is not None and source.encryption:
        return BY_STORE
    return of_default(bucket_of(context))


def of_default(bucket: BucketRecord) -> Encryption:
    """How is encrypted what comes into a bucket without saying how. A setting that can't be read encrypts, too."""
    return BY_STORE if SETTING in bucket.settings else NONE


def is_asked(context: Context) -> bool:
    """Whether the request says how to encrypt what it writes."""
    headers = context.request.headers
    return HEADER in headers or CUSTOMER + "algorithm" in headers


def of_part(context: Context, upload: Upload) -> Encryption:
    """How a part is encrypted: as its upload was begun, with the same key. InvalidRequest, InvalidArgument."""
    key = customer_key(context)
    if not upload.encryption.startswith(CUSTOMER_KEY):
        if key is not None:
            raise InvalidRequest("The multipart upload initiate did not request encryption with a customer's key.")
        return BY_STORE if upload.encryption else NONE
    if key is None:
        raise InvalidRequest(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
            "encryption parameters."
        )
    _check(key, upload.encryption)
    return Encryption(upload.encryption, Protection(key.key), tuple(key.fields()))


def of_completion(context: Context, upload: Upload) -> list[tuple[str, str]]:
    """How the answer to a completion tells the encryption. A customer's key is "required only when the object was
    created using a checksum algorithm"; one that is given must be the upload's. InvalidRequest, InvalidArgument.
    """
    if not upload.encryption.startswith(CUSTOMER_KEY):
        return list(_STORE_FIELDS) if upload.encryption else []
    if customer_key(context) is None and not upload.checksum_algorithm:
        return []
    return list(of_part(context, upload).fields)


def key_to_read(context: Context, version: Version, prefix: str = CUSTOMER) -> CustomerKey | None:
    """The customer's key for a version, as the request brings it; None: it takes none.

    InvalidRequest: it is missing, another one, or not asked for; InvalidArgument.
    """
    headers = context.request.headers
    key = customer_key(context, prefix)
    if prefix == CUSTOMER and HEADER in headers:
        raise InvalidArgument(
            f"{HEADER} header is not supported for this operation.",
            {"ArgumentName": HEADER, "ArgumentValue": (headers.get(HEADER) or "")[:64]},
        )
    if not version.encryption.startswith(CUSTOMER_KEY):
        if key is not None:
            raise InvalidRequest("The encryption parameters are not applicable to this object.")
        return None
    if key is None:
        raise InvalidRequest(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    _check(key, version.encryption)
    return key


def _check(key: CustomerKey, encryption: str) -> None:
    if not key.is_of(encryption.removeprefix(CUSTOMER_KEY)):
        raise InvalidRequest("The provided encryption parameters did not match the ones used originally.")


def read_fields(version: Version, key: CustomerKey | None) -> list[tuple[str, str]]:
    """How an answer tells that a version is encrypted."""
    if key is not None:
        return key.fields()
    return list(_STORE_FIELDS) if version.encryption else []


# --- a bucket's default


async def get_bucket_encryption(context: Context) -> Response:
    if SETTING not in bucket_of(context).settings:
        raise ServerSideEncryptionConfigurationNotFoundError(fields={"BucketName": context.bucket_name})
    return xml_response(configuration_document(AES256))


async def put_bucket_encryption(context: Context) -> Response:
    body = await read_document(context, MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    await set_setting(context, SETTING, parse_configuration(body))
    return Response()


async def delete_bucket_encryption(context: Context) -> Response:
    await set_setting(context, SETTING, None)
    return Response(status=204)
