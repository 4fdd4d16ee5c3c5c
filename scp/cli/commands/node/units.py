"""What runs the node as a service, and shows its metrics: written for one configuration.

The files in `service` are those that a person may install by hand; here the lines in them that
differ from site to site are set. Values are written by systemd.syntax(7) and systemd.unit(5).
"""

import grp
import pwd
import re
import shlex
import socket
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scp.config import ConfigError, Settings
from storage.files import rights

SERVICE, SOCKET, TLS_SOCKET, DASHBOARD = (
    "minipacs.service", "minipacs.socket", "minipacs-tls.socket", "grafana.json",
)  # fmt: skip
_UNITS = Path("/etc/systemd/system")
# systemd makes it, for the user of the unit (StateDirectory), and it can be written.
_STATE = Path("/var/lib/minipacs")
_USER = "minipacs"
_HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))  # ProtectHome
_TEMPORARY = tuple(map(Path, ("/tmp", "/var/tmp")))  # PrivateTmp
_ROOT = 0


@dataclass(frozen=True)
class _Account:
    user: str
    group: str


def _require_new(folder: Path) -> None:
    """Raise ConfigError where one of the files is in the folder already."""
    for name in (SERVICE, SOCKET, TLS_SOCKET, DASHBOARD):
        if (folder / name).is_symlink() or (folder / name).exists():
            raise ConfigError(f"{folder / name}: exists; move it away, or name another folder")


def write(folder: Path, settings: Settings) -> list[str]:
    """Write the files for a configuration, all or none; their names. Raises ConfigError."""
    _require_new(folder)
    made: list[Path] = []
    try:
        texts = _texts(settings)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x") as file:
                made.append(folder / name)
                file.write(text)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise ConfigError(f"{error.filename or folder}: {error.strerror}") from error
    return list(texts)


def steps(folder: Path, settings: Settings) -> list[str]:
    """The commands by which root has the node run, in their order."""
    account, data = _account(settings), settings.storage.path
    found = []
    if not _has_account(account.user):
        found.append(
            f"useradd --system --user-group --no-create-home --home-dir {_STATE} "
            f"--shell /usr/sbin/nologin {account.user}"
        )
    for path in _written(settings):
        if not path.exists():
            found.append(f"install -d -o {account.user} -g {account.group} -m 0700 {_shell(path)}")
    if data.exists() and data.stat().st_uid == _ROOT:
        found.append(f"chown -R {account.user}: {_shell(data)}")
    units = [name for name in _texts(settings) if name != DASHBOARD]
    if folder.absolute() != _UNITS:
        found.append(f"cp {' '.join(_shell(folder / name) for name in units)} {_UNITS}")
    return [*found, "systemctl daemon-reload", f"systemctl enable --now {' '.join(units)}"]


def warnings(settings: Settings) -> list[str]:
    """What keeps the service from running as it is written, a sentence each."""
    account = _account(settings)
    found = []
    for path in dict.fromkeys((*_read(settings), *_written(settings))):
        if _is_in(path, _TEMPORARY):
            found.append(f"{path} is not seen by the service, which has a folder for temporary "
                         "files of its own: move it")  # fmt: skip
        elif _is_in(path, _HOMES):
            found.append(f"{path} is in a home: {account.user} must be able to enter and read it")
    return found


def _texts(settings: Settings) -> dict[str, str]:
    """The files by name. Raises ConfigError."""
    node, tls = settings.node, settings.tls
    listens = {SOCKET: ("dicom", _address(settings, node.port, "[node] port"))}
    if tls and tls.port is not None:
        listens[TLS_SOCKET] = "tls", _address(settings, tls.port, "[tls] port")
    texts = {SERVICE: _service(settings, " ".join(listens))}
    for name, (title, address) in listens.items():
        text = _set(_template(SOCKET), "ListenStream", address)
        text = _set(text, "FileDescriptorName", title)
        service = "" if name == SOCKET else f"Service={SERVICE}\n"
        texts[name] = text.replace("[Socket]\n", f"[Socket]\n{service}")
    return texts | {DASHBOARD: _template(DASHBOARD)}


