"""The configuration file: its tables and keys, read, checked and changed."""

from scp.config import credentials, editing, loader
from scp.config.charsets import CHARSETS
from scp.config.loader import ConfigError
from scp.config.notices import Notice
from scp.config.orders import HL7_CHARSETS, Orders
from scp.config.schema import (
    READERS,
    TABLES,
    Forward,
    Limits,
    OnConflict,
    Peer,
    Service,
    Settings,
    Tls,
    TlsProfile,
    Web,
    Worklist,
)
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
    "loader",
]
