"""Numbers of a grayscale image as shades: modality, window or VOI LUT, and which end is black."""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from scp.web.rendering.viewing import Function, Window

Array = NDArray[Any]
# Of images of so many values each is looked up in a table.
_TABLE_BITS = 16
_WHITE = 255


def shades(samples: Array, header: Dataset, window: Window | None, is_inverse: bool) -> Array:
    """Of 8 bits, 0 black; `window` goes before that of the data set, and before its VOI LUT."""
    if samples.dtype.kind == "f" or samples.dtype.itemsize * 8 > _TABLE_BITS:
        return _of_values(samples, header, window, is_inverse, samples)
    low = int(samples.min())
    # Only of the values that there are: a table of 12 bits is made in a sixteenth of the time.
    values = np.arange(low, int(samples.max()) + 1, dtype=np.int32)
    table = _of_values(values, header, window, is_inverse, values)
    return np.take(table, samples.astype(np.int32) - low)


def _of_values(
    values: Array, header: Dataset, window: Window | None, is_inverse: bool, held: Array
) -> Array:
    found = _modality(values, header)
    shown = _shown(found, header, window)
    if is_inverse:
        shown = _WHITE - shown
    return np.rint(shown).astype(np.uint8)


def _modality(values: Array, header: Dataset) -> Array:
    with contextlib.suppress(Exception):  # of a transformation that cannot be read there is none
        return np.asarray(apply_modality_lut(values, header), dtype=np.float64)
    return values.astype(np.float64)


def _shown(values: Array, header: Dataset, window: Window | None) -> Array:
    """Values as 0 to 255."""
    if window is None:
        window = _window_of(header)
        if window is None and header.get("VOILUTSequence"):
            with contextlib.suppress(Exception):  # the same
                return _scaled(np.asarray(apply_voi(values.astype(np.int64), header), np.float64),
                               header)  # fmt: skip
    if window is None:
        return _stretched(values)
    return windowed(values, window)


def windowed(values: Array, window: Window) -> Array:
    """Values as 0 to 255 by a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3)."""
    center, width = window.center, window.width
    if window.function is Function.SIGMOID:
        return _WHITE / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if window.function is Function.LINEAR:
        center, width = center - 0.5, width - 1
    if width == 0:
        return np.where(values <= center, 0.0, float(_WHITE))
    return np.clip(((values - center) / width + 0.5) * _WHITE, 0, _WHITE)


def _scaled(values: Array, header: Dataset) -> Array:
    """What a VOI LUT gives, by the bits of its entries (PS3.3 C.11.2.1.1)."""
    bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
    return np.clip(values * _WHITE / ((1 << bits) - 1), 0, _WHITE)


def _stretched(values: Array) -> Array:
    """From the least to the largest, where nothing says what is of interest."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high <= low:
        return np.full(values.shape, 0.0 if high <= 0 else float(_WHITE))
    return np.clip((np.nan_to_num(values) - low) / (high - low) * _WHITE, 0, _WHITE)


def _window_of(header: Dataset) -> Window | None:
    """The first window of the data set, where there is one that can be used."""
    functions = {"LINEAR_EXACT": Function.LINEAR_EXACT, "SIGMOID": Function.SIGMOID}
    try:
        center, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
        function = functions.get(str(header.get("VOILUTFunction", "")), Function.LINEAR)
    except (ValueError, TypeError):
        return None
    if center is None or width is None:
        return None
    least = 1.0 if function is Function.LINEAR else 1e-9
    if not (np.isfinite(center) and np.isfinite(width)) or width < least:
        return None
    return Window(center, width, function)


def _first(value: Any) -> float | None:
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    return None if value in (None, "") else float(value)
