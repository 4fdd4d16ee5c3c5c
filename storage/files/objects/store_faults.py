"""What goes wrong with a store of objects, in words for who has to see to it."""

import errno
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from storage.diagnostics import ResourceError

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")


class StoreError(OSError, ResourceError):
    """The store does not do what is asked; its text says what is wrong, where, and what to do.

    `is_final`: to ask again at once would change nothing; `is_away`: nobody answered.
    """

    def __init__(self, words: str, is_final: bool = False, is_away: bool = False) -> None:
        super().__init__(errno.EIO, words)
        self.is_final, self.is_away = is_final, is_away

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type["StoreError"], tuple[str, bool, bool]]:
        return type(self), (str(self), self.is_final, self.is_away)


class TakenError(StoreError):
    """There is something else under the key of an object that is new."""


# By the code of S3's answer: what is wrong, and what to do.
_ANSWERS = {
    "NoSuchBucket": ("The bucket is not there", "make it, or name another"),
    "InvalidBucketName": ("No bucket has such a name", "name another"),
    "InvalidAccessKeyId": ("The object store does not know the access key", "give it another"),
    "SignatureDoesNotMatch": ("The object store finds the secret key wrong", "give it another"),
    "AccessDenied": (
        "The object store does not let these keys in",
        "let them get, put, delete and list objects in the bucket",
    ),
    "RequestTimeTooSkewed": (
        "The clocks here and of the object store differ",
        "have both follow an NTP server",
    ),
    "PermanentRedirect": ("The bucket is in another region", "name that region"),
    "AuthorizationHeaderMalformed": ("The bucket is in another region", "name that region"),
}
_FULL = ("The object store is full", "give it more room")
_ANSWERS |= dict.fromkeys(
    ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull"), _FULL
)
# Of what the client says itself, whatever stands in it first.
_OF_CLIENT = (
    ("Connection refused", "No object store answers there", "start it, or name another endpoint"),
    ("dns error", "The object store's host is not known", "see to the endpoint's name"),
    ("certificate", "The object store's certificate is not trusted", "trust its authority here"),
    ("InvalidCertificate", "The object store's certificate is not trusted",
     "trust its authority here"),
    ("TimedOut", "The object store does not answer in time", "see to its load, and to the network"),
    ("timed out", "The object store does not answer in time",
     "see to its load, and to the network"),
)  # fmt: skip
_SEE_IT = "see to it"
# So long after a look that found a store away, at most, one that is back is found away.
_MOST_REST_SECONDS = 5.0


def told(error: Exception, name: str) -> Exception:
    """What an error of the client means for an object, or for the store of that `name`."""
    text = str(error)
    code, status = _CODE.search(text), _STATUS.search(text)
    if code and code[1] in _ANSWERS:
        words, remedy = _ANSWERS[code[1]]
        return StoreError(f"{words}: {name}; {remedy}", is_final=words != _FULL[0])
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, f"There is no such object in {name}")
    if status or code:
        return StoreError(*_answered(code[1] if code else "", status[1] if status else "", name))
    for mark, words, remedy in _OF_CLIENT:
        if mark in text:
            return StoreError(f"{words}: {name}; {remedy}", is_away=True)
    words = "The connection to the object store fails"
    return StoreError(f"{words}: {name}; {_SEE_IT}", is_away=True)


def _answered(code: str, status: str, name: str) -> tuple[str, bool]:
    """What an answer without words of its own says, and whether it would say that again."""
    said = " ".join(part for part in (status, code) if part)
    if status.startswith(("401", "403")):
        words, remedy = _ANSWERS["AccessDenied"]
        return f"{words}: {name}, which answers {said}; {remedy}", True
    if status == "507":
        return f"{_FULL[0]}: {name}; {_FULL[1]}", False
    is_busy = status in ("429", "503")
    words = "The object store is busy" if is_busy else "The object store fails"
    return f"{words}: {name} answers {said}; {_SEE_IT}", status.startswith("4") and not is_busy


class Outage:
    """Whether a store is away: then one call at a time looks whether it is back, others fail.

    What is asked of a store that is away is waited for, and asked again, for many seconds: a
    retrieve of many instances would take so long for each. A call that failed begins an outage
    where nobody was answered since it began; one that is answered ends it. For as long as a look
    took nobody looks again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._error: StoreError | None = None
        self._rests_until = self._answered_at = 0.0
        self._is_looked_at = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note how a call ends, with all of its tries. Raises StoreError while it is away."""
        began = self._clock()
        is_look = self._begin(began)
        try:
            yield
        except StoreError as error:
            if error.is_away:
                self._fail(error, began)
            else:
                self._answer()
            raise
        except FileNotFoundError:
            self._answer()
            raise
        else:
            self._answer()
        finally:
            if is_look:
                self._is_looked_at = False

    def _begin(self, now: float) -> bool:
        """Whether the call is the one that looks."""
        if self._error is None:
            return False
        with self._lock:
            if self._error is None:
                return False
            if self._is_looked_at or now < self._rests_until:
                raise StoreError(str(self._error), is_away=True)
            self._is_looked_at = True
            return True

    def _fail(self, error: StoreError, began: float) -> None:
        with self._lock:
            if self._answered_at <= began:
                now = self._clock()
                self._error = error
                self._rests_until = now + min(now - began, _MOST_REST_SECONDS)

    def _answer(self) -> None:
        self._answered_at = self._clock()
        if self._error:
            with self._lock:
                self._error = None
