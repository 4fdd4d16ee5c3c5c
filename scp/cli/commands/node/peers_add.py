"""`minipacs peers add`: a peer written into the configuration, which stays as it is otherwise."""

import inspect
import re
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from scp.cli.options import DEFAULT_CONFIG, Commands, ConfigPath, failure, takes
from scp.cli.output import say
from scp.config import ConfigError, Peer, editing

app = Commands()

# What is to be done then.
TAKEN = (
    "a node that runs takes it at SIGHUP: `systemctl reload minipacs`, or `kill -HUP` its process"
)
_ADDRESS = ("host", "port")
_HOST_PORT = re.compile(r"(\[(?P<v6>[^]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")


def _given(**options: Any) -> dict[str, Any]:
    """Keys of [peers.AE_TITLE], of the options that were given."""
    fields = Peer.model_fields
    return {
        fields[name].alias or name: _parts(value) if isinstance(value, list) else value
        for name, value in options.items()
        if value not in (None, [])
    }


def _parts(given: list[str]) -> list[str]:
    return [part.strip() for one in given for part in one.split(",") if part.strip()]


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    """An option for a key: it says, and takes, what that does."""
    key, kinds = field.alias or name, (field.annotation, *get_args(field.annotation))
    several = any(get_origin(kind) in (tuple, frozenset) for kind in kinds)
    kind: Any = (
        list[str] if several else next((one for one in (bool, int, float) if one in kinds), str)
    )
    words = f"{key} = true" if kind is bool else field.description
    option = typer.Option(f"--{key.replace('_', '-')}", help=words, show_default=False)
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


_given.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [_option(*one) for one in Peer.model_fields.items() if one[0] not in _ADDRESS]
)


@app.command()
@takes(values=_given)
def add(
    title: Annotated[str, typer.Argument(metavar="AET", help="Its AE title.")],
    address: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT", show_default=False,
            help="Where it is sent to; left out: it only calls.",
        ),
    ] = "",
    values: "dict[str, Any] | None" = None,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:  # fmt: skip
    """Add a peer to the configuration, whose comments and order stay.

    The options are keys of [peers.AET], and mean what the shipped config.toml says of them. What
    takes a list may be given several times, or with commas: --allow echo,store.
    """
    try:
        editing.add_table(path, "peers", title, _address(address) | (values or {}))
    except ConfigError as error:
        raise failure(str(error)) from None
    say(f"{path}: peer {title.strip(' ')} added", TAKEN)


def _address(text: str) -> dict[str, Any]:
    """Host and port, where they were given; else the command ends."""
    if not text:
        return {}
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise failure(f"{text}: takes HOST:PORT, with an address of IPv6 in brackets, [::1]:104")
    return {"host": found["v6"] or found["host"] or "", "port": int(found["port"])}
