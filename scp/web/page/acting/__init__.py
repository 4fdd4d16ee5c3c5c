"""What is done on the page: asked for once, by a view that says what it will be, then done once."""

from scp.web.page.acting import correcting, deleting, keeping, merging, on_node, sending
from scp.web.page.acting.tickets import confirmation
from scp.web.page.acting.undertaking import how_far

__all__ = [
    "confirmation",
    "correcting",
    "deleting",
    "how_far",
    "keeping",
    "merging",
    "on_node",
    "sending",
]
