"""Searches of dicomtrolley by QIDO-RS, and downloads, as its documentation makes them.

python trolley.py '{"origin": "http://...", "by": "rs", "query": {...}, "folder": "..."}'

prints JSON: the SOP Instance UIDs of what it found; files of these are in the folder then.
"""

import json
import sys
from typing import Any

import requests
from dicomtrolley.core import Query  # type: ignore[import-not-found]
from dicomtrolley.qido_rs import QidoRS  # type: ignore[import-not-found]
from dicomtrolley.trolley import Trolley  # type: ignore[import-not-found]
from dicomtrolley.wado_rs import WadoRS  # type: ignore[import-not-found]
from dicomtrolley.wado_uri import WadoURI  # type: ignore[import-not-found]


def main() -> None:
    asked = json.loads(sys.argv[1])
    session, origin = requests.Session(), asked["origin"]
    downloaders: dict[str, Any] = {
        "rs": WadoRS(session=session, url=f"{origin}/dicom-web"),
        "study": WadoRS(session=session, url=f"{origin}/dicom-web", request_per_series=False),
        "uri": WadoURI(session=session, url=f"{origin}/wado"),
    }
    searcher = QidoRS(session=session, url=f"{origin}/dicom-web")
    trolley = Trolley(downloader=downloaders[asked["by"]], searcher=searcher)
    studies = trolley.find_studies(Query(**asked["query"], query_level="INSTANCE"))
    trolley.download(studies, asked["folder"])
    series = [one for study in studies for one in study.series]
    print(json.dumps([str(one.uid) for some in series for one in some.instances]))


if __name__ == "__main__":
    main()
