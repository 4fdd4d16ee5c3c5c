"""Take the picture of the page that the README shows, of a node with made-up studies."""

import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from lib.headless import chromium

from scp.testing import NodeProcess

PICTURE = Path(__file__).with_name("page.png")
_SIDE, _SLICES = 256, 40
_WIDTH, _HEIGHT, _COLORS = 1240, 560, 160
_PEOPLE = (
    "Okonkwo^Chidi", "García^Lucía", "O'Neill^Siobhán", "Kowalska^Ewa", "Haddad^Layla",
    "Müller^Jörg^^Dr.", "Tanaka^Yui", "Dubois^Élodie", "Silva^João", "Lindqvist^Astrid",
)  # fmt: skip
_KINDS = (
    ("MR", "MR Brain", "MR_ROOM1"), ("CT", "CT Abdomen", "CT_ROOM2"),
    ("MR", "MR Knee left", "MR_ROOM1"), ("CT", "CT Thorax w/ contrast", "CT_ROOM2"),
)  # fmt: skip


def main() -> None:
    """Take it."""
    with tempfile.TemporaryDirectory() as folder:
        node = NodeProcess(Path(folder), {"web": {"port": 0}}).start()
        try:
            for title, one in _instances():
                _store(node, title, one)
            line = next(one for one in node.log if "page at " in one)
            _take(line.partition("page at ")[2])
        finally:
            node.stop()
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")


def _instances() -> Iterator[tuple[str, Dataset]]:
    """Who sends what: of the last person a whole CT."""
    for number, name in enumerate(_PEOPLE):
        modality, description, title = _KINDS[number % len(_KINDS)]
        is_last = name == _PEOPLE[-1]
        if is_last:
            modality, description, title = _KINDS[3]
        study, series = generate_uid(), generate_uid()
        for slice_number in range(_SLICES if is_last else 1):
            one = _slice(slice_number / _SLICES if is_last else 0.5)
            one.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
            one.SpecificCharacterSet = "ISO_IR 192"
            one.StudyInstanceUID, one.SeriesInstanceUID = study, series
            one.SOPInstanceUID, one.InstanceNumber = generate_uid(), slice_number + 1
            one.PatientName, one.PatientID = name, f"P{40817 + number * 37}"
            one.PatientBirthDate = f"{1938 + number * 5}0{1 + number % 9}1{number % 9}"
            one.PatientSex = "MF"[number % 2]
            day = date.today() - timedelta((len(_PEOPLE) - number) // 3)
            one.StudyDate, one.StudyTime = f"{day:%Y%m%d}", f"{8 + number:02}{number * 7 % 60:02}00"
            one.AccessionNumber = f"A{260000 + number * 13}"
            one.StudyDescription, one.SeriesDescription = description, "Thorax 1.0"
            one.Modality, one.SeriesNumber = modality, 1
            yield title, one


def _slice(at: float) -> Dataset:
    """A slice through a chest that was never anybody's; `at` is how far down it is, 0 to 1."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    far = abs(2 * at - 1)

    def within(left: float, down: float, width: float, height: float) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ((x - left) / width) ** 2 + ((y - down) / height) ** 2 < 1
        return found

    values = np.full(x.shape, -1000.0)
    values[within(0, 0, 0.8, 0.62)] = -100
    values[within(0, 0, 0.75, 0.57)] = 40
    for side in (-0.36, 0.36):
        values[within(side, -0.02, 0.26, 0.4 * max(0.2, 1 - far**2))] = -820
    values[within(0, 0.4, 0.11, 0.11)] = 700
    values[within(0, 0.4, 0.05, 0.05)] = 60
    values[within(-0.08, 0.05, 0.21 - 0.2 * far, 0.23 - 0.22 * far)] = 160
    values[within(0.1, 0.22, 0.06, 0.06)] = 280
    values[within(0.42, -0.1, 0.05 * max(0.01, 1 - 3 * far), 0.05)] = 20
    values += np.random.default_rng(int(at * 1000)).normal(0, 14, values.shape)
    made = Dataset()
    made.Rows = made.Columns = _SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.RescaleSlope, made.RescaleIntercept = 1, -1024
    made.WindowCenter, made.WindowWidth = 40, 400
    made.PixelData = np.clip(values + 1024, 0, 4095).astype("<u2").tobytes()
    return made


def _store(node: NodeProcess, title: str, one: Dataset) -> None:
    entity = AE(title)
    entity.add_requested_context(one.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", node.port, ae_title=node.title)
    one.ensure_file_meta()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    status = association.send_c_store(one).Status
    association.release()
    if status:
        raise SystemExit(f"a store was answered {status:04X}")


def _take(page: str) -> None:
    """The list of studies, and before it a slice of the CT in the viewer."""
    with chromium("--hide-scrollbars") as browser:
        size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.implicitly_wait(30)
        browser.get(page)
        studies = _shot(browser)
        browser.find_element("css selector", "#studies tbody a").click()
        card = browser.find_element("css selector", "a.card").get_attribute("href")
        browser.get(f"{card}?slice={_SLICES // 2}&window=-100,1400")
        browser.find_element("css selector", "#picture[data-shown]")
        viewer = _shot(browser)
    whole = Image.new("RGB", (_WIDTH, 2 * _HEIGHT + 12), "white")
    whole.paste(studies, (0, 0))
    whole.paste(viewer, (0, _HEIGHT + 12))
    whole.quantize(_COLORS).save(PICTURE, optimize=True)


def _shot(browser: Any) -> Image.Image:
    return Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
