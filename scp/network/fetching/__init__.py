"""Another archive, looked through and brought over as a person asks: queries and retrieves."""

from scp.network.fetching.hours import Hours
from scp.network.fetching.remote import RemoteArchive, RemoteAsked, remote_asked
from scp.network.fetching.retrieving import Fetch, Fetched, Missing
from scp.network.fetching.studies import Plan, StudyPlan

__all__ = [
    "Fetch",
    "Fetched",
    "Hours",
    "Missing",
    "Plan",
    "RemoteArchive",
    "RemoteAsked",
    "StudyPlan",
    "remote_asked",
]
