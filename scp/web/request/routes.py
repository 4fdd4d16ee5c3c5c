"""What may be asked for, and who answers it: the rows of which a table of paths is made."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from scp.config import Right, Web

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """A path with its variables, by the rules of werkzeug's routing.

    `handler` takes what is asked (`Asked`) and the variables of the path; HEAD goes with GET. What
    it raises becomes an answer by its status (`request.errors`).
    """

    name: str  # in the figures of /metrics
    path: str  # {base} and {uri} stand for [web] path and uri_path
    handler: Callable[..., Response]
    methods: tuple[str, ...] = ("GET",)
    right: Right | None = field(kw_only=True)  # that who asks needs; None: anybody may ask
    # What log and audit trail call it; empty: neither tells of it, as of the files of a program.
    service: str = field(default="dicomweb", kw_only=True)

    def rule(self, web: Web) -> str:
        """Its path by the settings, for werkzeug's routing."""
        return self.path.format(base=web.path, uri=web.uri_path)

    def shown(self, web: Web) -> str:
        """Its path by the settings, its variables in braces."""
        return _VARIABLE.sub(r"{\1}", self.rule(web))
