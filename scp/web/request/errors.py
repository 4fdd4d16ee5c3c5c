"""What goes wrong with a request, and the status that tells it (PS3.18 8.5)."""

from scp.copies.conversion.data_set import LimitError, TranscodeError
from scp.web.media import NotAcceptableError
from scp.web.request.access import (
    BusyError,
    ForbiddenError,
    TooManyError,
    UnauthorizedError,
)
from scp.web.request.resources import BadRequestError
from storage.diagnostics import (
    ArchiveError,
    DataSetError,
    IdentifierError,
    ResourceError,
)


class NotFoundError(Exception):
    """There is nothing of that name."""


class UnsupportedTypeError(Exception):
    """What was sent is of a media type that is not taken; the text names what is."""


class ConflictError(Exception):
    """It is another state than the one that was meant; the text says what it is now."""


class UnavailableError(Exception):
    """It is there, and not in any form that was asked for."""


class TooLargeError(Exception):
    """What is to be made is larger than it may be; the text says what would be less."""


# The first that fits.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (BadRequestError, 400),
    (IdentifierError, 400),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (FileNotFoundError, 404),
    (UnavailableError, 406),
    (ConflictError, 409),
    (NotAcceptableError, 406),
    (TooLargeError, 413),
    (UnsupportedTypeError, 415),
    (BusyError, 503),
    (TooManyError, 429),
    (LimitError, 503),
    (TranscodeError, 406),
    (ResourceError, 503),
    (DataSetError, 500),
    (ArchiveError, 500),
)


def status_of(error: Exception) -> int | None:
    """The status that tells an error; None for what nobody thought of."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), None)
