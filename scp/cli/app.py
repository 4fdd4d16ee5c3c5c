"""The command line: each command is a file of `commands`, loaded when it is asked for."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from scp.cli.options import Commands

# Name -> module below `scp.cli.commands`, in the order in which help tells of them.
COMMANDS = {
    "serve": "node.serve", "init": "node.init", "config": "node.config", "peers": "node.peers",
    "conformance": "node.conformance", "forward": "node.forward",
    "find": "finding.find", "query": "finding.query", "fetch": "finding.fetch",
    "stats": "upkeep.stats", "check": "upkeep.check", "rebuild": "upkeep.rebuild",
    "import": "transfer.import_files", "send": "transfer.send", "export": "transfer.export",
    "backup": "transfer.backup",
    "delete": "changes.delete", "restore": "changes.restore", "purge": "changes.purge",
    "correct": "changes.correct", "merge-patient": "changes.merge_patient",
    "undo": "changes.undo", "history": "changes.history",
    "pin": "retention.pin", "unpin": "retention.unpin", "retain": "retention.retain",
}  # fmt: skip


class _Loaded(dict[str, Any]):
    """The commands by name, each loaded when it is looked at: all together take half a second."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COMMANDS))

    def __getitem__(self, name: str) -> Any:
        module: Any = import_module(f"scp.cli.commands.{COMMANDS[name]}")
        return typer.main.get_command(module.app)

    def get(self, name: str, default: Any = None) -> Any:
        """The command of that name."""
        if name not in self:
            return default
        return self[name]


class _Group(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Loaded()


app = Commands(
    cls=_Group,
    add_completion=True,
    no_args_is_help=True,
    help="A DICOM node that stores, finds and gives back.",
)


@app.callback()
def minipacs() -> None:
    """A DICOM node that stores, finds and gives back."""


def main() -> None:
    """Run the command line."""
    app(prog_name="minipacs")
