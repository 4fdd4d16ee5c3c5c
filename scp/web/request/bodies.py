"""Bodies of answers: parts, and documents of what is found, as JSON or XML."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from werkzeug.wrappers import Response

from scp.web.media import JSON, XML, Multipart, Part
from scp.web.models import json_model, xml_model
from storage.dicom.data_sets import Elements

# What was written once of a series is remembered.
MODELS = {JSON: json_model(), XML: xml_model()}


def part(media_type: str, where: str, body: bytes | Iterable[bytes], length: int) -> Part:
    """A part that says what it is, and where it is to be had alone."""
    headers = {"Content-Type": media_type, "Content-Location": where, "Content-Length": str(length)}
    return Part(headers, body)


def multipart(parts: Iterator[Part], media_type: str, status: int = 200) -> Response:
    """An answer of several parts."""
    body = Multipart(media_type)
    chunks = body.chunks(parts)
    # First, so that what is wrong with the first part is told by a status.
    begun = chain([next(chunks)], chunks)
    answer = Response(begun, status, direct_passthrough=True)
    answer.headers["Content-Type"] = body.content_type
    return answer


def documents(made: Sequence[bytes], media_type: str) -> Response:
    """An answer that is a list of JSON objects, or has an XML document as each of its parts."""
    if media_type == JSON:
        return Response([b"[" + b",".join(made) + b"]"], content_type=JSON)
    if not made:
        return Response(status=204)
    body = Multipart(XML)
    whole = b"".join(body.chunks(Part({"Content-Type": XML}, one) for one in made))
    return Response(whole, content_type=body.content_type)


def document(found: Elements, media_type: str, status: int) -> Response:
    """An answer that is one document."""
    return Response(MODELS[media_type].elements(found), status, content_type=media_type)
