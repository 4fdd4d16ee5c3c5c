"""[web] viewer: the files of a built OHIF, here of a made-up one, at /ohif/."""

import gzip
import hashlib
import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import running_node
from support.checks.dicomweb import Web
from support.program import run

from scp.config import credentials
from scp.web.viewer.bodies import Body, body_of
from scp.web.viewer.folder import ViewerFile

HASHED = "app.bundle.0f6159c501addfe9.js"
PAGE = (
    '<html><head><script>window.PUBLIC_URL="/"</script><link href="/app.bundle.css">'
    f'<script src="/{HASHED}"></script></head></html>'
)
FILES = {
    "index.html": PAGE,
    "app-config.js": "window.config = {its: 'own'}",
    HASHED: 'r.p = "/";import("/dicom-microscopy-viewer/x.min.js");' + "//" * 1000,
    "app.bundle.css": "@font-face{src:url(/a34f9d1faa5f3315.woff2)}",
    "5130ccb17e3f3f5b.wasm": "\0asm",
    "some.mjs": "1",
    "manifest.json": '{"src": "/assets/a.png"}',
    "assets/a.png": "a picture",
    ".version": "not to be seen",
}


def build(folder: Path, **others: str) -> Path:
    """A folder as a build of OHIF leaves one."""
    for name, content in (FILES | others).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("viewer") / "dist")
    (folder.parent / "secret.js").write_text("secret")
    (folder / "out.js").symlink_to("../secret.js")
    (folder / "within.js").symlink_to("some.mjs")
    (folder / "circle.js").symlink_to("circle.js")
    os.mkfifo(folder / "pipe.js")
    return folder


