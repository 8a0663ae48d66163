"""Posted forms: what browsers and scripts send, every way of cutting it, and each thing that is no form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketry.store.s3.errors import InvalidArgument, S3Error
from bucketry.store.s3.form_data import MAX_FIELDS_BYTES, File, FormParser, boundary_of
from bucketry.store.s3.form_errors import (
    IncorrectNumberOfFilesInPostRequest,
    MalformedPOSTRequest,
    MaxPostPreDataLengthExceeded,
)

BOUNDARY = "9431149156168"


def part(disposition: str, value: bytes, *fields: str) -> bytes:
    lines = [f"--{BOUNDARY}", f"Content-Disposition: form-data; {disposition}", *fields, "", ""]
    return "\r\n".join(lines).encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
KEY = part('name="key"', b"user/${filename}")
FILE = part('name="file"; filename="a.txt"', b"content", "Content-Type: text/plain")


def parse(body: bytes, sizes: list[int] | None = None) -> tuple[dict[str, str], File | None, bytes]:
    parser = FormParser(BOUNDARY)
    found = b""
    for size in sizes or [len(body)]:
        found += parser.feed(body[:size])
        body = body[size:]
    if body:
        found += parser.feed(body)
    parser.finish()
    return parser.fields, parser.file, found


def test_fields_and_file() -> None:
    fields, file, content = parse(KEY + part('name="x-amz-meta-Größe"', "groß".encode()) + FILE + END)
    assert fields == {"key": "user/${filename}", "x-amz-meta-größe": "groß"}
    assert file == File("a.txt", "text/plain")
    assert content == b"content"


@pytest.mark.parametrize(
    "body",
    [
        b"a preamble\r\n" + KEY + FILE + END,
        KEY + FILE + END[:-2],  # no line end after the last delimiter
        KEY + FILE + END + b"an epilogue",
        KEY + FILE + part('name="submit"', b"Upload") + END,
        KEY.replace(b"168\r\n", b"168 \t\r\n") + FILE + END,
        part('name="KEY"; filename="key"', b"user/${filename}", "Content-Type: text/plain") + FILE + END,
        part("name=key", b"user/${filename}") + FILE + END,
        KEY + part('name="FILE"; filename="a.txt"', b"content", "content-TYPE: text/plain") + END,
        KEY + part('filename="a.txt"; name="file"', b"content", "Content-Type: text/plain") + END,
    ],
)
def test_forms_that_mean_the_same(body: bytes) -> None:
    fields, file, content = parse(body)
    assert (fields, file, content) == ({"key": "user/${filename}"}, File("a.txt", "text/plain"), b"content")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"', ""),
        ('name="file"; filename=""', ""),
        ('name="file"; filename="C:\\dir\\a b.txt"', "a b.txt"),
        ('name="file"; filename="/home/me/a.txt"', "a.txt"),
        ('name="file"; filename="a%22b.txt"', 'a"b.txt'),
        ('name="file"; filename="a\\"b.txt"', 'a"b.txt'),
        ('name="file"; filename="ä;b.txt"', "ä;b.txt"),
        ("name=\"file\"; filename*=UTF-8''%C3%A4.txt", "ä.txt"),
    ],
)
def test_names_of_files(disposition: str, name: str) -> None:
    _, file, content = parse(part(disposition, b"x") + END)
    assert file is not None
    assert (file.name, content) == (name, b"x")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedPOSTRequest),
        (b"no form", MalformedPOSTRequest),
        (KEY, MalformedPOSTRequest),
        (KEY + END, IncorrectNumberOfFilesInPostRequest),
        (KEY + FILE, MalformedPOSTRequest),
        ((KEY + FILE)[:-6], MalformedPOSTRequest),
        (KEY + FILE + END[:-4], MalformedPOSTRequest),
        (KEY + FILE + END[:-4] + b"xx", MalformedPOSTRequest),
        (KEY.replace(b"168\r\n", b"168x\r\n") + FILE + END, MalformedPOSTRequest),
        (KEY.replace(b"\r\n", b"\n") + FILE + END, MalformedPOSTRequest),
        (part('nome="key"', b"x") + FILE + END, MalformedPOSTRequest),
        (part('name="key', b"x") + FILE + END, MalformedPOSTRequest),
        (part('name="key"; name="acl"', b"x") + FILE + END, MalformedPOSTRequest),
        (KEY.replace(b"form-data", b"attachment") + FILE + END, MalformedPOSTRequest),
        (part('name="key"', b"\xff") + FILE + END, MalformedPOSTRequest),
        (KEY + part('name="Key"', b"other") + FILE + END, InvalidArgument),
        (part('name="key"', b"x" * MAX_FIELDS_BYTES) + FILE + END, MaxPostPreDataLengthExceeded),
        (part('name="key"', b"x" * MAX_FIELDS_BYTES), MaxPostPreDataLengthExceeded),
        (b"".join(part(f'name="{number}"', b"") for number in range(300)), MaxPostPreDataLengthExceeded),
        (KEY + FILE + END + b"x" * MAX_FIELDS_BYTES, MaxPostPreDataLengthExceeded),
    ],
)
def test_what_is_no_form(body: bytes, error: type[S3Error]) -> None:
    with pytest.raises(error):
        parse(body)


@given(st.lists(st.integers(0, 40), max_size=60), st.binary(max_size=60))
def test_cutting_changes_nothing(sizes: list[int], content: bytes) -> None:
    # a file that holds the beginnings of delimiters, and its neighbours
    data = b"\r\n--94311" + content.replace(BOUNDARY.encode(), b"") + b"\r\n\r\n--9431149156"
    body = KEY + part('name="empty"', b"") + part('name="file"', data) + END
    assert parse(body, sizes) == ({"key": "user/${filename}", "empty": ""}, File("", ""), data)


@pytest.mark.parametrize("size", [1, 2, 7, 50_000])
@pytest.mark.parametrize(
    ("after_delimiter", "error"),
    [
        (b"x" * 30_000 + b"\r\n", MalformedPOSTRequest),
        (b" " * 30_000 + b"x", MaxPostPreDataLengthExceeded),
        (b" \t\rx", MalformedPOSTRequest),
        (b"-x", MalformedPOSTRequest),
        (b" --", MalformedPOSTRequest),
    ],
)
def test_what_follows_a_delimiter_is_refused_alike_in_any_pieces(
    after_delimiter: bytes, error: type[S3Error], size: int
) -> None:
    body = f"--{BOUNDARY}".encode() + after_delimiter
    with pytest.raises(error):
        parse(body, [size] * (len(body) // size))


@given(st.binary(max_size=400), st.lists(st.integers(0, 40), max_size=20))
def test_no_input_does_more_than_be_refused(noise: bytes, sizes: list[int]) -> None:
    for body in (noise, KEY + noise, KEY + FILE[:40] + noise, KEY + FILE + noise + END):
        try:
            parse(body, sizes)
        except S3Error:
            continue


def test_memory_is_bounded_by_the_delimiter() -> None:
    parser = FormParser(BOUNDARY)
    parser.feed(KEY + FILE[: FILE.index(b"content")])
    for _ in range(100):
        assert len(parser.feed(b"\r\n--9431" * 1000)) >= 8000 - 2 * len(BOUNDARY)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data;charset=utf-8; boundary="a b:c"', "a b:c"),
        ("application/x-www-form-urlencoded", None),
        ("", None),
    ],
)
def test_boundaries(content_type: str, boundary: str | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", '; boundary="a\n"', f"; boundary={'a' * 71}", "; boundary=é"]
)
def test_no_boundary(parameters: str) -> None:
    with pytest.raises(MalformedPOSTRequest):
        boundary_of(f"multipart/form-data{parameters}")
