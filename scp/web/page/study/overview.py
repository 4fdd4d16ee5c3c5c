"""A study: what it is of, and its series with a picture each."""

from werkzeug.wrappers import Response

from scp.web.page.study.held import path_of, series_of, study_of, viewer_of
from scp.web.page.surface import page
from scp.web.request import Asked, BadRequestError

_MOST_SERIES = 500


def shown(asked: Asked, study: str) -> Response:
    """The view of a study; of one of very many series some at a time."""
    found = study_of(asked, study)
    first = _number(asked.request.args.get("from", ""))
    series = series_of(asked, study)[first:]
    return page(
        asked, "study", study=found, series=series[:_MOST_SERIES], here_path=path_of(study),
        first=first, rest=first + _MOST_SERIES if len(series) > _MOST_SERIES else 0,
        viewer=viewer_of(asked, study),
    )  # fmt: skip


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequestError(f"from={text[:40]}: takes a number")
    return int(text or 0)
