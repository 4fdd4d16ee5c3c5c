"""`minipacs worklist`: what modalities are told to do, and what became of it."""

from scp.cli.commands.worklist import (
    adding,
    asking_peer,
    deciding,
    explaining,
    exporting,
    importing,
    listing,
    removing,
    showing,
)
from scp.cli.options import Commands

app = Commands(
    no_args_is_help=True,
    help="Tell modalities what is to be done, and see what became of it.",
)

app.command("add")(adding.add)
app.command("list")(listing.list_entries)
app.command("show")(showing.show)
app.command("import")(importing.import_csv)
app.command("cancel")(deciding.cancel)
app.command("complete")(deciding.complete)
app.command("remove")(removing.remove)
app.command("export")(exporting.export)
app.command("explain")(explaining.explain)
app.command("ask")(asking_peer.ask)
