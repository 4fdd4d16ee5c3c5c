"""Numbers of a grayscale image as shades: modality, window or VOI LUT, and which end is black."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from scp.web.rendering.colors import bands
from scp.web.rendering.tables import first_table
from scp.web.rendering.viewing import Function, Window

Array = NDArray[Any]
# Numbers as values, or values as shades from 0 to 255.
Step = Callable[[Array], Array]
# Of images of so many values each is looked up in a table.
_TABLE_BITS = 16
_WHITE = 255
_FUNCTIONS = {"LINEAR_EXACT": Function.LINEAR_EXACT, "SIGMOID": Function.SIGMOID}


def shades(samples: Array, header: Dataset, window: Window | None, is_inverse: bool) -> Array:
    """Of 8 bits, 0 black; `window` goes before that of the data set, and before its VOI LUT."""
    modality = _modality(header)
    shown = _voi(header, window) or _stretch(samples, modality, header)

    def shade(numbers: Array) -> Array:
        found: Array = np.nan_to_num(shown(modality(numbers)))
        made: Array = np.rint(_WHITE - found if is_inverse else found).astype(np.uint8)
        return made

    shaded: Step = shade
    if samples.dtype.kind != "f" and samples.dtype.itemsize * 8 <= _TABLE_BITS:
        shaded = _by_table(samples, shade)
    made = np.empty(samples.shape, np.uint8)
    for band in bands(len(samples), samples.shape[1]):
        made[band] = shaded(samples[band])
    return made


def _by_table(samples: Array, shaded: Step) -> Step:
    low = int(samples.min())
    # Only of the values that there are: a table of 12 bits is made in a sixteenth of the time.
    table = shaded(np.arange(low, int(samples.max()) + 1, dtype=np.int32))
    return lambda numbers: np.take(table, numbers.astype(np.intp) - low)


def _modality(header: Dataset) -> Step:
    """Numbers as the values that they stand for (PS3.3 C.11.1)."""
    if table := first_table(header, "ModalityLUTSequence"):
        return lambda numbers: table.of(numbers).astype(np.float64)
    slope, intercept = (_first(header, one) for one in ("RescaleSlope", "RescaleIntercept"))
    # Of one that is not told, or is no number, there is none.
    by, more = slope if slope is not None else 1.0, intercept or 0.0
    return lambda numbers: numbers.astype(np.float64) * by + more


def _voi(header: Dataset, window: Window | None) -> Step | None:
    """Values as shades; None where nothing says what is of interest (PS3.3 C.11.2)."""
    if found := window or _window_of(header):
        return lambda values: windowed(values, found)
    if table := first_table(header, "VOILUTSequence"):
        return lambda values: table.of(np.rint(values)) * (_WHITE / table.most)
    return None


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


def _stretch(samples: Array, modality: Step, header: Dataset) -> Step:
    """From the least to the largest value, but for padding (PS3.3 C.7.5.1.1.2)."""
    ends = [end for band in bands(len(samples), samples.shape[1])
            if (end := _ends(samples[band], header))]  # fmt: skip
    if not ends:
        return np.zeros_like
    numbers = np.array([min(low for low, _ in ends), max(high for _, high in ends)])
    low, high = sorted(float(one) for one in modality(numbers))
    if high <= low:
        return lambda values: np.where(values >= max(high, np.nextafter(0, 1)), _WHITE, 0.0)
    return lambda values: np.clip((values - low) / (high - low) * _WHITE, 0, _WHITE)


def _ends(part: Array, header: Dataset) -> tuple[Any, Any] | None:
    is_counted = np.isfinite(part)
    padding = _first(header, "PixelPaddingValue")
    if padding is not None:
        limit = _first(header, "PixelPaddingRangeLimit")
        low, high = sorted((padding, padding if limit is None else limit))
        is_counted &= (part < low) | (part > high)
    counted = part[is_counted]
    return (counted.min(), counted.max()) if counted.size else None


def _window_of(header: Dataset) -> Window | None:
    """The first window of the data set, where there is one that can be used."""
    center, width = _first(header, "WindowCenter"), _first(header, "WindowWidth")
    if center is None or width is None:
        return None
    function = _FUNCTIONS.get(str(header.get("VOILUTFunction", "")), Function.LINEAR)
    if width < (1.0 if function is Function.LINEAR else 1e-9):
        return None
    return Window(center, width, function)


def _first(header: Dataset, name: str) -> float | None:
    """The first value of an attribute; None where it is no number."""
    try:
        value = header.get(name)
        if isinstance(value, MultiValue | list):
            value = value[0] if value else None
        found = None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None
    return found if found is not None and np.isfinite(found) else None
