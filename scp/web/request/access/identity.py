"""Who asks, as [web] auth wants it proved."""

import binascii
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.http import parse_cookie

from scp.config import Settings, credentials
from scp.web.request.access.callers import Caller
from scp.web.request.access.connections import Connection
from scp.web.request.access.errors import BusyError, ForbiddenError, UnauthorizedError
from scp.web.request.access.failures import Failures
from scp.web.request.access.sessions import Sessions, session_cookie
from scp.web.request.access.verified import Verified

_CHALLENGES = {
    "basic": 'Basic realm="minipacs", charset="UTF-8"', "token": 'Bearer realm="minipacs"',
}  # fmt: skip
# Each takes 16 MiB and most of a processor.
_STRETCHED_AT_ONCE = 2
_WAIT_SECONDS = 5.0
_MOST_CHARACTERS = 1024  # of what proves it


class Identity:
    """Finds who asks; safe to use from many threads."""

    def __init__(self, settings: Settings, secret: bytes) -> None:
        assert settings.web
        self._web = settings.web
        self._users = settings.users
        self._anybody = Caller("", settings.web.allow)
        self._callers = {name: Caller(name, user.allow) for name, user in settings.users.items()}
        self._tokens = {kept: name for name, user in settings.users.items() for kept in user.tokens}
        self._sessions = Sessions(secret, self._tokens)
        self._failures, self._verified = Failures(), Verified()
        self._stretching = threading.BoundedSemaphore(_STRETCHED_AT_ONCE)
        self._ways: Mapping[str, Callable[[str, Connection], Caller]] = {
            "basic": self._by_password, "bearer": self._by_token,
        } if self._web.auth == "basic" else {"bearer": self._by_token}  # fmt: skip

    def of(
        self, environ: Mapping[str, Any], connection: Connection, by_session: bool = False
    ) -> Caller:
        """Who asks; `by_session`: whether that may be proved by having logged in.

        Raises UnauthorizedError, ForbiddenError, TooManyError.
        """
        if self._web.auth == "none":
            return self._anybody
        if self._web.auth == "proxy":
            return self._by_proxy(environ, connection)
        _require_private(connection)  # before it is sent: the browser asks for none then
        if by_session and "HTTP_AUTHORIZATION" not in environ:
            return self._by_session(environ)
        scheme, _, given = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        way = self._ways.get(scheme.lower())
        if way is None:
            raise self._unauthorized("it has to be proved who asks")
        if len(given) > _MOST_CHARACTERS:
            raise self._unauthorized("what proves it is too long")
        return way(given.strip(), connection)

    @property
    def takes_sessions(self) -> bool:
        """Whether one can log in: where a browser has no other way to prove who asks."""
        return self._web.auth == "token"

    def log_in(self, token: str, connection: Connection) -> tuple[Caller, str]:
        """Whose token it is, and what the cookie of the session is to hold. Raises as `of`."""
        _require_private(connection)
        given = token.strip()[:_MOST_CHARACTERS]
        caller = self._by_token(given, connection)
        return caller, self._sessions.begin(credentials.digest_of_token(given))

    def _by_session(self, environ: Mapping[str, Any]) -> Caller:
        cookies = parse_cookie(str(environ.get("HTTP_COOKIE", "")))
        held = cookies.get(session_cookie(str(environ.get("SERVER_PORT", ""))), "")
        name = self._sessions.user_of(held) if self.takes_sessions else None
        if name is None:
            raise self._unauthorized("it has to be proved who asks")
        return replace(self._callers[name], has_session=True)

    def _by_proxy(self, environ: Mapping[str, Any], connection: Connection) -> Caller:
        if not connection.is_proxied:
            raise ForbiddenError("it is to be asked by way of a proxy of [web] trusted_proxies")
        header = self._web.user_header
        name = str(environ.get(f"HTTP_{header.upper().replace('-', '_')}", "")).strip()
        if not name:
            raise ForbiddenError(f"the proxy says by no header {header} who asks")
        if name not in self._callers:
            raise ForbiddenError("who asks, as the proxy says, is none of [users]")
        return self._callers[name]

    def _by_password(self, given: str, connection: Connection) -> Caller:
        try:
            name, colon, password = b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            name, colon, password = "", "", ""
        if not colon:
            raise self._unauthorized("there is no name and password in it")
        address = connection.address
        # Also of one that is known: else it could be guessed here as fast as can be.
        self._failures.require(address, name)
        if not self._verified.knows(address, name, password):
            self._verify(address, name, password)
        return self._callers[name]

    def _verify(self, address: str, name: str, password: str) -> None:
        if not self._stretching.acquire(timeout=_WAIT_SECONDS):
            raise BusyError("too many passwords are looked at; try again", _WAIT_SECONDS)
        try:
            # By another thread meanwhile: a browser asks over several connections at one time.
            if self._verified.knows(address, name, password):
                return
            self._failures.begin(address, name)
            user = self._users.get(name)
            kept = user.password if user else None
            if not credentials.is_password(password, kept or credentials.NOBODYS):
                raise self._unauthorized("name or password is wrong")
            self._failures.forgive(address, name)
            self._verified.note(address, name, password)
        finally:
            self._stretching.release()

    def _by_token(self, given: str, connection: Connection) -> Caller:
        # By a digest, whose bytes nobody can choose, there is nothing to be learned from the time.
        name = self._tokens.get(credentials.digest_of_token(given))
        if name is None:
            self._failures.begin(connection.address, "")
            raise self._unauthorized("the token is none of [users]")
        return self._callers[name]

    def _unauthorized(self, words: str) -> UnauthorizedError:
        return UnauthorizedError(words, _CHALLENGES[self._web.auth])


def _require_private(connection: Connection) -> None:
    if not connection.is_private:
        raise ForbiddenError("ask by HTTPS: what proves who asks would travel unencrypted")
