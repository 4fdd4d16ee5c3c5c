"""Orders as HL7 v2 messages have them (ORM^O01, OMI^O23), to values of entries: pure, no sockets.

One order for each group of ORC and OBR, and for each IPC in it. What a message says of a station is
looked up in a table that people agree on, since few messages name AE titles.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import hl7

_TYPES = ("ORM^O01", "OMI^O23")
# ORC-1 (HL7 table 0119): what is asked.
NEW, CHANGE, CANCEL, DISCONTINUE = "NW", "XO", "CA", "DC"
CONTROLS = (NEW, CHANGE, CANCEL, DISCONTINUE)
# Administrative Sex (HL7 table 0001) that DICOM has; of others nothing is told.
_SEXES = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}
_NULL = '""'  # HL7 2.5.1 2.5.3: to be deleted
_MOMENT = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2})?)?)?")
# PID-5 to PN: family, given, middle, prefix, suffix; HL7 has the suffix before the prefix.
_NAME, _XCN_FIRST = (0, 1, 2, 4, 3), 1
# Name representation (HL7 table 4000): alphabetic, ideographic, phonetic, in the order of PN.
_REPRESENTATIONS = ("A", "I", "P")


class MessageError(Exception):
    """What is no message of these kinds; `is_rejected`: and could never be taken."""

    def __init__(self, words: str, is_rejected: bool = False) -> None:
        super().__init__(words)
        self.is_rejected = is_rejected


@dataclass(frozen=True)
class Order:
    """What is asked of one scheduled step, and its values by keyword, empty ones left out."""

    control: str
    values: Mapping[str, str]


def read_orders(text: str, stations: Mapping[str, str]) -> list[Order]:
    """The orders of a message; `stations`: AE titles by modality, or what names a station.

    Raises MessageError.
    """
    message = _Message(text)
    kind = "^".join(message.first("MSH").field(9).components[:2])
    if kind not in _TYPES:
        words = f'MSH-9 is "{kind[:40]}": takes {" and ".join(_TYPES)}'
        raise MessageError(words, is_rejected=True)
    if "PID" not in message.names:
        raise MessageError("there is no PID segment")
    common = _patient(message)
    found = [order for group in message.groups() for order in _of_group(group, common, stations)]
    if not found:
        raise MessageError("there is no ORC segment")
    return list(_numbered(found))


def _numbered(orders: list[Order]) -> Iterator[Order]:
    """Orders whose steps can be told apart: where several of one number have no ID, by theirs.

    So the first one gets its ID as one that is alone; see `entry.completed`.
    """
    seen = Counter[str]()
    for one in orders:
        number = one.values.get("RequestedProcedureID") or one.values.get("AccessionNumber", "")
        if one.values.get("ScheduledProcedureStepID") or not number:
            yield one
            continue
        seen[number] += 1
        step = {"ScheduledProcedureStepID": f"{number}-{seen[number]}"} if seen[number] > 1 else {}
        yield replace(one, values={**one.values, **step})


def _of_group(
    group: "list[_Segment]", common: Mapping[str, str], stations: Mapping[str, str]
) -> Iterator[Order]:
    named: dict[str, _Segment] = {}
    for one in group:
        named.setdefault(one.name, one)
    control = named["ORC"].field(1).text
    if control not in CONTROLS:
        words = f'ORC-1 is "{control[:20]}": takes {", ".join(CONTROLS)}'
        raise MessageError(words)
    if "OBR" not in named and control in (NEW, CHANGE):
        raise MessageError("an ORC segment without OBR")
    for ipc in [one for one in group if one.name == "IPC"] or [_Segment(("IPC",))]:
        values = {**common, **_order(named, ipc, stations)}
        yield Order(control, {keyword: text for keyword, text in values.items() if text})


def _patient(message: "_Message") -> dict[str, str]:
    pid, visit = message.first("PID"), message.first("PV1")
    identifier = next((one for one in pid.field(3).repetitions if one.component(1)), pid.field(2))
    sex = pid.field(8).text.upper()
    return {
        "PatientID": identifier.component(1),
        "IssuerOfPatientID": identifier.component(4),
        "PatientName": _person_name(pid.field(5)),
        "PatientBirthDate": _moment(pid.field(7).text)[0],
        "PatientSex": _SEXES.get(sex, ""),
        "ReferringPhysicianName": _doctor(visit.field(8)),
        "AdmissionID": visit.field(19).component(1),
        "CurrentPatientLocation": visit.field(3).component(1),
    }


def _order(
    named: "Mapping[str, _Segment]", ipc: "_Segment", stations: Mapping[str, str]
) -> dict[str, str]:
    """The values of one step: IPC says them where it is there, else OBR and ORC."""
    nothing = _Segment(("",))
    orc, obr, zds = named["ORC"], named.get("OBR", nothing), named.get("ZDS", nothing)
    placer = orc.field(2).component(1) or obr.field(2).component(1)
    filler = orc.field(3).component(1) or obr.field(3).component(1)
    modality = ipc.field(5).component(1) or obr.field(24).component(1)
    procedure = obr.field(4)
    protocol = ipc.field(6) if ipc.field(6).text else _Field(procedure.components[3:])
    named_stations = ipc.field(9).component(1), ipc.field(7).component(1), modality
    day, time = _start(named, nothing)
    return {
        # Without a number of the imaging service it is that of who fills the order, or placed it.
        "AccessionNumber": ipc.field(1).component(1) or obr.field(18).component(1)
        or filler or placer,
        "PlacerOrderNumberImagingServiceRequest": placer,
        "FillerOrderNumberImagingServiceRequest": filler,
        "RequestedProcedureID": ipc.field(2).component(1) or obr.field(19).component(1),
        "StudyInstanceUID": ipc.field(3).component(1) or zds.field(1).component(1),
        "ScheduledProcedureStepID": ipc.field(4).component(1) or obr.field(20).component(1),
        "Modality": modality,
        "ScheduledStationAETitle": _station(named_stations, ipc.field(9).component(1), stations),
        "ScheduledStationName": ipc.field(7).component(1),
        "ScheduledProcedureStepLocation": ipc.field(8).component(1),
        "ScheduledProcedureStepStartDate": day,
        "ScheduledProcedureStepStartTime": time,
        "RequestedProcedureDescription": procedure.component(2) or procedure.component(1),
        "RequestedProcedureCodeSequence": _code(procedure),
        "ScheduledProcedureStepDescription": protocol.component(2),
        "ScheduledProtocolCodeSequence": _code(protocol),
        "RequestingPhysician": _doctor(obr.field(16)) or _doctor(orc.field(12)),
        "ReasonForTheRequestedProcedure": obr.field(31).component(2) or obr.field(31).component(1),
        "PatientState": obr.field(12).component(2) or obr.field(12).component(1),
    }  # fmt: skip


def _station(names: tuple[str, ...], title: str, stations: Mapping[str, str]) -> str:
    """What is agreed on for any of these names, else the AE title that the message says."""
    return next((stations[one] for one in names if one in stations), title)


def _start(named: "Mapping[str, _Segment]", nothing: "_Segment") -> tuple[str, str]:
    """When it is to begin: TQ1-7, ORC-7.4, OBR-27.4 or OBR-36; date and time of DICOM."""
    obr = named.get("OBR", nothing)
    told = (
        named.get("TQ1", nothing).field(7).component(1), named["ORC"].field(7).component(4),
        obr.field(27).component(4), obr.field(36).component(1),
    )  # fmt: skip
    return next((found for text in told if (found := _moment(text))[0]), ("", ""))


def _moment(text: str) -> tuple[str, str]:
    """Date and time of an HL7 time stamp, empty where it has none; its offset is not looked at."""
    match = _MOMENT.match(text)
    return (match[1], match[2] or "") if match else ("", "")


def _code(field: "_Field") -> str:
    """A code as `from_values` takes it, where the message has all three parts of one."""
    value, meaning, scheme = (field.component(number) for number in (1, 2, 3))
    return f"{value}^{scheme}^{meaning}" if value and meaning and scheme else ""


def _person_name(field: "_Field") -> str:
    """A PN of each representation that is told; the first of each counts."""
    groups = dict.fromkeys(_REPRESENTATIONS, "")
    for one in field.repetitions:
        kind = one.component(8).upper() or _REPRESENTATIONS[0]
        if kind in groups and not groups[kind]:
            groups[kind] = _joined(one, 0)
    return "=".join(groups.values()).rstrip("=")


def _doctor(field: "_Field") -> str:
    """The name of an XCN, which has an identifier in front."""
    return _joined(field, _XCN_FIRST)


def _joined(field: "_Field", first: int) -> str:
    return "^".join(field.component(first + place + 1) for place in _NAME).rstrip("^")


@dataclass(frozen=True)
class _Field:
    """A field, or one repetition of it; components are texts, unescaped."""

    components: tuple[str, ...] = ()
    repetitions: "tuple[_Field, ...]" = ()

    def component(self, number: int) -> str:
        """A component, from 1 on; empty where there is none, or it is to be empty."""
        text = self.components[number - 1] if number <= len(self.components) else ""
        return "" if text == _NULL else text

    @property
    def text(self) -> str:
        """The first component."""
        return self.component(1)


@dataclass(frozen=True)
class _Segment:
    fields: tuple[Any, ...]
    message: "_Message | None" = None

    @property
    def name(self) -> str:
        return str(self.fields[0])

    def field(self, number: int) -> _Field:
        """A field by its number in HL7, from 1 on; without components where there is none."""
        if self.message is None or number >= len(self.fields):
            return _Field()
        found = [self.message.field(one) for one in self.fields[number]] or [_Field()]
        return _Field(found[0].components, tuple(found))


class _Message:
    def __init__(self, text: str) -> None:
        self._found = parsed(text)
        self.segments = [_Segment(tuple(one), self) for one in self._found]
        self.names = {one.name for one in self.segments}

    def first(self, name: str) -> _Segment:
        return next((one for one in self.segments if one.name == name), _Segment((name,)))

    def groups(self) -> Iterator[list[_Segment]]:
        """The segments from each ORC on to the next."""
        group: list[_Segment] = []
        for one in self.segments:
            if one.name == "ORC" and group:
                yield group
                group = []
            if one.name == "ORC" or group:
                group.append(one)
        if group:
            yield group

    def field(self, repetition: Any) -> _Field:
        """A repetition: of a component with parts the first one counts."""
        parts = [repetition] if isinstance(repetition, str) else list(repetition)
        return _Field(tuple(self._text(one) for one in parts))

    def _text(self, component: Any) -> str:
        first = component if isinstance(component, str) else next(iter(component), "")
        return " ".join(self._found.unescape(str(first)).split())


def parsed(text: str) -> hl7.Message:
    """A message, read. Raises MessageError where it is none, or several."""
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    if not lines or not lines[0].startswith("MSH") or len(lines[0]) < len("MSH|^~\\&|"):
        raise MessageError("it does not begin with an MSH segment", is_rejected=True)
    if sum(line.startswith("MSH") for line in lines) > 1:
        raise MessageError("there are several MSH segments in one frame", is_rejected=True)
    try:
        return hl7.parse("\r".join(lines) + "\r")
    except (hl7.HL7Exception, IndexError, KeyError, ValueError) as error:
        raise MessageError(f"it is no HL7 message: {error}", is_rejected=True) from error
