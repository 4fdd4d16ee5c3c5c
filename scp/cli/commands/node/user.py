"""`minipacs user`: who may ask over HTTP, written into the configuration."""

import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from scp.cli.commands.node.peers_add import TAKEN
from scp.cli.options import DEFAULT_CONFIG, AsJson, Commands, ConfigPath, failure, load
from scp.cli.output import answer, cell, say, say_json, show
from scp.config import ConfigError, Right, User, credentials, editing

app = Commands(
    no_args_is_help=True,
    help="Add, list and remove who may ask over HTTP, and make tokens for them.",
)

_LEAST_CHARACTERS = 8
_BY_PASSWORD = ("none", "basic")  # of [web] auth; the first is what is left out
_ALLOW = f"A list of {', '.join(Right)}; left out: what only looks."
FromPipe = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


@app.command()
def add(
    name: Name,
    allow: Annotated[list[str] | None, typer.Option(help=_ALLOW)] = None,
    password_stdin: FromPipe = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For who has tokens, or whom a proxy knows.")
    ] = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Add a user to the configuration, whose comments and order stay; asks for a password.

    It is asked for none where [web] auth is "token" or "proxy".
    """
    web = load(path).web
    values: dict[str, Any] = {}
    if password_stdin or not (no_password or (web and web.auth not in _BY_PASSWORD)):
        values["password"] = credentials.hashed(_password(password_stdin))
    if allow:
        values["allow"] = [word.strip() for one in allow for word in one.split(",") if word.strip()]
    _edited(editing.add_table, path, "users", name, values)
    say(f"{path}: user {name} added", TAKEN)


@app.command("password")
def change_password(
    name: Name, password_stdin: FromPipe = False, path: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Give a user another password."""
    kept = credentials.hashed(_password(password_stdin))
    _edited(editing.change_table, path, "users", name, lambda _: {"password": kept})
    say(f"{path}: password of {name} changed", TAKEN)


@app.command()
def token(
    name: Name,
    revoke: Annotated[
        str, typer.Option(metavar="ID", help="Take back the token that `user list` shows so.")
    ] = "",
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make a token for a user and show it, this once; or take one back.

    Programs send it as `Authorization: Bearer TOKEN`.
    """
    made = credentials.new_token()

    def change(values: dict[str, Any]) -> dict[str, Any]:
        held = list(values.get("tokens", ()))
        if not revoke:
            return {"tokens": [*held, credentials.digest_of_token(made)]}
        left = [one for one in held if credentials.id_of_token(one) != revoke]
        if left == held:
            raise ConfigError(f"{path}: [users.{name}] tokens: there is none that begins {revoke}")
        return {"tokens": left}

    _edited(editing.change_table, path, "users", name, change)
    if revoke:
        say(f"{path}: token {revoke} of {name} taken back", TAKEN)
        return
    say(made)  # alone on standard output, for a script
    shown = credentials.id_of_token(credentials.digest_of_token(made))
    say(f"{path}: token {shown} of {name} added; it is not shown again", TAKEN, err=True)


@app.command("list")
def list_users(path: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List the users, how they are known and what they may do."""
    found = [_plain(name, user) for name, user in load(path).users.items()]
    if as_json:
        say_json(found)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("user", "password", "tokens", "may"):
        table.add_column(title)
    for one in found:
        known = "yes" if one["password"] else "no"
        row = one["user"], known, ", ".join(one["tokens"]), ", ".join(one["allow"])
        table.add_row(*map(cell, row))
    show(table)


@app.command()
def remove(name: Name, path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Remove a user from the configuration, whose comments and order stay."""
    _edited(editing.remove_table, path, "users", name)
    say(f"{path}: user {name} removed", TAKEN)


def _edited(edit: Any, *arguments: Any) -> None:
    try:
        edit(*arguments)
    except ConfigError as error:
        raise failure(str(error)) from None


def _password(is_piped: bool) -> str:
    """One that a person gives, twice, or a program; else the command ends."""
    if is_piped:
        given = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        given = answer(typer.prompt, "Password", hide_input=True, confirmation_prompt=True)
    else:
        raise failure("without a terminal it takes --password-stdin, or --no-password")
    if len(given) < _LEAST_CHARACTERS:
        raise failure(f"the password takes {_LEAST_CHARACTERS} characters or more")
    return given


def _plain(name: str, user: User) -> dict[str, Any]:
    return {
        "user": name,
        "password": user.password is not None,
        "tokens": [credentials.id_of_token(kept) for kept in user.tokens],
        "allow": [str(right) for right in Right if right in user.allow],
    }
