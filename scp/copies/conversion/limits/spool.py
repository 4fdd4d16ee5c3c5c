"""Where what is converted lies until it is sent: in memory while small, else on the disk."""

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any

from scp.copies.conversion.limits.budget import BUDGET, Conversion

IN_MEMORY_BYTES = 8 * 1024 * 1024
_STEP_BYTES = 1024 * 1024
# What is not worth to be counted.
_UNCOUNTED_BYTES = 128 * 1024


class Spool(SpooledTemporaryFile[bytes]):
    """A temporary file within what conversions may take; raises LimitError beyond that.

    It has no name, so that nothing is left of it whatever becomes of the process.
    """

    def __init__(self, conversion: Conversion, expected: int = 0) -> None:
        folder = conversion.folder
        super().__init__(dir=str(folder) if folder else None)  # it does not go to disk by itself
        self._conversion = conversion
        self._memory = self._space = 0  # taken of the budget
        self._on_disk = False
        self.expect(expected)

    def expect(self, size: int) -> None:
        """Take what it is going to need, where the conversion has not reserved that, waited for."""
        if size > IN_MEMORY_BYTES and size > self._space:
            self._conversion.reserve_space(size - self._space)
            self._conversion.take_space(size - self._space)
            self._space = size
            self._to_disk()

    def write(self, data: Any) -> int:
        """Write, after taking what is needed for it."""
        end = self._file.tell() + len(data)
        if end > _UNCOUNTED_BYTES and end > max(self._memory, self._space):
            self._grow(end)
        return self._file.write(data)

    def close(self) -> None:
        """Close it, and give back what was taken."""
        super().close()
        for shares, taken in ((BUDGET.spools, self._memory), (BUDGET.space, self._space)):
            if taken:
                shares.give_back(taken)
        self._memory = self._space = 0

    def __del__(self) -> None:
        with suppress(AttributeError):  # it was not made
            self.close()

    def __exit__(self, *exception: object) -> None:
        self.close()  # the base class would close its file alone

    def _grow(self, end: int) -> None:
        """Take enough for `end` bytes. Raises LimitError."""
        self._conversion.check()
        wanted = -(-end // _STEP_BYTES) * _STEP_BYTES
        stays = not self._on_disk and wanted <= IN_MEMORY_BYTES
        if stays and BUDGET.spools.take_at_once(wanted - self._memory):
            self._memory = wanted
            return
        self._conversion.take_space(max(wanted - self._space, 0))
        self._space = max(wanted, self._space)
        self._to_disk()

    def _to_disk(self) -> None:
        if not self._on_disk:
            self.rollover()
            self._on_disk = True
        if self._memory:
            BUDGET.spools.give_back(self._memory)
            self._memory = 0
