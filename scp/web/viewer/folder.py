"""The folder of a built viewer: what there is in it, and nothing outside."""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from scp.config import ConfigError, Settings
from scp.web.viewer import placement

PAGE, CONFIGURATION = "index.html", "app-config.js"
# What the builds name by a digest of its content.
_NAMED_BY_CONTENT = re.compile(r"(^|\.)[0-9a-f]{16,}\.(m?js|css|wasm|woff2?)$")
_GET_IT = "scripts/get-viewer fetches one, and says what to write here"


@dataclass(frozen=True)
class ViewerFile:
    """A file that is given; `is_placed`: it is written anew for where the viewer lies."""

    path: Path
    is_placed: bool

    @property
    def is_for_good(self) -> bool:
        """Whether there will never be other content of that name."""
        return bool(_NAMED_BY_CONTENT.search(self.path.name))

    def read(self) -> bytes:
        """What is given of it. Raises OSError."""
        content = self.path.read_bytes()
        return placement.placed(content, self.path.suffix) if self.is_placed else content


@dataclass(frozen=True)
class ViewerFolder:
    """A folder whose page was looked at; `built_for`: the path that it was built to lie at."""

    root: Path
    built_for: str

    def find(self, path: str) -> ViewerFile | None:
        """The file at a path below the viewer's own; its page at a path of the application's."""
        names = (path.rstrip("/") or PAGE).split("/")
        if any(not name or name.startswith(".") or "\0" in name for name in names):
            return None
        if found := self._file("/".join(names)):
            return found if not path.endswith("/") else None
        return self._file(PAGE) if self._is_of_application(names) else None

    def _is_of_application(self, names: list[str]) -> bool:
        """Whether no file is meant: `viewer`, `viewer/dicomweb`, `segmentation`, ..."""
        try:
            return "." not in names[-1] and not (self.root / names[0]).exists()
        except OSError:  # too long to be the name of a file
            return False

    def _file(self, path: str) -> ViewerFile | None:
        try:
            where = (self.root / path).resolve()
            is_file = S_ISREG(where.stat().st_mode)
        except (OSError, RuntimeError):  # symbolic links that lead in a circle
            return None
        if not is_file or not where.is_relative_to(self.root):
            return None
        return ViewerFile(where, placement.is_placed(self.built_for, where.suffix))


@cache
def folder_of(path: Path) -> ViewerFolder:
    """The viewer in a folder. Raises ValueError that says what is wrong with it."""
    try:
        page = _page_of(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    built_for = placement.built_for(page)
    if not placement.fits(built_for):
        raise ValueError(
            f"{path}: is built to lie at {built_for}, and is given at {placement.BASE}: "
            f"build it with PUBLIC_URL={placement.BASE}"
        )
    return ViewerFolder(path.resolve(), built_for)


def _page_of(path: Path) -> bytes:
    if not path.is_dir():
        raise ValueError(f"{path}: there is no such folder; {_GET_IT}")
    missing = [name for name in (PAGE, CONFIGURATION) if not (path / name).is_file()]
    if missing:
        inside = path / "dist" / PAGE
        where = f"name {inside.parent} instead" if inside.is_file() else _GET_IT
        raise ValueError(f"{path}: holds no {' and no '.join(missing)}; {where}")
    return (path / PAGE).read_bytes()


def require_viewer(settings: Settings) -> None:
    """Raise ConfigError where [web] viewer names no folder of one, or there is no room for it."""
    web = settings.web
    if web is None or web.viewer is None:
        return
    for key, path in (("path", web.path), ("uri_path", web.uri_path)):
        if f"{path}/".startswith(placement.BASE):
            words = f"takes another one than {path}: there the viewer lies"
            raise ConfigError(f"{settings.source}: [web] {key}: {words}")
    try:
        folder_of(web.viewer)
    except ValueError as error:
        raise ConfigError(f"{settings.source}: [web] viewer: {error}") from None


def tag_of(content: bytes) -> str:
    """The entity tag of content. Times tell nothing: of whatever npm packs it is 1985."""
    return sha256(content).hexdigest()
