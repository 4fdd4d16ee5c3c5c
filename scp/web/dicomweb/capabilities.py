"""What may be asked, told by the table of routes (PS3.18 8.9): as WADL, or as JSON."""

import json
import re
from collections import defaultdict
from xml.sax.saxutils import quoteattr

from werkzeug.wrappers import Response

from scp.web.dicomweb import searching, uri
from scp.web.media import COMPRESSED_TYPES, choose_capabilities
from scp.web.rendering import MEDIA_TYPES
from scp.web.rendering import PARAMETERS as RENDERING
from scp.web.request import Asked
from scp.web.retrieval.showable import SHOWN_TYPES

_JSON = "application/json"
# What each kind of resource can be had in (PS3.18 8.7.3, 8.7.4).
GIVEN = {
    "search": ("application/dicom+json", 'multipart/related; type="application/dicom+xml"'),
    "metadata": ("application/dicom+json", 'multipart/related; type="application/dicom+xml"'),
    "instances": ('multipart/related; type="application/dicom"', "application/dicom"),
    "bulkdata": ('multipart/related; type="application/octet-stream"', "application/octet-stream"),
    "pixels": ('multipart/related; type="application/octet-stream"', "application/octet-stream",
               *(f'multipart/related; type="{kind}"' for kind in COMPRESSED_TYPES)),
    "rendered": SHOWN_TYPES,
    "thumbnail": tuple(MEDIA_TYPES),
    "report": ("application/dicom+json", "application/dicom+xml",
               'multipart/related; type="application/dicom+xml"'),
    "uri": ("application/dicom", *SHOWN_TYPES),
}  # fmt: skip
# The query parameters of each; all but those of "report" and "uri" take `ALWAYS` too.
ALWAYS = ("accept", "charset")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "search": searching.PARAMETERS,
    "rendered": tuple(RENDERING),
    "thumbnail": ("viewport",),
    "uri": uri.PARAMETERS,
}
TAKEN = ('multipart/related; type="application/dicom"',
          'multipart/related; type="application/dicom+json"',
          'multipart/related; type="application/dicom+xml"',
          "application/dicom", "application/dicom+json", "application/dicom+xml")  # fmt: skip


def answer(asked: Asked) -> Response:
    """The capabilities of the service."""
    kind = choose_capabilities(*asked.accept)
    body = _as_json(asked) if kind == _JSON else _as_wadl(asked)
    return Response(body, content_type=kind)


def parameters_of(kind: str) -> tuple[str, ...]:
    """The query parameters that a kind of resource takes, beside attributes to be matched."""
    return PARAMETERS.get(kind, ()) + (ALWAYS if kind not in ("report", "uri") else ())


def _resources(asked: Asked) -> dict[str, list[tuple[str, str, str]]]:
    """Path -> name, method and kind of each thing that may be asked of it."""
    from scp.web.dicomweb.routes import ROUTES  # its handlers have theirs

    web = asked.context.web
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for route in ROUTES:
        found[route.shown(web)] += [
            (route.name, method, route.resource) for method in route.methods
        ]
    return found


def _as_json(asked: Asked) -> str:
    told = [
        {"path": path, "methods": [
            {"name": name, "method": method, "parameters": parameters_of(kind),
             "produces": GIVEN[kind], "charsets": ("UTF-8",),
             **({"consumes": TAKEN} if method == "POST" else {})}
            for name, method, kind in methods
        ]}
        for path, methods in sorted(_resources(asked).items())
    ]  # fmt: skip
    return json.dumps({"base": asked.origin, "resources": told}, indent=1) + "\n"


def _as_wadl(asked: Asked) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>',
             '<application xmlns="http://wadl.dev.java.net/2009/02">',
             f"  <resources base={quoteattr(asked.origin)}>"]  # fmt: skip
    for path, methods in sorted(_resources(asked).items()):
        lines.append(f"    <resource path={quoteattr(path)}>")
        lines += [
            f'      <param name="{name}" style="template" required="true"/>'
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        for name, method, kind in methods:
            lines.append(f'      <method name="{method}" id="{name}">')
            taken = map(_representation, TAKEN) if method == "POST" else ()
            lines += ["        <request>", *map(_parameter, parameters_of(kind)), *taken,
                      "        </request>"]  # fmt: skip
            lines += ["        <response>", *map(_representation, GIVEN[kind]),
                      "        </response>", "      </method>"]  # fmt: skip
        lines.append("    </resource>")
    return "\n".join([*lines, "  </resources>", "</application>", ""])


def _representation(media_type: str) -> str:
    return f"          <representation mediaType={quoteattr(media_type)}/>"


def _parameter(name: str) -> str:
    """A query parameter; text is told in UTF-8 alone (PS3.18 8.8)."""
    values = '><option value="UTF-8"/></param>' if name == "charset" else "/>"
    return f'          <param name="{name}" style="query"{values}'
