"""Whose rights a command has on the data folder: those of its owner, or it does not begin.

A file that a command leaves there as somebody else is one that the node cannot use: a journal of
root's has every store refused. So a command that root runs takes on the owner of the folder, with
the groups that the user database gives it, before it opens anything there, and for good. What it
writes elsewhere it writes as that user too: as root it would follow whatever symbolic link the
owner has put into the folder.
"""

import ctypes
import os
import pwd
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path

import typer

from scp.config import Settings
from scp.runtime import user
from storage.diagnostics import FolderError
from storage.files import require_known, rights

_ROOT = 0
# <linux/prctl.h>, <linux/capability.h>
_PR_SET_KEEPCAPS, _CAPABILITY_VERSION_3, _CAP_DAC_READ_SEARCH = 8, 0x20080522, 2
# Modules are loaded as they are needed: of the interpreter, of its packages, and of this one.
_PROGRAM = (os.__file__, typer.__file__, __file__)


class _Before:
    """Whom the command took on."""

    taken_on: int | None = None


def as_whom(data: Path, error: PermissionError) -> str:
    """To be said where rights were missing, if another user was taken on; and what helps."""
    if _Before.taken_on is None:
        return ""
    name = rights.name_of(_Before.taken_on)
    words = f"; this works as {name}, whose {data} is"
    path = Path(os.fsdecode(error.filename or "")).absolute()
    # Of a folder that is there nothing is advised: it may be root's home.
    if not error.filename or path.is_relative_to(data) or os.path.lexists(path) or path.suffix:
        return words
    made = f"`install -d -o {name} {shlex.quote(str(path))}`"
    return f"{words}; {made} makes a folder that it can write in"


@dataclass(frozen=True)
class CommandNeeds:
    """What a command needs: to make the folder that is not there; to read all that root may
    read; to work where the owner lacks rights in the folder.
    """

    makes: bool = False
    reads_elsewhere: bool = False
    looks_at_rights: bool = False


USUAL, IMPORTS, CHECKS = (
    CommandNeeds(),
    CommandNeeds(makes=True, reads_elsewhere=True),
    CommandNeeds(looks_at_rights=True),
)


def take_on(settings: Settings, kind: CommandNeeds) -> None:
    """Have a command work as the owner of the data folder. Raises FolderError where it cannot."""
    data, where = settings.storage.path, f"{settings.source}: [storage] path: "
    try:
        is_there = rights.is_there(data)
        owners = rights.owners_of(data)
        owner = next((one for one in owners if one != _ROOT), _ROOT)
        if os.geteuid() == _ROOT != owner and (is_there or kind.makes):
            _become(data, owner, is_there, kind.reads_elsewhere)
        elif os.geteuid() not in (_ROOT, *owners) and rights.has_tree(data):
            raise FolderError(_run_as(data, owner))
        fault = "" if kind.looks_at_rights else rights.why_not(data)
        if fault := fault or (rights.why_not_made(data) if kind.makes else ""):
            raise FolderError(fault)
        require_known(data, settings.storage.any_file_system)
    except OSError as error:
        words = f"{error.filename or data}: {rights.words_of(error)}"
        if isinstance(error, PermissionError):
            words += ": run it as whom it belongs to, or as root"
        raise FolderError(f"{where}{words}") from error
    except FolderError as error:
        raise FolderError(f"{where}{error}") from None


def require_own(settings: Settings) -> None:
    """Raise FolderError where root would serve the folder of another user.

    A node does not take on its owner: it reads configuration, certificate and key again while it
    runs, which the owner may not be able to.
    """
    data = settings.storage.path
    if os.geteuid() == _ROOT and rights.is_there(data):
        owner = next((one for one in rights.owners_of(data) if one != _ROOT), _ROOT)
        if owner != _ROOT:
            raise FolderError(_run_as(data, owner))


def _become(data: Path, owner: int, is_there: bool, reads_elsewhere: bool) -> None:
    """Take on a user, for good. Raises FolderError."""
    try:
        account = pwd.getpwuid(owner)
    except KeyError:
        if not is_there:
            return  # root makes it, and so it is root's
        raise FolderError(f"{_run_as(data, owner)} (it has no account to be taken on)") from None
    user()  # while it can be seen who that is
    try:
        os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        # Its rights without root's for a moment: access(2) goes by the real user.
        os.setresuid(owner, owner, _ROOT)
        reads_elsewhere |= not all(os.access(path, os.R_OK) for path in _PROGRAM)
        os.seteuid(_ROOT)
        if reads_elsewhere:
            ctypes.CDLL(None).prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(owner, owner, owner)
    except PermissionError:
        raise FolderError(
            f"{_run_as(data, owner)} (root without CAP_SETUID and CAP_SETGID cannot take it on)"
        ) from None
    _Before.taken_on = owner
    if reads_elsewhere:
        _keep_reading()


def _keep_reading() -> None:
    """Keep the capability to read all files, and no other; where it is not had, that is all."""
    bit = 1 << _CAP_DAC_READ_SEARCH
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    ctypes.CDLL(None).capset(header, struct.pack("=6I", bit, bit, 0, 0, 0, 0))


def _run_as(data: Path, owner: int) -> str:
    name = rights.name_of(owner)
    sudo = "sudo" if owner == _ROOT else f"sudo -u {shlex.quote(rights.account_of(owner))}"
    return (
        f"{data} belongs to {name}, not to {rights.name_of(os.geteuid())}: run it as {name}, "
        f"`{sudo} minipacs ...`"
    )
