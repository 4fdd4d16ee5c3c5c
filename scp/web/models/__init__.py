"""Data sets as DICOM JSON (PS3.18 F) and Native DICOM XML (PS3.19 A.1), written and read."""

from scp.web.models.fragments import Head, is_bulk
from scp.web.models.json_reading import read_json
from scp.web.models.model import Model, json_model, xml_model
from scp.web.models.reading import Encapsulated, ReadDataSet, ReadElement
from scp.web.models.rows import RowDocuments
from scp.web.models.xml_reading import read_xml

__all__ = [
    "Encapsulated",
    "Head",
    "Model",
    "ReadDataSet",
    "ReadElement",
    "RowDocuments",
    "is_bulk",
    "json_model",
    "read_json",
    "read_xml",
    "xml_model",
]
