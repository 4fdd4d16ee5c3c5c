"""What the command says of itself."""

import re
from importlib.metadata import version

import pytest

from scp.cli.app import COMMANDS, app


def said(capsys: pytest.CaptureFixture[str], *given: str) -> str:
    """What it prints, and ends with 0."""
    with pytest.raises(SystemExit) as ended:
        app(list(given), prog_name="minipacs")
    assert ended.value.code == 0
    return capsys.readouterr().out


BEHIND_ONE = [("peers", "add"), ("peers", "remove")]


@pytest.mark.parametrize("given", [(), *((name,) for name in COMMANDS), *BEHIND_ONE], ids=" ".join)
def test_h_is_help_everywhere(given: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, *given, "-h")
    assert text == said(capsys, *given, "--help")
    assert re.search(r"-h, --help +Show this message and exit", text)
    assert "......" not in re.sub("[]}]", "", text)  # what is repeated says so once
    assert max(map(len, text.splitlines())) <= 80


def test_help_keeps_what_stands_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    assert "whatever [retention] says" in " ".join(said(capsys, "-h").split())


def test_version_tells_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--version")
    assert text.startswith(f"minipacs {version('minipacs')} (")
    assert f"pydicom {version('pydicom')}" in text
