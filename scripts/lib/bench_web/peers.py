"""The servers that answer DICOMweb: those of `bench_peers`, with it switched on."""

from dataclasses import replace
from pathlib import Path

from lib.bench_peers import NODE, ORTHANC, Place, orthanc_command
from lib.bench_programs import MissingError

PATH = "/dicom-web"  # of all of them
_PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so"),
)


def _plugin() -> Path:
    found = next((path for path in _PLUGINS if path.exists()), None)
    if not found:
        raise MissingError("its plugin for DICOMweb is not installed (apt-get orthanc-dicomweb)")
    return found


def _check_orthanc() -> None:
    ORTHANC.check()
    _plugin()


def _orthanc_command(place: Place) -> list[str]:
    return orthanc_command(
        place, Plugins=[str(_plugin())], HttpServerEnabled=True, HttpPort=place.http,
        DicomWeb={"Enable": True, "Root": f"{PATH}/"},
    )  # fmt: skip


def _node_command(place: Place) -> list[str]:
    command = NODE.command(place)
    with Path(command[-1]).open("a") as file:
        file.write(f'[web]\nport = {place.http}\npath = "{PATH}"\n')
    return command


WEB_PEERS = (
    replace(NODE, command=_node_command),
    replace(ORTHANC, command=_orthanc_command, check=_check_orthanc),
)
