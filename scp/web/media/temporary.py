"""To be replaced."""

import json

from pydicom.filereader import read_dataset
from pydicom.uid import UID
from werkzeug.wrappers import Response


def data_set_json(file, start, syntax, charset, uri):
    file.seek(start)
    u = UID(syntax)
    implicit = syntax == "1.2.840.10008.1.2"
    little = syntax != "1.2.840.10008.1.2.2"
    ds = read_dataset(file, implicit, little, stop_when=None)

    def handler(e):
        return uri((int(e.tag),))

    return json.dumps(ds.to_json_dict(1024, handler, suppress_invalid_tags=True)).encode()


def data_set_xml(*a):
    return b"<x/>"


def _item(held):
    out = {}
    for tag, e in sorted(held.items()):
        d = {"vr": e.vr}
        if e.items is not None:
            d["Value"] = [_item(i) for i in e.items]
        elif e.text:
            if e.vr == "PN":
                d["Value"] = [{"Alphabetic": v} for v in e.text.split("\\")]
            elif e.vr in ("IS", "US", "UL", "SS", "SL"):
                d["Value"] = [int(v) for v in e.text.split("\\")]
            elif e.vr in ("DS", "FL", "FD"):
                d["Value"] = [float(v) for v in e.text.split("\\")]
            else:
                d["Value"] = e.text.split("\\")
        out[f"{int(tag):08X}"] = d
    return out


def elements_list_answer(held, kind):
    return Response(json.dumps([_item(h) for h in held]), content_type=kind)


def elements_answer(held, kind):
    return Response(json.dumps(_item(held)), content_type=kind)
