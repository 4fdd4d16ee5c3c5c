"""Waveforms, as of an ECG, drawn (PS3.3 C.10.9): a picture of lines for each multiplex group."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

WAVEFORMS = Tag("WaveformSequence")
# As on paper: 25 mm a second and 10 mm a millivolt, a millimetre being 4 units of the picture.
_A_SECOND, _A_MILLIVOLT, _ROW = 100.0, 40.0, 88
# Of other quantities so far from the middle of the row.
_SWING = 34.0
_MOST_GROUPS, _MOST_CHANNELS, _MOST_SECONDS = 4, 24, 60.0
_MOST_POINTS = 4000  # of a line: of more, the least and the largest of each stretch
_KINDS = {("SS", 16): "i2", ("US", 16): "u2", ("SB", 8): "i1", ("UB", 8): "u1"}
_IN_MILLIVOLTS = {"uV": 0.001, "mV": 1.0, "V": 1000.0}


@dataclass(frozen=True)
class Channel:
    """A line: its name, where its row is, and its points as SVG has them."""

    label: str
    top: int
    points: str


@dataclass(frozen=True)
class Drawn:
    """A multiplex group: what it is called, how large the picture is, how many seconds it is of."""

    label: str
    width: int
    height: int
    seconds: float
    channels: list[Channel]


def drawn(header: Dataset, little_endian: bool) -> list[Drawn]:
    """The groups of a data set that can be drawn."""
    found = []
    for group in list(header.get(WAVEFORMS).value)[:_MOST_GROUPS]:
        try:
            found.append(_group(group, little_endian))
        except Exception:  # whatever a stranger's values lead to: the elements show them
            continue
    return found


def _group(group: Dataset, little_endian: bool) -> Drawn:
    count, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    kind = _KINDS[str(group.WaveformSampleInterpretation), int(group.WaveformBitsAllocated)]
    frequency = float(group.SamplingFrequency)
    if count < 1 or samples < 2 or not 0 < frequency < 1e6:
        raise ValueError("no waveform")
    order = "<" if little_endian else ">"
    held = np.frombuffer(group.WaveformData, f"{order}{kind}", count * samples)
    values = held.reshape(samples, count)[: int(_MOST_SECONDS * frequency)].astype(float)
    seconds = len(values) / frequency
    channels = [
        Channel(_label(one), number * _ROW, " ".join(_points(one, values[:, number], seconds)))
        for number, one in enumerate(list(group.ChannelDefinitionSequence)[:_MOST_CHANNELS])
    ]
    width = max(math.ceil(seconds * _A_SECOND), 1)
    label = str(group.get("MultiplexGroupLabel", ""))
    return Drawn(label, width, _ROW * len(channels), seconds, channels)


def _label(channel: Dataset) -> str:
    if label := str(channel.get("ChannelLabel", "")):
        return label
    return ", ".join(
        str(one.get("CodeMeaning", "")) for one in channel.get("ChannelSourceSequence", [])
    )


def _points(channel: Dataset, values: NDArray[Any], seconds: float) -> Iterator[str]:
    values = _scaled(channel, values)
    steps = np.linspace(0, seconds * _A_SECOND, len(values), endpoint=False)
    if len(values) > _MOST_POINTS:
        stretch = -(-len(values) // (_MOST_POINTS // 2))
        whole = len(values) // stretch * stretch
        parts = values[:whole].reshape(-1, stretch)
        values = np.stack([parts.min(1), parts.max(1)], 1).ravel()
        steps = np.repeat(steps[:whole:stretch], 2)
    for x, y in zip(steps, _ROW / 2 - values, strict=True):
        yield f"{x:.1f},{y:.1f}"


def _scaled(channel: Dataset, values: NDArray[Any]) -> NDArray[Any]:
    """Units of the picture, from the middle of the row up."""
    units = channel.get("ChannelSensitivityUnitsSequence") or [Dataset()]
    factor = _IN_MILLIVOLTS.get(str(units[0].get("CodeValue", "")))
    sensitivity = float(channel.get("ChannelSensitivity", 0) or 0)
    correction = float(channel.get("ChannelSensitivityCorrectionFactor", 1) or 1)
    baseline = float(channel.get("ChannelBaseline", 0) or 0)
    if factor and sensitivity:
        found = (values * sensitivity * correction + baseline) * factor * _A_MILLIVOLT
        found = found - float(np.median(found))
    else:
        found = values - float(values.mean())
        found = found * (_SWING / max(float(np.abs(found).max()), 1e-9))
    return np.clip(np.nan_to_num(found), -1e4, 1e4)
