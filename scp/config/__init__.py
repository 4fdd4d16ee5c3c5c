"""The configuration file: its tables and keys, read, checked and changed."""

from scp.config import credentials, editing, loader, sharing
from scp.config.choices import CHARSETS, READERS, Notice, OnConflict, Service, TlsProfile
from scp.config.loader import ConfigError
from scp.config.orders import HL7_CHARSETS, Orders
from scp.config.schema import TABLES, Forward, Limits, Peer, Settings, Tls, Web, Worklist
from scp.config.shared import engine_places, without_password
from scp.config.sharing import open_archive
from scp.config.table import Table
from scp.config.users import Right, User

__all__ = [
    "CHARSETS",
    "HL7_CHARSETS",
    "READERS",
    "TABLES",
    "ConfigError",
    "Forward",
    "Limits",
    "Notice",
    "OnConflict",
    "Orders",
    "Peer",
    "Right",
    "Service",
    "Settings",
    "Table",
    "Tls",
    "TlsProfile",
    "User",
    "Web",
    "Worklist",
    "credentials",
    "editing",
    "engine_places",
    "loader",
    "open_archive",
    "sharing",
    "without_password",
]
