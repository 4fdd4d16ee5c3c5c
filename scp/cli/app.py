"""The command line: each command is a file of `commands`, loaded when it is asked for."""

import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from scp.cli import interrupts
from scp.cli.options import Commands
from scp.cli.output import say

# Name -> module below `scp.cli.commands` and what help says of it, in the order in which it does.
# The words are those of the command's docstring, which are not read from there: all commands
# together take most of a second to load.
COMMANDS = {
    "serve": ("node.serve", "Run the node until SIGTERM or SIGINT, then finish what is under way."),
    "init": ("node.init", "Write a commented config.toml, after a few questions."),
    "config": ("node.config", "Print what is in force, and where each value comes from."),
    "peers": (
        "node.peers",
        "Ask each peer that is sent to for an echo; exit code 1 where one does not answer.",
    ),
    "user": ("node.user", "Add, list and remove who may ask over HTTP, and make tokens for them."),
    "conformance": (
        "node.conformance",
        "Print the DICOM Conformance Statement of the node as configured.",
    ),
    "forward": (
        "node.forward",
        "Show what goes on to other nodes, and what failed and why; exit code 1 with any.",
    ),
    "worklist": (
        "worklist.group",
        "Tell modalities what is to be done, and see what became of it.",
    ),
    "find": (
        "finding.find",
        "Find what is held, by any attribute: Modality=CT StudyDate=20260101- PatientName='doe*'.",
    ),
    "query": (
        "finding.query",
        "Ask a peer what it holds: Modality=CT StudyDate=20260101- PatientName='DOE*'.",
    ),
    "fetch": (
        "finding.fetch",
        "Bring studies of a peer here: what matches, or is named; what is held is not brought "
        "again.",
    ),
    "show": (
        "finding.show",
        "Show a study that is held: what each series says, or all of it as one JSON document.",
    ),
    "nodes": (
        "upkeep.nodes",
        "Show which nodes serve the archive, what each does, and whether its engines answer.",
    ),
    "stats": (
        "upkeep.stats",
        "Show what is held: by modality, by sender and by month, and how it grew.",
    ),
    "check": (
        "upkeep.check",
        "Compare tree, index and digests; each fault a line, exit code 1 with any.",
    ),
    "rebuild": (
        "upkeep.rebuild",
        "Make the index anew from the tree; the node may run meanwhile.",
    ),
    "index": (
        "upkeep.index",
        "Have queries by more attributes answered without reading headers; the node may run "
        "meanwhile.",
    ),
    "compact": (
        "upkeep.compact",
        "Have the journal give back the room of what is gone; the node does it once a day.",
    ),
    "import": (
        "transfer.import_files",
        "Take in files from disk as if they were sent; the node may run meanwhile.",
    ),
    "send": ("transfer.send", "Send patients, studies, series or instances to a peer."),
    "export": ("transfer.export", "Write patients, studies, series or instances as DICOM files."),
    "backup": (
        "transfer.backup",
        "Bring a copy of the archive up to date; the node may run meanwhile.",
    ),
    "migrate": (
        "transfer.migrate",
        "Bring the archive to that of another configuration, or what is new; the node may run.",
    ),
    "delete": (
        "changes.delete",
        "Take patients, studies, series or instances out of the archive, into superseded/.",
    ),
    "restore": ("changes.restore", "Bring back from superseded/ what was deleted."),
    "purge": ("changes.purge", "Delete for good what has been in superseded/ for a time."),
    "correct": (
        "changes.correct",
        "Have patients, studies, series or instances shown and sent with other values.",
    ),
    "merge-patient": (
        "changes.merge_patient",
        "Have the studies of a patient be another one's, also those that are still to come.",
    ),
    "undo": ("changes.undo", "Take a correction back."),
    "history": (
        "changes.history",
        "Tell what was corrected, by whom, when and from what: of all, or of what is named.",
    ),
    "pin": (
        "retention.pin",
        "Have studies stay, whatever [retention] says; without one, list those that are pinned.",
    ),
    "unpin": ("retention.unpin", "Let the rules of [retention] have studies again."),
    "apply-retention": (
        "retention.apply_retention",
        "Do now what the rules of [retention] ask for; the node does it once an hour.",
    ),
}
# What a command was called before: it is no more told of, and goes on working.
_FORMER_NAMES = {"retain": "apply-retention"}
# What it speaks and reads DICOM with: of these a report of a fault has to tell.
_LIBRARIES = ("pynetdicom", "pydicom")


def loaded(name: str) -> Any:
    """The command of that name."""
    module: Any = import_module(f"scp.cli.commands.{COMMANDS[name][0]}")
    return typer.main.get_command(module.app)


class _Unloaded(TyperCommand):
    """Stands for a command in help and completion; loads it when it is to read its arguments."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(name, help=words)

    def get_short_help_str(self, limit: int = 0) -> str:
        """All that help says of it, which is a sentence; never cut."""
        return self.help or ""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **options: Any
    ) -> Any:
        """The context of the command itself, whose options are read."""
        made = loaded(str(self.name)).make_context(info_name, args, parent, **options)
        if not gc.isenabled():  # since the process began
            gc.freeze()  # what modules made, which stays
            gc.enable()
        interrupts.let_commands_see_it()
        return made


class _Group(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: _Unloaded(name, words) for name, (_, words) in COMMANDS.items()}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or of a former one."""
        return super().get_command(ctx, _FORMER_NAMES.get(cmd_name, cmd_name))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ends the process where Ctrl-C ended that."""
        try:
            return super().invoke(ctx)
        except BaseException as error:
            # Whatever has become of it on its way: an extension module makes an ImportError of it.
            is_whole = isinstance(error, typer.Exit) and error.exit_code == 0
            if interrupts.was_interrupted() and not is_whole:
                interrupts.end(is_told=isinstance(error, typer.Exit))
            raise


app = Commands(
    cls=_Group,
    add_completion=True,
    no_args_is_help=True,
    help="A DICOM node that stores, finds and gives back.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
        say(f"minipacs {version('minipacs')} ({libraries}, Python {sys.version.split()[0]})")
        raise typer.Exit


@app.callback()
def minipacs(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True,
            help="Print the version of it and of what it stands on.",
        ),
    ] = False,
) -> None:  # fmt: skip
    """A DICOM node that stores, finds and gives back."""
