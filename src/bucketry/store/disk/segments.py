"""The format of segments: files of records, each with all that is needed to find its object again without the index.

    record = header | data | footer | padding to a multiple of 4 KiB, so that freeing it gives whole pages back
    header = magic (8) | length of the JSON (u32) | size of the data (u64) | crc32c of all the rest (u32) | JSON
    footer = magic (8) | length of the JSON (u32) | number of blocks (u32) | crc32c of all the rest (u32) | JSON |
    crc32c a block

Numbers are little-endian; a block is 256 KiB of data. The header's JSON is `RecordHeader`, the footer's `RecordFooter`.
Names: `sHEX` holds a single record, is never written again and may be linked into another bucket; `mHEX` holds many,
and ends with a seal once its writer is done with it. Zeros between records are freed space.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field

import anycrc
import msgspec

BLOCK_BYTES = 256 << 10
ALIGNMENT_BYTES = 4096
FOOTER_JSON_LIMIT_BYTES = 1024
_HEADER_MAGIC = b"BKRYrec\x01"
_FOOTER_MAGIC = b"BKRYend\x01"
SEAL = b"BKRYsea\x01".ljust(ALIGNMENT_BYTES, b"\0")
_HEADER = struct.Struct("<8sIQI")
_FOOTER = struct.Struct("<8sIII")
_CRC = struct.Struct("<I")

_crc32c = anycrc.Model("CRC32C").calc


class RecordHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose bytes follow: known before the first of them arrives."""

    kind: str  # "object" or "part"
    key: str
    modified_ms: int
    owner: str = ""
    upload_id: str = ""
    part_number: int = 0
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    seal: str = ""  # hex, of bytes that are encrypted: how to find their key


class RecordFooter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of the bytes after the last of them."""

    etag: str
    checksums: dict[str, str] = msgspec.field(default_factory=dict)
    checksum_type: str = ""


_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(RecordHeader).decode
_decode_footer = msgspec.json.Decoder(RecordFooter).decode


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was found in a segment."""

    offset: int
    size: int
    data_offset: int
    data_size: int
    header: RecordHeader
    footer: RecordFooter
    block_checksums: bytes = field(repr=False)


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C (Castagnoli) of a run of bytes."""
    checksum: int = _crc32c(data)
    return checksum


def block_checksums(data: bytes | bytearray | memoryview) -> bytes:
    """crc32c of each block of `data`, which begins at a block's start."""
    if len(data) <= BLOCK_BYTES:
        return _CRC.pack(_crc32c(data))
    view = memoryview(data)
    return b"".join(_CRC.pack(_crc32c(view[at : at + BLOCK_BYTES])) for at in range(0, len(data), BLOCK_BYTES))


def block_count(size: int) -> int:
    return -(-size // BLOCK_BYTES)


def padded(size: int) -> int:
    """`size` counted up to whole pages."""
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def new_name(*, is_single: bool) -> str:
    """A name that no segment has or will have."""
    return ("s" if is_single else "m") + secrets.token_hex(8)


def is_single(name: str) -> bool:
    """Whether a segment holds one record alone, by its name."""
    return name.startswith("s")


def is_name(name: str) -> bool:
    return len(name) == 17 and name[0] in "sm" and all(letter in "0123456789abcdef" for letter in name[1:])


def encode_header(header: RecordHeader, size: int) -> bytes:
    text = _encode(header)
    crc = _crc32c(_HEADER.pack(_HEADER_MAGIC, len(text), size, 0) + text)
    return _HEADER.pack(_HEADER_MAGIC, len(text), size, crc) + text


def encode_footer(footer: RecordFooter, checksums: bytes) -> bytes:
    """ValueError where etag and checksums are longer than any that S3 knows."""
    text = _encode(footer)
    if len(text) > FOOTER_JSON_LIMIT_BYTES:
        raise ValueError("etag and checksums of a record are too long")
    count = len(checksums) // _CRC.size
    crc = _crc32c(_FOOTER.pack(_FOOTER_MAGIC, len(text), count, 0) + text + checksums)
    return _FOOTER.pack(_FOOTER_MAGIC, len(text), count, crc) + text + checksums


def record_size(header_size: int, size: int) -> int:
    """The most that a record with `size` bytes of data takes: known before its footer is."""
    footer_size = _FOOTER.size + FOOTER_JSON_LIMIT_BYTES + _CRC.size * block_count(size)
    return padded(header_size + size + footer_size)


def pack_checksum(checksum: int) -> bytes:
    return _CRC.pack(checksum)


def checksums_alone(checksums: bytes, length: int) -> bytes:
    """The checksums of the blocks of an extent of `length` bytes, without what follows them where it is encrypted."""
    return checksums[: _CRC.size * block_count(length)]


def verify(block: bytes | bytearray | memoryview, checksums: bytes, number: int) -> bool:
    """Whether `block` is what was stored as the block `number` of an extent with these checksums."""
    at = number * _CRC.size
    return len(checksums) >= at + _CRC.size and bool(_crc32c(block) == _CRC.unpack_from(checksums, at)[0])


def begins_record(data: bytes | bytearray) -> bool:
    """Whether a page looks like the beginning of a record: quick, and no proof."""
    return data.startswith(_HEADER_MAGIC)


def decode_header(data: bytes | bytearray) -> tuple[RecordHeader, int, int] | None:
    """(header, its size, size of the data) of what a record begins with; None: that is no whole header."""
    if len(data) < _HEADER.size:
        return None
    magic, length, size, crc = _HEADER.unpack_from(data)
    text = bytes(data[_HEADER.size : _HEADER.size + length])
    if magic != _HEADER_MAGIC or len(text) != length:
        return None
    if _crc32c(_HEADER.pack(magic, length, size, 0) + text) != crc:
        return None
    try:
        return _decode_header(text), _HEADER.size + length, size
    except msgspec.DecodeError:
        return None


def decode_footer(data: bytes | bytearray) -> tuple[RecordFooter, bytes] | None:
    """(footer, checksums of the blocks) of what follows a record's data; None: that is no whole footer."""
    if len(data) < _FOOTER.size:
        return None
    magic, length, count, crc = _FOOTER.unpack_from(data)
    text = bytes(data[_FOOTER.size : _FOOTER.size + length])
    checksums = bytes(data[_FOOTER.size + length : _FOOTER.size + length + count * _CRC.size])
    if magic != _FOOTER_MAGIC or len(text) != length or len(checksums) != count * _CRC.size:
        return None
    if _crc32c(_FOOTER.pack(magic, length, count, 0) + text + checksums) != crc:
        return None
    try:
        return _decode_footer(text), checksums
    except msgspec.DecodeError:
        return None
