"""Pages as answers: made from templates, in the language that is asked for, with their headers."""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from http import HTTPStatus
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.wrappers import Request, Response

from scp.config import Right
from scp.web.page.surface.acts_told import act_of
from scp.web.page.surface.formats import FILTERS
from scp.web.page.surface.strings import ERRORS_TOLD, LANGUAGES, text_of
from scp.web.request import HARMLESS, Asked, NotFoundError
from storage import ArchiveError

# The path of a study, and what is below it.
_OF_STUDY = re.compile(r"(/page/studies/[0-9.]{1,64})(/.*)?")
# Below which all views lie.
PREFIX = "/page"
LANGUAGE_COOKIE = "minipacs-language"
_HTML = "text/html; charset=utf-8"
# Neither script nor style but from files of our own, and nobody shows a view in a frame.
_POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# With no referrer at all a browser would not say either that a form was sent by a page of ours.
_HEADERS = {
    "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache",
}  # fmt: skip
_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
          "svg": "image/svg+xml"}  # fmt: skip
# The URL of a file tells its content.
_FOR_EVER = "public, max-age=31536000, immutable"


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    """The files by name, each with a digest."""
    folder = resources("scp.web.page.surface") / "static"
    held = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    return {name: (data, hashlib.sha256(data).hexdigest()[:12]) for name, data in held.items()}


def _url_of(name: str) -> str:
    return f"{PREFIX}/files/{name}?{_static()[name][1]}"


def _made() -> Environment:
    made = Environment(
        loader=PackageLoader("scp.web.page.surface"), autoescape=True, auto_reload=False,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= FILTERS
    made.globals |= {"prefix": PREFIX, "file": _url_of, "languages": LANGUAGES}
    for name in made.list_templates():  # here, so that nobody waits for it
        made.get_template(name)
    return made


_ENVIRONMENT = _made()


def page(asked: Asked, template: str, status: int = 200, **values: Any) -> Response:
    """A view, in the language of who asks."""
    language = _language(asked.request)
    web = asked.context.web
    act = act_of(asked) if "done" in asked.request.args else None
    known = {
        "act": act, "may": _may(asked), "language": language, "t": partial(text_of, language),
        # Of what was sent there is no view to come back to.
        "here": asked.request.full_path if asked.request.method in HARMLESS else PREFIX,
        "node": asked.context.settings.node.ae_title, "dicomweb": web.path,
        "user": asked.user.name, "has_session": asked.user.has_session,
    }  # fmt: skip
    body = _ENVIRONMENT.get_template(f"{template}.html").render(known | values)
    return _answer(body, status, language)


def _may(asked: Asked) -> Callable[[str], bool]:
    """Whether who asks has a right, for a template: it shows no button that would be refused."""
    return lambda right: asked.user.may(Right.PAGE) and asked.user.may(Right(right))


def error_page(asked: Asked, status: int, words: str) -> Response:
    """What is wrong with a request, for a person, and what to do; it may be to log in."""
    request = asked.request
    if status == HTTPStatus.UNAUTHORIZED and asked.context.identity.takes_sessions:
        return login_page(asked, request.full_path if request.method in HARMLESS else PREFIX)
    language = _language(request)
    told = status if status in ERRORS_TOLD else 400 if status < 500 else 500
    found = _OF_STUDY.fullmatch(request.path)
    study = found[1] if found else ""
    is_gone = status == HTTPStatus.NOT_FOUND and _was_deleted(asked, study)
    return page(
        asked, "error", status, act=None, code=status, phrase=text_of(language, f"error_{told}"),
        words=words, next=text_of(language, f"next_{told}"),
        study=study if status != HTTPStatus.NOT_FOUND else "",
        restore=f"{study}/restore" if is_gone else "",
        # Who may not see the page does not see either what node it is of.
        **({} if asked.user.may(Right.PAGE) else {"node": "minipacs"}),
    )  # fmt: skip


def login_page(asked: Asked, back: str, is_wrong: bool = False) -> Response:
    """The form by which one logs in; `is_wrong`: what was given is no token of anybody's."""
    # To who comes by a link of another site its browser gives no cookie: it is to ask once more.
    is_led = asked.request.headers.get("Sec-Fetch-Site") == "cross-site"
    return page(
        asked, "login", HTTPStatus.UNAUTHORIZED, act=None, node="minipacs", back=back,
        is_wrong=is_wrong, is_led=is_led,
    )  # fmt: skip


def _was_deleted(asked: Asked, study: str) -> bool:
    """Whether who asks may have something of a study, which is not here, restored."""
    if not study or not _may(asked)(Right.DELETE):
        return False
    kept = asked.context.archive.tree.superseded.all(study.rpartition("/")[2])
    with suppress(ArchiveError):  # then nothing is known of it
        return next(kept, None) is not None
    return False


def _answer(body: str, status: int, language: str) -> Response:
    answer = Response(body, status, content_type=_HTML)
    answer.headers.extend(_HEADERS)
    answer.headers["Content-Language"] = language
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


def absent(asked: Asked, rest: str) -> Response:
    """What is at no other path of ours: nothing, and that in words for a person."""
    raise NotFoundError(f"there is no view {rest[:80]!r}")


def seen_other(path: str) -> Response:
    """The answer that what was asked for lies at another path of ours, to be got by GET."""
    return Response(status=303, headers={**_HEADERS, "Location": path})


def led_back(path: str) -> Response:
    """The same, to where a form says that it stood: nobody is led away from here."""
    is_ours = path == PREFIX or path.startswith((f"{PREFIX}/", f"{PREFIX}?"))
    return seen_other(path if is_ours else PREFIX)


def files(asked: Asked, name: str) -> Response:
    """A file of the surface: style, script, picture."""
    if name not in _static():
        raise NotFoundError(f"there is no file {name[:80]!r}")
    data, digest = _static()[name]
    answer = Response(data, content_type=_KINDS[name.rpartition(".")[2]])
    answer.headers.extend(_HEADERS)
    answer.headers["Cache-Control"] = _FOR_EVER
    answer.set_etag(digest)
    return answer.make_conditional(asked.request)


def _language(request: Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES)) or next(iter(LANGUAGES))
