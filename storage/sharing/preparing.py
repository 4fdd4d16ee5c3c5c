"""A shared archive made ready: tables that are not there made, and all else held to what it was."""

import logging
import secrets
from collections.abc import Iterator
from pathlib import Path

from storage.diagnostics import Event, FolderError, ResourceError
from storage.files.objects.store_faults import StoreError
from storage.index import can_answer, signature
from storage.sharing.ledger import IS_EMPTY, TABLES, TAKE_IDENTITY, VERSION
from storage.sharing.opened import Shared, shared_of

logger = logging.getLogger(__name__)

_IDENTITY_BYTES = 16
_SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_standby_names')"
)
_STANDBYS = "SELECT COUNT(*) FROM pg_stat_replication WHERE application_name <> 'pg_basebackup'"
_IS_THERE = "SELECT to_regclass(?) IS NOT NULL"


def prepare_shared(data: Path, takes_store: bool = False) -> bool:
    """Make the archive of a data folder ready to be served by this node, beside others.

    Makes its tables, where there are none, and has the store be this archive's; with `takes_store`
    also one that is another's, where this one has nothing yet: its database is lost. False: the
    index has to be made anew. Raises FolderError, which says what to do.
    """
    shared = shared_of(data)
    try:
        _make_folders(data)
    except OSError as error:
        raise FolderError(f"{error.filename or data}: {error.strerror}") from error
    try:
        is_whole = make_tables(shared)
        is_whole = _adopt(shared, takes_store) and is_whole
        for sentence in _risks(shared):
            logger.warning(sentence)
    except StoreError as error:
        raise FolderError(str(error)) from error
    except ResourceError as error:
        raise FolderError(f"the archive in PostgreSQL: {error}") from error
    if not is_whole:
        logger.warning(Event("index to be made anew", "from the objects"))
    return is_whole


def _risks(shared: Shared) -> Iterator[str]:
    """What of the server's settings may lose what was acknowledged. Raises ResourceError."""
    with shared.engine.reading():
        settings = dict(shared.engine.execute(_SETTINGS, ()))
        ((standbys,),) = shared.engine.execute(_STANDBYS, ())
    if settings.get("fsync") != "on":
        yield "PostgreSQL runs with fsync = off: a power cut takes what was acknowledged"
    if standbys and not settings.get("synchronous_standby_names"):
        yield (
            "PostgreSQL has standbys, and waits for none of them: one that is promoted may lack "
            "what was acknowledged; name them in synchronous_standby_names"
        )


def _adopt(shared: Shared, takes_store: bool) -> bool:
    """Have the store be this archive's; False: its objects are to be entered. Raises StoreError."""
    held, own = shared.store().identity(), shared.journal.identity()
    if held in ("", own):
        shared.store().adopt(own)
        return True
    with shared.engine.writing():
        if not shared.engine.execute(IS_EMPTY, ())[0][0]:
            raise StoreError(
                f"These are another archive's objects: {shared.place.store.url}; name another "
                "place in [store]", is_final=True,
            )  # fmt: skip
        if not takes_store:
            raise StoreError(
                f"These are another archive's objects: {shared.place.store.url}; name another "
                "place in [store], or, where the database of that archive is lost, run "
                "`minipacs rebuild --take-store`", is_final=True,
            )  # fmt: skip
        shared.engine.execute(TAKE_IDENTITY, (held,))
        shared.engine.set_version(0)
    shared.journal.forget_identity()
    return False


def is_made(data: Path) -> bool:
    """Whether there is an archive where a data folder has it; nothing is made.

    Raises ResourceError.
    """
    shared = shared_of(data)
    with shared.engine.reading():
        found = shared.engine.execute(_IS_THERE, (f"{shared.place.schema}.ledger",))
    return bool(found[0][0])


def require_prepared(data: Path) -> None:
    """Raise FolderError unless the archive of a data folder is there, and answers this version.

    Has the folder be there, for what is made of lines and for what arrives.
    """
    shared = shared_of(data)
    try:
        _make_folders(data)
        with shared.engine.reading():
            is_there = shared.engine.execute(_IS_THERE, (f"{shared.place.schema}.ledger",))[0][0]
            fault = _fault_of_ledger(shared) if is_there else ""
            found = shared.engine.version() if is_there and not fault else 0
    except OSError as error:
        raise FolderError(f"{error.filename or data}: {error.strerror}") from error
    except ResourceError as error:
        raise FolderError(f"the archive in PostgreSQL: {error}") from error
    if not is_there:
        words = "is not made yet: `minipacs serve` makes it"
    elif fault:
        words = f"has {fault}"
    elif not found:
        words = "has no index that is whole: `minipacs rebuild` makes it anew"
    elif not can_answer(found):
        words = "has an index of another version of minipacs: have all nodes be of one version"
    else:
        return
    raise FolderError(f"the archive in schema {shared.place.schema} of PostgreSQL {words}")


def _fault_of_ledger(shared: Shared) -> str:
    """What is wrong with the version of the tables beside the index. Raises ResourceError."""
    with shared.engine.reading():
        ((version,),) = shared.engine.execute("SELECT version FROM ledger", ())
    if version == VERSION:
        return ""
    words = f"tables of version {version}, and this minipacs knows version {VERSION}"
    if version > VERSION:
        return f"{words}: have all nodes be of the newer one"
    return (
        f"{words}: with the minipacs that made them `minipacs migrate` the archive to a folder, "
        "and with this one from there into a new schema"
    )


def _make_folders(data: Path) -> None:
    for folder in (data, data / "incoming", data / "journal"):
        folder.mkdir(parents=True, exist_ok=True)


def make_tables(shared: Shared) -> bool:
    """Have the tables, of one version; whether the index is whole. Raises ResourceError."""
    engine, schema = shared.engine, shared.place.schema
    with engine.writing():
        if not engine.execute(_IS_THERE, (f"{schema}.ledger",))[0][0]:
            engine.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}", ())
            engine.execute(f"SET LOCAL search_path = {schema}", ())
            for statement in TABLES:
                engine.execute(statement, ())
            identity = secrets.token_hex(_IDENTITY_BYTES)
            engine.execute("INSERT INTO ledger VALUES (1, ?, ?)", (identity, VERSION))
            engine.execute(f"SET LOCAL search_path = {engine.schema}, {schema}", ())
        if fault := _fault_of_ledger(shared):
            raise ResourceError(f"schema {schema} has {fault}")
        if not engine.execute(_IS_THERE, (f"{engine.schema}.instance",))[0][0]:
            shared.index.create()
            if not shared.tree.is_there():
                engine.set_version(signature())
    found = engine.version()
    if found and not can_answer(found):
        raise ResourceError(
            f"the index in schema {engine.schema} is of another version of minipacs: "
            "have all nodes be of one version, then `minipacs rebuild`"
        )
    return bool(found)
