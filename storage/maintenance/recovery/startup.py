"""A data folder made ready: leftovers cleared, the index usable, if not yet whole."""

import logging
from contextlib import suppress
from pathlib import Path

from storage.diagnostics import ArchiveError, Event, FolderError, ResourceError
from storage.files import (
    Files,
    Tree,
    damage_found,
    is_free,
    require_known,
    sqlite_words,
    why_not,
    why_not_made,
)
from storage.index import (
    ERRORS,
    can_answer,
    fault_of_marks,
    index_path,
    open_index,
    remove_index,
    signature,
    version_of,
)
from storage.journal import RECEIPTS, FolderJournal, journal_of, require_migrated
from storage.maintenance.changes import catch_up_corrections
from storage.maintenance.recovery.logged import bring_in
from storage.maintenance.recovery.replay import (
    catch_up,
    is_settled,
    received,
    settle_index,
    withdraw_unplaced,
    write_applied,
)
from storage.sharing.own_folder import require_own
from storage.sharing.place import shared_place

logger = logging.getLogger(__name__)

UNFINISHED, ANOTHER_VERSION = "not finished", "of another version"
# An index is looked through at each start up to this size, larger ones after an unclean end:
# SQLite reads 200 to 400 MB in a second.
_ALWAYS_CHECKED_BYTES = 128 << 20


def prepare(data: Path, sync: bool, charset: str, any_file_system: bool = False) -> bool:
    """Make a data folder ready to be served, by this process and its children alone.

    Clears leftovers, and sees that there is an index and that it has what the journal tells.
    False: the index has to be made anew by `rebuilding.rebuild`. Instances are stored meanwhile;
    queries are refused, unless the one that is there answers. Raises FolderError.
    """
    if shared_place(data):
        return _prepare_shared(data)
    require_own(data)
    if fault := why_not(data) or why_not_made(data):
        raise FolderError(fault)
    with suppress(ResourceError):  # first, as the folder is claimed from here on; below it is told
        require_migrated(journal_of(data, sync))
    for sentence in require_known(data, any_file_system):
        logger.warning(sentence)
    tree = Tree(data, sync)
    leftovers = tree.prepare()
    if leftovers:
        words = "left by an unclean end"
        logger.warning(Event("cleared incoming", words, files=leftovers))
    path = index_path(data)
    try:
        FolderJournal(data, sync).prepare()
        require_migrated(journal_of(data, sync))
        is_brought_in = _is_brought_in(tree)
        fault = fault_of_index(path, _is_unsure(data), is_start=True)
        if fault and not _is_older(path, fault):
            return _begin(tree, path, fault)
        if is_brought_in:
            _bring_up(data, charset)
    except FolderError:
        raise
    except ERRORS as error:
        raise FolderError(f"{path}: {sqlite_words(error)}") from error
    except (ArchiveError, OSError) as error:
        raise FolderError(f"{path}: {error}") from error
    if fault:
        logger.warning("index %s: to be made anew from the tree; it answers meanwhile", fault)
    return not fault


def _prepare_shared(data: Path, takes_store: bool = False) -> bool:
    from storage.sharing.preparing import prepare_shared

    is_whole = prepare_shared(data, takes_store)
    require_migrated(journal_of(data, sync=False))
    if is_whole:
        try:
            catch_up_corrections(data)
        except ResourceError as error:
            logger.warning("corrections are brought into the index later: %s", error)
    return is_whole


def _is_unsure(data: Path) -> bool:
    """Whether the index may lack something; also where nobody can tell, which is looked into."""
    try:
        return not is_settled(data)
    except ResourceError:
        return True


def _is_brought_in(tree: Files) -> bool:
    """Have the log brought in; on a full disk that is done later, as it is for the index."""
    try:
        bring_in(tree)
    except ResourceError as error:
        logger.error("%s; acknowledged instances may be missing until it is", error)
        return False
    return True


def _bring_up(data: Path, charset: str) -> None:
    """Catch the index up; on a full disk that is done later, so that queries go on meanwhile."""
    try:
        catch_up(data, charset)
        catch_up_corrections(data)
        settle_index(data)
    except (ResourceError, OSError) as error:
        logger.warning("index not caught up yet: %s", error)


