"""The log: fields apart from words, and nothing in a line that moves a cursor or begins another."""

import ast
import io
import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import (
    CT,
    EXPLICIT,
    ROOT,
    START_SECONDS,
    RunningNode,
    ct,
    encoded,
    minipacs,
    send,
)  # fmt: skip

from scp.cli.output.printing import say, say_json
from scp.runtime import log
from storage.diagnostics.escaping import error_comment, escaped, json_text
from storage.diagnostics.events import Event, Own, Sentence, value_of

UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cs"}
HOSTILE = [
    "\x1b[2J", "a\rb", "a\nb", "\0", "\x7f", "\x85", "\x9b31m", "\u2028", "\u2029", "\u202e",
   "\u2066",     "\u200b", "\u200f", "\ufeff", "\ud800", "\udc80", "\U000e0041", "\u00ad",
]  # fmt: skip
READABLE = ["山田^太郎", "فاطمة", "Ünïcôdé", "김^철수", "a\u3000b", "नमस्ते", "<b>&|`"]


def is_safe(text: str, lines: bool = False) -> bool:
    """Whether nothing is in it that is not to be seen as it is."""
    return not any(unicodedata.category(c) in UNSAFE for c in text if not (lines and c == "\n"))


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest) -> tuple[str, logging.Logger, io.StringIO]:
    """A logger, what it writes, and how."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.TextFormatter() if request.param == "text" else log.JsonLines())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return request.param, logger, stream


def parsed(line: str) -> tuple[str, dict[str, str]]:
    """The name and the fields of a line without detail, as one reads logfmt."""
    pair = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=]*)')
    found = {key: _unquoted(value) for key, value in pair.findall(line)}
    return pair.sub("", line), found


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    kinds = r'\\(?:(["\\nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))'
    short = {"n": "\n", "r": "\r", "t": "\t"}

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return short.get(found[1], found[1])
        return chr(int(found[2] or found[3] or found[4], 16))

    return re.sub(kinds, one, text[1:-1])


# ---- escaping


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_to_be_seen_is_escaped(text: str) -> None:
    assert is_safe(escaped(text))
    assert is_safe(json_text({"key": text}))
    assert is_safe(json_text([text], indent=2), lines=True)
    assert json.loads(json_text(text)) in (text, escaped(text))
    assert re.fullmatch(r"[ -~]*", error_comment(text))
    json_text(text).encode()


@pytest.mark.parametrize("text", READABLE)
def test_what_people_write_stays(text: str) -> None:
    assert escaped(text) == text
    assert json_text(text) == f'"{text}"'


@given(st.text(alphabet=st.characters(codec=None)))
def test_whatever_there_is_can_be_looked_at(text: str) -> None:
    assert is_safe(escaped(text))
    assert is_safe(json_text({text: text}))


@given(st.text())
def test_json_has_the_very_text(text: str) -> None:
    assert json.loads(json_text([text])) == [text]


# ---- events

_KEYS = st.sampled_from(["peer", "address", "instance", "bytes"])


@given(st.dictionaries(_KEYS, st.text() | st.integers()))
def test_a_line_is_read_in_one_way(fields: dict[str, Any]) -> None:
    line = str(Event("stored", **fields))
    assert is_safe(line)
    assert parsed(line) == ("stored", {key: str(value) for key, value in fields.items()})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("CT1", "CT1"), ("127.0.0.1:104", "127.0.0.1:104"), (1, "1"), (0.12345, "0.123"),
        (True, "True"), ("", '""'), ("a b", '"a b"'), ("a=b", '"a=b"'), ('a"b', r'"a\"b"'),
        ("a\nb", r'"a\nb"'), ("\x1b", r'"\x1b"'), ("山田", "山田"),
        ("a\\", r'"a\\"'), ("a:", '"a:"'),
        (Path("/a b"), '"/a b"'),
    ],
)  # fmt: skip
def test_a_value(value: object, shown: str) -> None:
    assert value_of(value) == shown


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("stored", peer="CT1", of=None), "stored peer=CT1"),
        (Event("refused", "a bad UID", peer="A"), "refused peer=A: a bad UID"),
        (Event("refused", "it is 'a peer=B'", peer="A"), "refused peer=A: \"it is 'a peer=B'\""),
        (Event("refused", Own("within seconds=2"), peer="A"), "refused peer=A: within seconds=2"),
        (Event("waits", "x\ny", "again in seconds=5"), r"waits: x\ny, again in seconds=5"),
        (Sentence("worker=3 died", worker=3), "worker=3 died"),
    ],
)  # fmt: skip
def test_an_event(event: Event, line: str) -> None:
    assert str(event) == line


# ---- lines


def test_fields_have_their_types_and_override_nothing(
    written: tuple[str, logging.Logger, io.StringIO],
) -> None:
    how, logger, stream = written
    said = Event("e", "why", peer="P", bytes=5, seconds=0.12345, level="X", at="Y", message="M")
    logger.warning(said)
    line = stream.getvalue()
    assert line.count("\n") == 1
    if how == "text":
        assert line.endswith("WARNING e peer=P bytes=5 seconds=0.123 level=X at=Y message=M: why\n")
        return
    told = json.loads(line)
    assert (told["peer"], told["bytes"], told["seconds"]) == ("P", 5, 0.123)
    assert (told["level"], told["event"], told["detail"]) == ("WARNING", "e", "why")
    assert told["at"].endswith("+00:00")
    assert told["message"].startswith("e peer=P")


@pytest.mark.parametrize("text", HOSTILE)
def test_whoever_logs_it_is_escaped(
    written: tuple[str, logging.Logger, io.StringIO], text: str
) -> None:
    _, logger, stream = written
    logger.error("of a library: %s", text)
    logger.error(Event("e", text, peer=text))
    logger.error(Event("e", f"{text} peer=X"))
    logger.error(text)
    try:
        raise ValueError(f"{text} peer=X")
    except ValueError:
        logger.error("failed", exc_info=True)
    lines = stream.getvalue()
    assert lines.count("\n") == 5
    assert is_safe(lines, lines=True)


def test_nothing_is_taken_from_what_a_line_says(
    written: tuple[str, logging.Logger, io.StringIO],
) -> None:
    how, logger, stream = written
    logger.error("store refused peer=%s", "EVIL address=10.9.9.9")
    if how == "json":
        assert not {"peer", "address"} & json.loads(stream.getvalue()).keys()


def test_a_traceback_begins_no_line(
    written: tuple[str, logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    how, logger, stream = written
    monkeypatch.setattr(log, "_is_verbose", lambda: True)
    try:
        raise ValueError("x\n2026-11-28 00:00:00,000 INFO forged\x1b")
    except ValueError:
        logger.error("failed", exc_info=True)
    first, *rest = stream.getvalue().splitlines()
    assert is_safe("".join([first, *rest]))
    assert all(line.startswith("    ") for line in rest)
    assert how == "text" or "forged" in json.loads(first)["traceback"]


def _calls() -> Iterator[tuple[str, ast.expr]]:
    for package in ("scp", "storage"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "logger"
                ):
                    for argument in node.args:
                        yield f"{path.name}:{node.lineno}", argument


def test_no_call_writes_fields_into_its_message() -> None:
    wrong = re.compile(r"[a-z]=(%|$)")
    found = [
        where
        for where, argument in _calls()
        for part in [argument, *getattr(argument, "values", [])]
        if isinstance(part, ast.Constant) and wrong.search(str(part.value))
    ]
    assert found == []


# ---- what commands print


def test_a_line_that_is_printed_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b", "山田")
    say_json({"key": "\x1b\n\udc80\x9b", "name": "山田"})
    out = capsys.readouterr().out
    assert is_safe(out, lines=True)
    first, second, *document = out.splitlines()
    assert (first, second) == (r"a\nb\x1b", "山田")
    assert json.loads("".join(document)) == {"key": "\x1b\n\\udc80\x9b", "name": "山田"}


def test_a_terminal_without_the_letters_gets_them_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    say("Ü 山")
    sys.stdout.flush()
    assert raw.getvalue() == b"\xdc \\u5c71\n"


# ---- the node and its commands

EVIL = "1.2 peer=CT1 address=10.9.9.9\r\n2026-11-28 00:00:00,000 INFO forged\x1b[2J"


def forge(node: RunningNode) -> None:
    """Have the node refuse a store whose UID is made to look like fields and lines."""
    with node.association((CT, EXPLICIT), ae_title="EVIL") as association:
        held = encoded(ct("1.1", "1.2", "1.3"))
        assert send(association, CT, EVIL, held).Status == 0xA900


def test_a_peer_forges_nothing_for_people(node: RunningNode) -> None:
    forge(node)
    line = node.wait_for_log("store refused")
    assert ' peer=EVIL address=127.0.0.1 instance="1.2 peer=CT1 address=10.9.9.9\\r\\n2026' in line
    assert is_safe("".join(one.rstrip("\n") for one in node.log))
    assert not [one for one in node.log if one.startswith("2026-11-28 00:00:00,000")]


def test_a_peer_forges_nothing_for_machines(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"log": {"format": "json"}})
    with subprocess.Popen(
        [sys.executable, "-m", "scp", "serve", "-c", str(node.config)], cwd=ROOT, text=True,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr
        told: dict[str, Any] = {}
        while "port" not in told:
            told = json.loads(process.stderr.readline())
        assert told["message"].endswith(f"listening on {told['host']}:{told['port']}")
        node.port = told["port"]
        try:
            forge(node)
        finally:
            process.terminate()
        lines = process.communicate(timeout=START_SECONDS)[1].splitlines()
    assert is_safe("".join(lines))
    (told,) = [one for line in lines if (one := json.loads(line)).get("event") == "store refused"]
    assert (told["peer"], told["address"], told["instance"]) == ("EVIL", "127.0.0.1", EVIL)
    assert isinstance(told["bytes"], int)


def test_commands_show_what_peers_said_as_text(node: RunningNode) -> None:
    with node.association((CT, EXPLICIT), ae_title="[red]X[/b]") as association:
        held = encoded(ct("1.1", "1.2", "1.3", PatientName="Doe", PatientID="P\x1b[2J"))
        assert send(association, CT, "1.3", held).Status == 0x0000
    assert "[red]X[/b]" in minipacs("stats", node).stdout
    study = ("--study", "1.1")
    done = minipacs(
        "correct", node, *study, "PatientName=李", "--yes", "--reason", "r\x1b[2J\nforged"
    )
    assert (done.returncode, is_safe(done.stdout, lines=True)) == (0, True)
    (node.data / "tree" / "x\x1b[2J\nforged: fine\udc80").write_text("hi")
    for command in ("history", "check", "pin"):
        told = minipacs(command, node).stdout
        assert is_safe(told, lines=True)
        assert not re.search("^forged", told, re.M)
        document = minipacs(command, node, "--json").stdout if command != "pin" else "{}"
        assert is_safe(document, lines=True)
        json.loads(document)
    audit = (node.data / "audit" / "audit.jsonl").read_text()
    assert is_safe(audit, lines=True)
    assert "r\\u001b[2J\\nforged" in audit


def test_without_a_umask_nothing_is_open_to_others(tmp_path: Path) -> None:
    files, data = tmp_path / "files", tmp_path / "data"
    files.mkdir()
    held = ct("1.1", "1.2", "1.3")
    held.save_as(files / "one.dcm", implicit_vr=False, little_endian=True)
    config = tmp_path / "made" / "config.toml"

    def run(*words: object) -> None:
        subprocess.run(
            [sys.executable, "-m", "scp", *map(str, words)], cwd=ROOT, check=True,
            preexec_fn=lambda: os.umask(0) and None, capture_output=True, timeout=START_SECONDS,
        )  # fmt: skip

    run("init", "-c", config, "--yes", "--path", data, "--port", 0)
    assert (config.parent.stat().st_mode | config.stat().st_mode) & 0o022 == 0
    run("import", "-c", config, files)
    run("export", "-c", config, tmp_path / "folder", "--study", "1.1")
    run("export", "-c", config, tmp_path / "one.zip", "--zip", "--study", "1.1")
    run("backup", "-c", config, tmp_path / "backup")
    run("pin", "-c", config, "--study", "1.1")
    tops = [data, tmp_path / "folder", tmp_path / "one.zip", tmp_path / "backup"]
    paths = [path for top in tops for path in (top, *top.rglob("*"))]
    assert len(paths) > 20
    assert {str(path) for path in paths if path.stat().st_mode & 0o077} == set()
