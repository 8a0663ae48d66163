"""Tables, sizes, and what may not reach a terminal."""

from __future__ import annotations

import sys

import pytest

from bucketry.cli import output


def test_columns_line_up_and_lines_have_no_trailing_blanks(capsys) -> None:
    output.table(("name", "plan", "apps"), [("a", "basic", ""), ("longer-name", "b", "x")])
    assert capsys.readouterr().out == "name          plan    apps\na             basic\nlonger-name   b       x\n"


def test_headers_are_bold_on_a_terminal_alone(capsys, monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    output.table(("name",), [("a",)])
    assert capsys.readouterr().out == "\x1b[1mname\x1b[0m\na\n"


def test_no_color_is_honoured(capsys, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    output.table(("name",), [("a",)])
    assert capsys.readouterr().out == "name\na\n"


@pytest.mark.parametrize("text", ["a\x1b]0;title\x07b", "a\r\nb", "a\u202eb", "a\x9b31mb"])
def test_names_can_not_steer_the_terminal(text: str, capsys) -> None:
    output.table(("name",), [(text,)])
    output.pairs({"name": text})
    output.message(text)
    shown = capsys.readouterr()
    for line in (shown.out + shown.err).splitlines():
        assert line.isprintable()


def test_an_empty_list_is_a_sentence_on_stderr_and_an_empty_array_in_json(capsys) -> None:
    output.listing(False, [], ("name",), [], "No apps found")
    assert capsys.readouterr() == ("", "No apps found\n")
    output.listing(True, [], ("name",), [], "No apps found")
    assert capsys.readouterr() == ("[]\n", "")


def test_json_keeps_letters_as_they_are(capsys) -> None:
    output.json_data({"name": "größe"})
    assert "größe" in capsys.readouterr().out


def test_progress_off_a_terminal_writes_milestones_alone(capsys) -> None:
    progress = output.Progress()
    progress.show("10 removed")
    progress.show("1000 removed", milestone=True)
    progress.end()
    assert capsys.readouterr() == ("", "1000 removed\n")


def test_progress_on_a_terminal_rewrites_its_line(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = output.Progress()
    progress.show("long text")
    progress.show("short")
    progress.end()
    assert capsys.readouterr().err == "\rlong text\rshort    \n"
