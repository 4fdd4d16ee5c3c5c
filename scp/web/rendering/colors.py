"""Colours: palettes, and what is not RGB, as RGB of 8 bits (PS3.3 C.7.6.3.1.2, C.7.6.3.1.5)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from scp.copies.conversion.codecs import PixelModule
from scp.copies.conversion.data_set import TranscodeError
from scp.web.rendering.tables import Table, table

Array = NDArray[Any]
_CHANNELS = ("Red", "Green", "Blue")
_BAND_SAMPLES = 1 << 20
_BYTE = 255
# From luminance and chrominance of the range of video (ITU-R BT.601) to RGB.
_PARTIAL = np.array([[1.1644, 0, 1.5960], [1.1644, -0.3917, -0.8129], [1.1644, 2.0173, 0]]).T


def bands(rows: int, samples_of_row: int) -> Iterator[slice]:
    """The rows of an image, so many at a time that what is made meanwhile stays small."""
    step = max(1, _BAND_SAMPLES // max(samples_of_row, 1))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _full(samples: Array) -> Array:
    return np.asarray(convert_color_space(samples, "YBR_FULL", "RGB"))


def _partial(samples: Array) -> Array:
    found: Array = (samples.astype(np.float32) - np.array([16, 128, 128], np.float32)) @ _PARTIAL
    made: Array = np.clip(np.rint(found), 0, _BYTE).astype(np.uint8)
    return made


def _same(samples: Array) -> Array:
    return samples


# Photometric Interpretation -> how RGB is made of it. What was decoded is RGB or YBR_FULL.
_CONVERSIONS: dict[str, Callable[[Array], Array]] = {
    "RGB": _same, "YBR_ICT": _same, "YBR_RCT": _same,
    "YBR_FULL": _full, "YBR_FULL_422": _full,
    "YBR_PARTIAL_422": _partial, "YBR_PARTIAL_420": _partial,
}  # fmt: skip


def coloured(samples: Array, module: PixelModule) -> Array:
    """RGB of an image of three samples. Raises TranscodeError."""
    conversion = _CONVERSIONS.get(module.photometric)
    if conversion is None or samples.shape[-1] != len(_CHANNELS):
        words = f"{module.samples} samples of {module.photometric or 'unknown colours'}"
        raise TranscodeError(f"no picture is made of {words}")
    made = np.empty(samples.shape, np.uint8)
    for band in bands(len(samples), samples.shape[1] * samples.shape[2]):
        made[band] = conversion(_of_8_bits(samples[band], module.bits_stored))
    return made


def _of_8_bits(samples: Array, bits: int) -> Array:
    if bits == 8:
        return samples.astype(np.uint8)
    if bits > 8:
        return (samples >> (bits - 8)).astype(np.uint8)
    most = (1 << bits) - 1
    return (samples.astype(np.uint16) * _BYTE // most).astype(np.uint8)


def palette(header: Dataset) -> tuple[Table, ...]:
    """The tables of a palette, red, green and blue. Raises ValueError where there are none."""
    try:
        if "RedPaletteColorLookupTableData" not in header:
            return _segmented(header)
        return tuple(
            table(header[f"{one}PaletteColorLookupTableDescriptor"].value,
                  header[f"{one}PaletteColorLookupTableData"].value)
            for one in _CHANNELS
        )  # fmt: skip
    except (KeyError, AttributeError, TypeError) as error:
        raise ValueError("it has no palette") from error


def _segmented(header: Dataset) -> tuple[Table, ...]:
    """Of tables that are told by segments (PS3.3 C.7.9.2)."""
    count, first, bits = (int(one) for one in header.RedPaletteColorLookupTableDescriptor)
    plain = Dataset()
    plain.update(header)
    plain.pop("PixelPresentation", None)
    plain.set_original_encoding(False, True)
    values = np.arange(first, first + (count or 1 << 16))
    found = np.asarray(apply_color_lut(values, plain))
    return tuple(Table(first, found[:, one], bits) for one in range(len(_CHANNELS)))


def by_palette(samples: Array, tables: tuple[Table, ...]) -> Array:
    """RGB of numbers of a palette."""
    made = np.empty((*samples.shape, len(tables)), np.uint8)
    # Entries of 8 bits are said to have 16 by some.
    bits = max(max(one.bits for one in tables), 8)
    if max(int(one.entries.max()) for one in tables) <= _BYTE:
        bits = 8
    for band in bands(len(samples), samples.shape[1]):
        for channel, one in enumerate(tables):
            made[band, ..., channel] = one.of(samples[band]) >> (bits - 8)
    return made