def fault_of_index(path: Path, look_through: bool, is_start: bool = False) -> str:
    """Why the index cannot answer; empty where it can.

    `look_through`: every page is read, not only those of a small one; `is_start`: its mark is held
    to the journal too, and its rows must be those of this version. Of a node that serves they may
    be older: it is at them. Raises FolderError where the disk or the system does not let it be
    read, which is no reason to make it anew.
    """
    try:
        return damage_found(path, lambda: _fault_seen(path, look_through, is_start))
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        words = error.strerror
    except ERRORS as error:
        words = sqlite_words(error)
    raise FolderError(f"{path}: cannot be read: {words}; mend that, or move it away while no node "
                      "runs: a start makes it anew")  # fmt: skip


def _fault_seen(path: Path, look_through: bool, is_start: bool) -> str:
    size = path.stat().st_size
    # First: who closes a connection that may write brings the log into the file.
    if is_start and not fault_of_version(path) and (fault := _fault_of_marks(path.parent)):
        return fault
    engine = open_index(path, sync=True).engine
    with engine.connected():
        version = engine.version()
        if version == 0:
            return UNFINISHED
        if not can_answer(version):
            return ANOTHER_VERSION
        if look_through or size <= _ALWAYS_CHECKED_BYTES:
            engine.require_sound()
        return ANOTHER_VERSION if is_start and version != signature() else ""


def _fault_of_marks(data: Path) -> str:
    try:
        return fault_of_marks(data)
    except OSError as error:
        raise ResourceError(f"The journal cannot be read: {error.strerror}") from error


def fault_of_version(path: Path) -> str:
    """Why the index cannot answer, as far as its number tells: that is quick; empty where it can.

    Nothing is made or changed by the look.
    """
    if not path.exists():
        return "not there"
    try:
        version = version_of(path)
    except ERRORS as error:
        return f"not to be read: {sqlite_words(error)}"
    if version == 0:
        return UNFINISHED
    return "" if can_answer(version) else ANOTHER_VERSION


def begin_anew(data: Path, takes_store: bool = False) -> None:
    """See that there is an index to be made anew, where no node serves the folder.

    `takes_store`: that of an archive whose database is lost becomes that of this one, which is
    shared and has nothing yet. Raises ResourceError; FolderError where it is damaged, and a node
    has it open.
    """
    if shared_place(data):
        _prepare_shared(data, takes_store)
        return
    tree = Tree(data, sync=True)
    if not tree.is_there():
        raise FolderError(f"{data}: holds no tree of a minipacs")
    path = index_path(data)
    fault = fault_of_index(path, look_through=True)
    if not fault:
        return
    if is_free(data):
        _begin(tree, path, fault)
    elif fault != UNFINISHED:  # else that node is at it
        raise FolderError(f"{path}: {fault}, and a node has it open; restart that node")


def new_index(path: Path, is_whole: bool) -> None:
    """An index without rows in the place of any other; whether that is all that it is to hold."""
    remove_index(path)
    journal = journal_of(path.parent, sync=True)
    index = open_index(path, sync=True)
    with index.engine.connected():
        index.create()
        # All that was deleted is gone where there is no file: then it is whole with the last line.
        index.engine.mark(journal, RECEIPTS, journal.size(RECEIPTS) if is_whole else 0)
        if is_whole:
            index.engine.set_version(signature())
        index.engine.empty_log()


def _is_older(path: Path, fault: str) -> bool:
    """Whether an index with a fault is whole, and only its rows are those of another version."""
    return fault == ANOTHER_VERSION and not fault_of_version(path)


def _begin(tree: Files, path: Path, fault: str) -> bool:
    """A new index for the tree; returns whether it is whole as it is."""
    bring_in(tree)  # else what the log holds alone would be withdrawn
    withdraw_unplaced(tree)
    is_whole = next(tree.instances(), None) is None
    new_index(path, is_whole)
    if is_whole:
        write_applied(tree.data, received(tree.data))
    else:
        logger.warning("index %s: to be made anew from the tree", fault)
    return is_whole