def _service(settings: Settings, sockets: str) -> str:
    account = _account(settings)
    config = _quoted(settings.source).replace("$", "$$")
    text = _template(SERVICE)
    for key, value in (
        ("Requires", sockets),
        ("After", f"network-online.target {sockets}"),
        ("ExecStart", f"{_program()} serve --config {config}"),
        ("User", account.user),
        ("Group", account.group),
    ):
        text = _set(text, key, value)
    if _is_in_home(settings):
        text = _set(text, "ProtectHome", "read-only")
    if paths := _written(settings):
        strict = "ProtectSystem=strict\n"
        listed = " ".join(map(_quoted, paths))
        text = text.replace(strict, f"{strict}ReadWritePaths={listed}\n")
    return text


def _template(name: str) -> str:
    return (files(__package__) / "service" / name).read_text()


def _set(text: str, key: str, value: str) -> str:
    """The text with another value of a key, which is in it once."""
    made, count = re.subn(rf"^{key}=.*$", lambda _: f"{key}={value}", text, flags=re.MULTILINE)
    assert count == 1, key
    return made


def _program() -> str:
    """The command of this installation, as ExecStart takes it."""
    beside = Path(sys.executable).with_name("minipacs")
    if beside.exists():
        return _quoted(beside)
    # -P: what lies in the working directory, which the service's user writes, is no part of it.
    return f"{_quoted(Path(sys.executable))} -P -m scp"


def _quoted(path: Path) -> str:
    """A path as a word of a unit. Raises ConfigError where it cannot be one."""
    text = str(path)
    if not text.isprintable():
        raise ConfigError(f"{text!r}: has what a unit of systemd cannot; give it another name")
    text = text.replace("%", "%%")
    if re.fullmatch(r"[\w/.,:=@+%$-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _address(settings: Settings, port: int, key: str) -> str:
    """Where systemd listens: by number, as it looks up no names. Raises ConfigError."""
    if not port:
        raise ConfigError(f"{settings.source}: {key}: is 0; --systemd takes one to listen on")
    host = settings.node.host
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0][4]  # fmt: skip
    except OSError as error:
        words = f"[node] host: {host}: {error.strerror}"
        raise ConfigError(f"{settings.source}: {words}") from error
    number = str(found[0]).replace("%", "%%")
    return f"[{number}]:{port}" if ":" in number else f"{number}:{port}"


def _account(settings: Settings) -> _Account:
    """Whom the node runs as: whose the data folder is, where somebody's but root's it is."""
    data = settings.storage.path
    owner = rights.owners_of(data)[0] if data.exists() else _ROOT
    if owner == _ROOT:
        return _Account(_USER, _USER)
    try:
        account = pwd.getpwuid(owner)
        return _Account(account.pw_name, grp.getgrgid(account.pw_gid).gr_name)
    except KeyError:
        return _Account(str(owner), str(data.stat().st_gid))


def _has_account(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return user.isdecimal()
    return True


def _written(settings: Settings) -> list[Path]:
    """The folders that the node writes, where systemd does not see to them."""
    audit = settings.audit.path
    folders = [settings.storage.path.resolve(), *([audit.parent.resolve()] if audit else [])]
    return [path for path in dict.fromkeys(folders) if not path.is_relative_to(_STATE)]


def _read(settings: Settings) -> list[Path]:
    """What the node is made of and reads: the interpreter may be elsewhere than its environment."""
    tls = settings.tls
    of_tls = [tls.certificate, tls.key, *([tls.ca] if tls.ca else []), *tls.crl] if tls else []
    programs = [Path(sys.prefix), Path(sys.base_prefix)]
    package = Path(__file__).parents[4]
    if not _is_in(package, tuple(programs)):  # it is installed editable
        programs.append(package)
    return [*programs, settings.source, *of_tls]


def _is_in_home(settings: Settings) -> bool:
    return any(_is_in(path, _HOMES) for path in (*_read(settings), *_written(settings)))


def _is_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(one) for one in folders)


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
