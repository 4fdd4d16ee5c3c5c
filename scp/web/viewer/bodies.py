"""What is sent of files: made once for all to whom it is sent at one time.

The largest script of OHIF has 17 MB. Who reads it slowly, over many connections, makes nobody hold
it more than once.
"""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from scp.web.viewer.folder import ViewerFile, tag_of

_ZIP_LEVEL = 1
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, eq=False)
class Body:
    """What is sent, and the entity tag of what it was made of."""

    content: bytes
    tag: str
    is_zipped: bool = False

    def chunks(self) -> Iterator[bytes]:
        """It, in pieces of which a connection holds one."""
        for start in range(0, len(self.content), _CHUNK_BYTES):
            yield self.content[start : start + _CHUNK_BYTES]


_bodies: WeakValueDictionary[tuple[object, ...], Body] = WeakValueDictionary()
_making = threading.Lock()


def body_of(file: ViewerFile, is_zipped: bool) -> Body:
    """The body of a file, compressed or not. Raises OSError."""
    with _making:
        status = file.path.stat()
        key = (file, status.st_ino, status.st_mtime_ns, status.st_size, is_zipped)
        if (found := _bodies.get(key)) is None:
            content = file.read()
            tag = file.path.name if file.is_for_good else tag_of(content)
            sent = gzip.compress(content, _ZIP_LEVEL) if is_zipped else content
            found = Body(sent, tag, is_zipped)
            _bodies[key] = found
        return found
