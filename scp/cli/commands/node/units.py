"""What runs the node as a service, and shows its metrics: written for one configuration."""

import re
import sys
from importlib import resources
from pathlib import Path

from scp.config import ConfigError, Settings, loader

_STATE = Path("/var/lib/minipacs")  # of StateDirectory= in the unit
# Which ProtectHome= keeps the node from.
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))


def write(folder: Path, config: Path) -> list[str]:
    """Write the units of systemd and the dashboard to a folder; what is to be seen to.

    Raises ConfigError where the configuration cannot be read, or a file is there or not to be made.
    """
    settings = loader.load(config)
    program = Path(sys.prefix).absolute() / "bin" / "minipacs"
    texts = {
        "minipacs.service": _service(_text("minipacs.service"), program, config, settings),
        "minipacs.socket": _socket(_text("minipacs.socket"), settings),
        "grafana.json": _text("grafana.json"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in texts:
            if (folder / name).exists():
                raise ConfigError(f"{folder / name}: exists")
        for name, text in texts.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}") from error
    return [
        f"{path} lies where ProtectHome= of the unit keeps the node from"
        for path in (program, config.absolute(), settings.storage.path)
        if any(path.is_relative_to(hidden) for hidden in _HIDDEN)
    ]


def _text(name: str) -> str:
    return (resources.files(__package__) / "service" / name).read_text()


def _service(text: str, program: Path, config: Path, settings: Settings) -> str:
    command = f"{_quoted(program)} serve --config {_quoted(config.absolute())}"
    text = re.sub(r"^ExecStart=.*$", lambda _: f"ExecStart={command}", text, flags=re.M)
    data = settings.storage.path
    if data.is_relative_to(_STATE):
        return text
    writable = f"ProtectSystem=strict\nReadWritePaths={_quoted(data.parent)}"
    return text.replace("ProtectSystem=strict", writable)


def _socket(text: str, settings: Settings) -> str:
    host, port = settings.node.host, settings.node.port
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return text.replace("ListenStream=104", f"ListenStream={at}")


def _quoted(path: Path) -> str:
    """A path as a word of a unit: systemd splits at blanks and reads `%` and backslashes."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if " " in text or '"' in text else text
