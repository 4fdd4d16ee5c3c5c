"""Peers and users added to a config file, changed and removed: all else in it stays as it is.

Comments, order and layout are kept.

The TOML is read and written by tomlkit. What comes out is held to what was meant, and checked as at
a start, before it takes the place of the file.
"""

import fcntl
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from scp.config.loader import ConfigError, checked, key_of, load, parsed

if TYPE_CHECKING:  # loaded by who changes a file alone
    from tomlkit.items import Item, Table, Trivia

# From the text and what it says, which is changed to what is meant, to texts that may say that.
Edit = Callable[[str, dict[str, Any]], Iterator[str]]

_MARK = "\0"  # which no TOML has
_NOTHING = "nothing is changed"


def add_table(path: Path, table: str, name: str, values: dict[str, Any]) -> None:
    """Add a table [TABLE.NAME] with these values, behind the last one there is.

    Raises ConfigError, and changes nothing, where it is there, will not do or cannot be written.
    """

    def edit(text: str, document: dict[str, Any]) -> Iterator[str]:
        title, others = name.strip(" "), document.setdefault(table, {})
        if there := _key_in(others, title):
            raise ConfigError(f"{path}: [{key_of(table, there)}]: there is such a table already")
        others[title] = values
        yield from _with_table(text, table, title, values)

    _rewrite(path, table, edit)


