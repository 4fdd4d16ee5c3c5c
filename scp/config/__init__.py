"""The configuration file: its tables and keys, read, checked and changed."""

from scp.config import editing, loader
from scp.config.loader import ConfigError
from scp.config.schema import (
    CHARSETS,
    READERS,
    TABLES,
    Forward,
    Limits,
    OnConflict,
    Peer,
    Right,
    Service,
    Settings,
    Table,
    Tls,
    TlsProfile,
    Web,
)

__all__ = [
    "CHARSETS",
    "READERS",
    "TABLES",
    "ConfigError",
    "Forward",
    "Limits",
    "OnConflict",
    "Peer",
    "Right",
    "Service",
    "Settings",
    "Table",
    "Tls",
    "TlsProfile",
    "Web",
    "editing",
    "loader",
]
