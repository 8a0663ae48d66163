"""Encryption of stored bytes: AES-256-GCM a block, so that ranges are read without the rest. Decision 0034 explains it.

Every run of bytes (an object, a part, a piece) that is written gets a data key of its own, and each of its blocks is
encrypted once, with the block's number as the nonce: no nonce is ever used twice under a key. What is authenticated
with a block (number, length of the whole run) makes blocks that were swapped, cut off or put elsewhere fail. The
ciphertext is as long as the bytes; tags and the seal, which says how to find the data key, follow the checksums of the
extent. So all that moves, copies and checks extents works without any key.

Sources: NIST SP 800-38D; RFC 5869.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bucketry.kernel.envelope import KEY_SIZE_BYTES, Envelope, EnvelopeError
from bucketry.store.disk import segments
from bucketry.store.disk.errors import CorruptData, KeyMissing

STORE_KEY = "AES256"  # of a version or upload: encrypted under a key of the store's
CUSTOMER_KEY = "C:"  # it begins so where each reader must bring the key
TAG_BYTES = 16
_CRC_BYTES = 4
_BY_STORE, _BY_CUSTOMER = b"\x01\x01", b"\x01\x02"  # version of the seal's form, and whose key it takes
_SALT_BYTES = 32
_NUMBERS = struct.Struct(">QQ")
_AAD = b"bucketry block 1"
_INFO = b"bucketry customer's object bytes"


@dataclass(frozen=True, slots=True)
class Protection:
    """That bytes are to be encrypted: by the store's key, or by one that its owner keeps and brings each time."""

    customer_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one run of `length` bytes, and the seal from which it can be found again."""

    seal: bytes
    length: int
    cipher: AESGCM = field(repr=False)

    def encrypt(self, number: int, block: bytes | memoryview) -> bytes:
        """The block with this number, and its tag behind it. Once a number, or the cipher is broken."""
        return self.cipher.encrypt(number.to_bytes(12, "big"), block, _AAD + _NUMBERS.pack(number, self.length))

    def decrypt(self, number: int, block: bytes | bytearray | memoryview, tag: bytes) -> bytes:
        """CorruptData: it is not what was encrypted as this block of this run."""
        try:
            return self.cipher.decrypt(
                number.to_bytes(12, "big"), b"".join((block, tag)), _AAD + _NUMBERS.pack(number, self.length)
            )
        except InvalidTag:
            raise CorruptData(f"encrypted block {number} is not what was stored, or the key is another") from None


class Keyring:
    """Data keys of one bucket. `envelope` None: a process that has no keys, and opens nothing."""

    def __init__(self, envelope: Envelope | None, bucket: str) -> None:
        self._envelope = envelope
        self._context = f"object bytes in {bucket}"

    def make(self, protection: Protection, length: int) -> DataKey:
        """A new key for a run of `length` bytes. KeyMissing."""
        if protection.customer_key is not None:
            salt = os.urandom(_SALT_BYTES)
            return DataKey(_BY_CUSTOMER + salt, length, AESGCM(_derive(protection.customer_key, salt)))
        key = os.urandom(KEY_SIZE_BYTES)
        sealed = self._must_have().seal(key.hex(), self._context)
        return DataKey(_BY_STORE + sealed, length, AESGCM(key))

    def open(self, seal: bytes, length: int, customer_key: bytes | None) -> DataKey:
        """The key of a run with this seal. KeyMissing, CorruptData."""
        kind, rest = seal[:2], seal[2:]
        if kind == _BY_CUSTOMER and len(rest) == _SALT_BYTES:
            if customer_key is None:
                raise KeyMissing("these bytes are encrypted with a key of their owner's, who must bring it")
            return DataKey(seal, length, AESGCM(_derive(customer_key, rest)))
        if kind != _BY_STORE:
            raise CorruptData("encrypted bytes have no seal that this bucketry knows")
        try:
            return DataKey(seal, length, AESGCM(bytes.fromhex(self._must_have().open(rest, self._context))))
        except (EnvelopeError, ValueError) as error:
            raise CorruptData(f"the key of encrypted bytes can't be opened: {error}") from None

    def _must_have(self) -> Envelope:
        if self._envelope is None:
            raise KeyMissing("this process has no key for encrypted bytes")
        return self._envelope


def _derive(customer_key: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_SIZE_BYTES, salt=salt, info=_INFO).derive(customer_key)


def with_seal(checksums: bytes, tags: list[bytes], seal: bytes) -> bytes:
    """What the index keeps of an encrypted extent: the checksums of its blocks, then their tags, then the seal."""
    return b"".join((checksums, *tags, seal))


def seal_of(checksums: bytes, length: int) -> bytes:
    """The seal of an extent of `length` bytes. CorruptData: it has none."""
    seal = checksums[(_CRC_BYTES + TAG_BYTES) * segments.block_count(length) :]
    if not seal:
        raise CorruptData("bytes that should be encrypted are not")
    return seal


def tag_of(checksums: bytes, length: int, number: int) -> bytes:
    """The tag of one block of an extent."""
    at = _CRC_BYTES * segments.block_count(length) + TAG_BYTES * number
    return checksums[at : at + TAG_BYTES]
