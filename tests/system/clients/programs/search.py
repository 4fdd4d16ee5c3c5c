"""Searches of dicomtrolley's DICOM-QR, as its documentation makes them.

python search.py '{"port": 11112, "called": "MINIPACS", "queries": [...]}'

prints JSON: the trees of studies, series and instances that each of them finds. One that is
extended is a DICOMQuery, which has keys that not every backend of dicomtrolley knows.
"""

import json
import sys
from typing import Any

from dicomtrolley.core import DICOMObjectLevels, Query  # type: ignore[import-not-found]
from dicomtrolley.dicom_qr import DICOMQR, DICOMQuery  # type: ignore[import-not-found]
from dicomtrolley.trolley import Trolley  # type: ignore[import-not-found]


def tree(study: Any) -> dict[str, Any]:
    return {
        "uid": str(study.uid),
        "elements": {element.keyword: str(element.value) for element in study.data},
        "series": {
            str(series.uid): [str(instance.uid) for instance in series.instances]
            for series in study.series
        },
    }


def main() -> None:
    asked = json.loads(sys.argv[1])
    searcher = DICOMQR("127.0.0.1", asked["port"], aet="DICOMTROLLEY", aec=asked["called"])
    trolley = Trolley(downloader=None, searcher=searcher)
    if study_uid := asked.get("references"):
        study = trolley.find_study(Query(StudyInstanceUID=study_uid))
        found = trolley.obtain_references([study], DICOMObjectLevels.INSTANCE)
        uids = [(str(one.study_uid), str(one.series_uid), str(one.instance_uid)) for one in found]
        print(json.dumps(uids))
        return
    kinds = {True: DICOMQuery, False: Query}
    queries = [kinds[one.pop("extended", False)](**one) for one in asked["queries"]]
    print(json.dumps([[tree(study) for study in trolley.find_studies(one)] for one in queries]))


if __name__ == "__main__":
    main()