@pytest.fixture(scope="module")
def viewer(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    tables = {"web": {"port": 0, "viewer": str(dist), "path": "/rs", "uri_path": "/uri"}}
    with running_node(tmp_path_factory.mktemp("node"), tables) as node:
        yield Web(node)


@pytest.mark.parametrize(("path", "media_type", "content"), [
    ("", "text/html", PAGE), ("index.html", "text/html", PAGE), ("viewer", "text/html", PAGE),
    ("viewer/dicomweb?StudyInstanceUIDs=1.2.3", "text/html", PAGE),
    (HASHED, "text/javascript", FILES[HASHED]), ("some.mjs", "text/javascript", "1"),
    ("app.bundle.css", "text/css", FILES["app.bundle.css"]),
    ("manifest.json", "application/json", FILES["manifest.json"]),
    ("5130ccb17e3f3f5b.wasm", "application/wasm", "\0asm"),
    ("assets/a.png", "image/png", "a picture"), ("within.js", "text/javascript", "1"),
])  # fmt: skip
def test_files_lie_below_the_viewers_path(
    viewer: Web, path: str, media_type: str, content: str
) -> None:
    """A build for the root of a site is written anew for that, and else as it is."""
    answer = viewer.get(f"{viewer.origin}/ohif/{path}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    placed = re.sub(r"""(["(])/(?=["\w])""", r"\1/ohif/", content)
    assert answer.content == placed.encode()


@pytest.mark.parametrize("path", [
    "nothing.js", "assets", "assets/", "assets/nothing", "assets/b.png", "out.js", "circle.js",
    "pipe.js", ".version", "../secret.js", "assets/../../secret.js", "%2e%2e/secret.js",
    "..%2fsecret.js", "..%5csecret.js", "assets//a.png", "/etc/passwd", "%00", "some.mjs%00.png",
    "some.mjs/", "a" * 300 + ".js", "a" * 300, "%ff.js",
])  # fmt: skip
def test_what_is_no_file_of_the_folder_is_not_found(viewer: Web, path: str) -> None:
    where = urlsplit(viewer.origin)
    assert where.hostname
    connection = HTTPConnection(where.hostname, where.port or 0, timeout=60)
    url = f"/ohif/{path}"
    connection.request("GET", url)  # as it is written here
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    # Doubled slashes lead to the path without.
    assert answer.status == 404 or (answer.status == 308 and "//" in url)
    assert b"secret" not in body


def test_without_its_last_slash_the_path_is_led_to_that_with_it(viewer: Web) -> None:
    answer = viewer.session.get(f"{viewer.origin}/ohif", allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/ohif/")


def test_the_configuration_is_of_this_node_and_not_of_the_folder(viewer: Web) -> None:
    answer = viewer.get(f"{viewer.origin}/ohif/app-config.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    config = json.loads(answer.text.removeprefix("window.config = ").removesuffix(";\n"))
    assert config["routerBasename"] == "/ohif"
    (source,) = config["dataSources"]
    assert config["defaultDataSourceName"] == source["sourceName"]
    found = source["configuration"]
    roots = [found[name] for name in ("qidoRoot", "wadoRoot", "wadoUriRoot")]
    assert roots == ["/rs", "/rs", "/uri"]
    assert viewer.get(f"{viewer.origin}{found['qidoRoot']}/studies").json() == []


def test_what_is_named_by_its_content_is_kept_and_all_else_asked_for_again(viewer: Web) -> None:
    for path, kept in ((HASHED, True), ("5130ccb17e3f3f5b.wasm", True), ("", False),
                       ("viewer", False), ("app.bundle.css", False), ("app-config.js", False),
                       ("assets/a.png", False)):  # fmt: skip
        first = viewer.get(f"{viewer.origin}/ohif/{path}")
        assert ("immutable" in first.headers["Cache-Control"]) is kept, path
        assert ("no-cache" in first.headers["Cache-Control"]) is not kept, path
        tag = first.headers["ETag"]
        again = viewer.get(f"{viewer.origin}/ohif/{path}", If_None_Match=tag)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)


def test_a_file_of_the_same_size_and_time_has_another_tag(viewer: Web, dist: Path) -> None:
    """npm gives all that it packs one time, and index.html differs by digests alone."""
    file, tags = dist / "versions.js", set()
    for content in ("one", "two"):
        file.write_text(content)
        os.utime(file, (499162500, 499162500))
        tags.add(viewer.get(f"{viewer.origin}/ohif/versions.js").headers["ETag"])
    assert len(tags) == 2


def test_text_is_compressed_for_who_takes_that(viewer: Web) -> None:
    url = f"{viewer.origin}/ohif/{HASHED}"
    packed = viewer.session.get(url, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=60)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    plain = viewer.get(url, Accept_Encoding="identity")
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.raw.read()) == plain.content


def test_head_has_no_body(viewer: Web) -> None:
    answer = viewer.session.head(f"{viewer.origin}/ohif/{HASHED}", timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_policy_lets_the_page_run_its_own_scripts_and_nothing_else(viewer: Web) -> None:
    answer = viewer.get(f"{viewer.origin}/ohif/")
    policy = answer.headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    sources = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert sources["default-src"] == "'none'"
    assert "'unsafe-eval'" in sources["script-src"]  # else OHIF opens no segmentation
    assert not any(where in policy for where in ("http:", "https:", "*"))
    (digest,) = re.findall(r"'sha256-(.*?)'", policy)
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text)
    assert b64decode(digest) == hashlib.sha256(script.encode()).digest()
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_files_are_in_no_log_and_no_audit_trail(viewer: Web) -> None:
    viewer.get(f"{viewer.origin}/ohif/some.mjs")
    viewer.get("studies")
    viewer.node.wait_for_log("dicomweb", "path=/rs/studies")
    assert not any("some.mjs" in line for line in viewer.node.log)


def test_a_node_without_a_viewer_has_none(empty: Web) -> None:
    assert empty.get(f"{empty.origin}/ohif/").status_code == 404


@pytest.mark.parametrize(("files", "words"), [
    (None, "there is no such folder; scripts/get-viewer"),
    ({}, "holds no index.html and no app-config.js; scripts/get-viewer"),
    ({"index.html": PAGE}, "holds no app-config.js"),
    ({"dist/index.html": PAGE, "dist/app-config.js": ""}, "name {folder}/dist instead"),
    ({"index.html": PAGE.replace('="/"', '="/pacs/"'), "app-config.js": ""},
     "is built to lie at /pacs/, and is given at /ohif/: build it with PUBLIC_URL=/ohif/"),
])  # fmt: skip
def test_a_folder_that_holds_no_viewer_is_named_at_the_start(
    tmp_path: Path, files: dict[str, str] | None, words: str
) -> None:
    folder = tmp_path / "viewer"
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    if files is not None:
        folder.mkdir(exist_ok=True)
    config = tmp_path / "config.toml"
    config.write_text('[node]\nport = 0\n[web]\nport = 0\nviewer = "viewer"\n')
    done = run("serve", "-c", config)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"minipacs: {config}: [web] viewer: {folder}: ")
    assert words.format(folder=folder) in line


def test_a_folder_that_cannot_be_looked_at_is_named_too(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[web]\nport = 0\nviewer = "{"a" * 300}"\n')
    done = run("serve", "-c", config)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("cannot be read: File name too long")


def test_dicomweb_does_not_lie_where_the_viewer_does(dist: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[web]\nport = 0\nviewer = "{dist}"\nuri_path = "/ohif/wado"\n')
    done = run("serve", "-c", config)
    assert done.returncode == 2
    assert "[web] uri_path: takes another one than /ohif/wado" in done.stderr


def test_a_build_for_the_viewers_own_path_is_given_as_it_is(tmp_path: Path) -> None:
    page = PAGE.replace('="/', '="/ohif/')
    folder = build(tmp_path / "dist", **{"index.html": page})
    tables = {"web": {"port": 0, "viewer": str(folder)}}
    with running_node(tmp_path / "node", tables) as node:
        web = Web(node)
        for name, content in (("index.html", page), (HASHED, FILES[HASHED])):
            assert web.get(f"{web.origin}/ohif/{name}").text == content


def test_a_viewer_is_given_to_who_may_retrieve(dist: Path, tmp_path: Path) -> None:
    """At its page a browser asks for the password that all it asks for then is sent with."""
    users = {name: {"password": credentials.hashed(name), "allow": allow} for name, allow in (
        ("anna", ["find", "retrieve"]), ("bert", ["find"]),
    )}  # fmt: skip
    tables = {"web": {"port": 0, "viewer": str(dist), "auth": "basic"}, "users": users}
    with running_node(tmp_path / "node", tables) as node:
        web = Web(node)
        for path in ("", "viewer", HASHED):
            url = f"{web.origin}/ohif/{path}"
            refused = web.get(url)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic")
            for name, status in (("anna", 200), ("bert", 403)):
                assert web.session.get(url, auth=(name, name), timeout=60).status_code == status


def test_a_file_is_held_once_however_many_it_is_sent_to(tmp_path: Path) -> None:
    file = ViewerFile(build(tmp_path) / HASHED, True)
    first = body_of(file, True)
    assert body_of(file, True) is first
    assert body_of(file, False) is not first
    assert max(map(len, Body(bytes(3 << 20), "").chunks())) == 1 << 18
    before = first.content
    del first
    file.path.write_text("other")
    assert body_of(file, True).content != before