def change_table(
    path: Path, table: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Set keys of [TABLE.NAME] to what `change` makes of its values.

    Raises ConfigError, and changes nothing, where there is none or it cannot be written.
    """

    def edit(text: str, document: dict[str, Any]) -> Iterator[str]:
        there = _required(path, table, name, document)
        fresh = change(document[table][there])
        document[table][there] |= fresh
        yield _with_values(text, table, there, fresh)

    _rewrite(path, table, edit)


def remove_table(path: Path, table: str, name: str) -> str:
    """Remove the table [TABLE.NAME]; its keys, as TOML.

    Raises ConfigError, and changes nothing, where there is none, others need it or the file cannot
    be written.
    """
    import tomlkit

    removed: dict[str, Any] = {}

    def edit(text: str, document: dict[str, Any]) -> Iterator[str]:
        there = _required(path, table, name, document)
        removed.update(document[table].pop(there))
        yield _without_table(text, table, there)

    _rewrite(path, table, edit)
    return tomlkit.dumps(removed)


def _required(path: Path, table: str, name: str, document: dict[str, Any]) -> str:
    """The key of a table that has to be there. Raises ConfigError."""
    there = _key_in(document.get(table, {}), name.strip(" "))
    if not there:
        raise ConfigError(f"{path}: [{key_of(table, name)}]: there is no such table")
    return there


def _key_in(tables: dict[str, Any], title: str) -> str:
    """The key of one of several tables: that of a peer may have spaces around it."""
    return next((key for key in tables if key.strip(" ") == title), "")


def _rewrite(path: Path, table: str, edit: Edit) -> None:
    load(path)  # what is wrong in it is told first, and put right by hand
    real = path.resolve()  # a symbolic link stays one
    try:
        with _held(real) as file:
            was, content = os.fstat(file.fileno()), file.read()
            if not stat.S_ISREG(was.st_mode):
                raise ConfigError(f"{path}: is no regular file; {_NOTHING}")
            fresh = _edited(path, table, content, edit)
            if _state(real.stat()) != _state(was):
                raise ConfigError(f"{path}: was changed meanwhile; {_NOTHING}: try again")
            _replace(real, was, fresh)
    except OSError as error:
        where = f" ({real.parent})" if error.filename not in (None, str(real)) else ""
        raise ConfigError(f"{path}: cannot be written: {error.strerror}{where}") from error


@contextmanager
def _held(real: Path) -> Iterator[BinaryIO]:
    """The file, for one command at a time: the next one finds what this has put in its place."""
    while True:
        with real.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), real.stat()):
                yield file
                return


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _edited(path: Path, table: str, content: bytes, edit: Edit) -> bytes:
    """The file as it is to be. Raises ConfigError where it is not to be, or is not to be had."""
    meant, text = parsed(content, path), content.decode()
    is_of_windows = 0 < text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n") if is_of_windows else text
    texts = list(edit(text, meant))
    try:
        checked(meant, path)
    except ConfigError as error:
        raise ConfigError(f"{error}\n{path}: would be wrong with that; {_NOTHING}") from error
    for found in texts:
        with suppress(tomllib.TOMLDecodeError):
            if {table: {}} | tomllib.loads(found) == {table: {}} | meant:
                return (found.replace("\n", "\r\n") if is_of_windows else found).encode()
    words = f"[{table}] is written in a form that only a person can change, with an editor"
    raise ConfigError(f"{path}: {words}; {_NOTHING}")


def _with_table(text: str, table: str, name: str, values: dict[str, Any]) -> Iterator[str]:
    """Behind the last one, before the comment that begins the next table; else at the end."""
    import tomlkit

    fresh = tomlkit.dumps({table: {name: values}})

    def mark_end(found: "list[Table]") -> None:
        last = _last_line(found[-1])
        last.trail = _MARK + last.trail

    *before, after = _split(_marked(text, table, mark_end))
    if before:
        space = "" if after[:1] in ("", "\n") else "\n"
        yield f"{_whole_lines(''.join(before))}\n{fresh}{space}{after}"
    yield f"{_whole_lines(text)}\n{fresh}" if text else fresh


def _with_values(text: str, table: str, key: str, values: dict[str, Any]) -> str:
    def set_values(found: "list[Table]") -> None:
        for one in found:
            for name, item in one.value.body:
                if name is not None and name.key == key and isinstance(item, dict):
                    item.update(values)

    return _changed(text, table, set_values)


def _without_table(text: str, table: str, key: str) -> str:
    def enclose(found: "list[Table]") -> None:
        for one in found:
            for name, item in one.value.body:
                if name is not None and name.key == key:
                    first, last = _first_line(item), _last_line(item)
                    first.indent = _MARK + first.indent
                    last.trail = _MARK + last.trail

    before, *others = _split(_marked(text, table, enclose))[::2]
    for after in others:
        if after[:1] in ("", "\n") and before.endswith("\n\n"):
            before = before[:-1]  # of two empty lines, or before the end, one goes too
        before += after
    return before


def _marked(text: str, table: str, set_marks: "Callable[[list[Table]], None]") -> str:
    """The text with marks set in what is under [TABLE]; as it is where none can be."""
    marked = _changed(text, table, set_marks)
    return marked if marked.replace(_MARK, "") == text else text


def _changed(text: str, table: str, change: "Callable[[list[Table]], None]") -> str:
    """The text with what is under [TABLE] changed; as it is where it cannot be read."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import Table

    # Apart, for tomlkit has a table behind an array of tables move to the one before that.
    parts = re.split(r"^(?=[ \t]*\[\[)", text, flags=re.MULTILINE)
    changed = ""
    for part in parts:
        try:
            document = tomlkit.parse(part)
        except TOMLKitError:  # as where a text of several lines is cut
            return text
        named = [item for key, item in document.body if key is not None and key.key == table]
        if found := [item for item in named if isinstance(item, Table)]:
            change(found)
        changed += document.as_string()
    return changed


def _split(marked: str) -> list[str]:
    """What lies between the marks: the end of a line is of that line."""
    pieces = re.split(f"({_MARK}\n?)", marked)
    return [text + mark[1:] for text, mark in zip(pieces[::2], [*pieces[1::2], ""], strict=True)]


def _first_line(item: "Item") -> "Trivia":
    from tomlkit.items import Table

    while isinstance(item, Table) and item.is_super_table():  # of dotted keys
        item = item.value.body[0][1]
    return item.trivia


def _last_line(item: "Item") -> "Trivia":
    from tomlkit.items import Table, Whitespace

    while isinstance(item, Table):
        own = [one for one in _own(item) if not isinstance(one, Whitespace)]
        if not own:
            break
        item = own[-1]
    return item.trivia


def _own(table: "Table") -> "list[Item]":
    """What is in a table, but for comments from an empty line on: those are of the next one."""
    from tomlkit.items import Whitespace

    items = table.value.body
    end = max((at for at, (key, _) in enumerate(items, 1) if key is not None), default=0)
    while end < len(items):
        if isinstance(items[end][1], Whitespace) and "\n" in items[end][1].as_string():
            break
        end += 1
    return [item for _, item in items[:end]]


def _whole_lines(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _replace(real: Path, was: os.stat_result, content: bytes) -> None:
    """Put the content in the place of the file, with its owner and rights. Raises OSError."""
    from storage.files import sync_folder

    descriptor, name = tempfile.mkstemp(prefix=f".{real.name}.", suffix=".new", dir=real.parent)
    try:
        with open(descriptor, "wb") as file:
            _make_alike(descriptor, real, was)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, real)
    except BaseException:
        os.unlink(name)
        raise
    with suppress(OSError):  # it is in its place
        sync_folder(real.parent)


def _make_alike(descriptor: int, real: Path, was: os.stat_result) -> None:
    """Give a file owner, mode and further attributes of another one. Raises OSError."""
    from storage.files import name_of

    made = os.fstat(descriptor)
    try:
        if (made.st_uid, made.st_gid) != (was.st_uid, was.st_gid):
            os.fchown(descriptor, was.st_uid, was.st_gid)
    except PermissionError as error:
        words = f"it is {name_of(was.st_uid)}'s, and could not stay that: run it as that user"
        raise PermissionError(error.errno, words) from error
    os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
    with suppress(OSError):
        for attribute in os.listxattr(real):  # as who else may read it (acl(5))
            with suppress(OSError):  # what is not ours to set
                os.setxattr(descriptor, attribute, os.getxattr(real, attribute))
