"""A study: what it is of, and its series with a picture each."""

from werkzeug.wrappers import Response

from scp.web.page.study.held import path_of, series_of, study_of, viewer_of
from scp.web.page.surface import page
from scp.web.request import Asked

_MOST_SERIES = 500


def shown(asked: Asked, study: str) -> Response:
    """The view of a study."""
    found = study_of(asked, study)
    series = series_of(asked, study, most=_MOST_SERIES + 1)
    return page(
        asked, "study", study=found, series=series[:_MOST_SERIES], here_path=path_of(study),
        has_more=len(series) > _MOST_SERIES, viewer=viewer_of(asked, study),
    )  # fmt: skip
