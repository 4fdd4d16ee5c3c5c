"""The samples of a native frame as an array of numbers, each one what its pixel says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import expand_ybr422

from scp.copies.conversion.codecs import PixelModule
from scp.copies.conversion.data_set import TranscodeError

Array = NDArray[Any]
_DTYPES = {8: "u1", 16: "<u2", 32: "<u4"}


def samples_of(data: bytes, module: PixelModule, is_by_plane: bool, is_float: bool) -> Array:
    """Rows, columns and, where there are several, samples. Raises TranscodeError."""
    shape = (module.rows, module.columns)
    if is_float:
        return np.frombuffer(data, f"<f{module.bits_allocated // 8}").reshape(shape)
    if module.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, "u1"), bitorder="little")
        return bits[: module.rows * module.columns].reshape(shape)
    if module.bits_allocated not in _DTYPES or module.high_bit >= module.bits_allocated:
        words = f"{module.bits_allocated} bits a sample, High Bit {module.high_bit}"
        raise TranscodeError(f"no picture is made of {words}")
    if (
        module.has_shared_chrominance
        and not is_by_plane
        and len(data) < module.rows * module.columns * 3
    ):
        data = bytes(expand_ybr422(data, module.bits_allocated))
    found = np.frombuffer(data, _DTYPES[module.bits_allocated])
    count = module.rows * module.columns * module.samples
    if len(found) < count:
        raise TranscodeError("the frame is shorter than its rows and columns say")
    found = found[:count]
    if is_by_plane:
        found = found.reshape(module.samples, *shape).transpose(1, 2, 0)
    elif module.samples > 1:
        found = found.reshape(*shape, module.samples)
    else:
        found = found.reshape(shape)
    return _valued(found, module)


def _valued(found: Array, module: PixelModule) -> Array:
    """Without the bits that are not the value's, and with its sign (PS3.5 8.1.1)."""
    unused = module.high_bit + 1 - module.bits_stored
    if unused > 0:
        found = found >> unused
    lacking = module.bits_allocated - module.bits_stored
    if module.pixel_representation != 1:
        return found & ((1 << module.bits_stored) - 1) if lacking else found
    signed = found.view(f"<i{module.bits_allocated // 8}")
    if not lacking:
        return signed
    shifted = signed << lacking
    shifted >>= lacking
    return shifted
