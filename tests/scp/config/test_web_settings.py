"""[web] and [users]: what would let anybody in is refused, and what changes is taken at SIGHUP."""

from pathlib import Path

import pytest
from support.checks.web_access import kept

from scp.config import ConfigError, Right, Settings, User, credentials, editing, loader

WEB = "[web]\nport = 8042\n"
TLS = '[tls]\ncertificate = "a"\nkey = "b"\n'
OUTSIDE = WEB + 'host = "0.0.0.0"\n'
ANNA = f"[users.anna]\npassword = '{kept()}'\n"


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "config.toml"
    path.write_text(text)
    return loader.load(path)


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (OUTSIDE, "[web] auth", '"none" is for a host of this machine, not 0.0.0.0'),
        (OUTSIDE, "[web] auth", 'set it to "basic", "token" or "proxy", or host to "127.0.0.1"'),
        (WEB + 'host = "::"', "[web] auth", "not ::"),
        (OUTSIDE + 'auth = "basic"', "[web] auth", "would travel unencrypted to 0.0.0.0"),
        (OUTSIDE + 'auth = "token"', "[web] auth", "set tls to true, trusted_proxies to"),
        (OUTSIDE + 'auth = "proxy"', "[web] auth", "takes the addresses of the proxies in"),
        (WEB + 'auth = "proxy"', "[web] auth", '"proxy" takes the addresses of the proxies'),
        (WEB + "tls = true", "[web] tls", "there is no [tls] whose certificate could be shown"),
        (WEB + 'auth = "oidc"', "[web] auth", "none or basic or token or proxy, not"),
        (WEB + 'trusted_proxies = ["proxy"]', "[web] trusted_proxies", "a list of addresses"),
        (WEB + 'user_header = "X_User"', "[web] user_header", "the name of a header"),
        ("[users.'a:b']", '[users."a:b"]', "takes a user name: 1 to 64 letters"),
        ("[users.anna]\npassword = 'secret'", "[users.anna] password", "what `minipacs user add`"),
        ("[users.anna]\ntokens = ['secret']", "[users.anna] tokens", "what `minipacs user token`"),
        ("[users.anna]\nallow = ['echo']", "[users.anna] allow", "a list of find, retrieve, store"),
        ("[users.anna]\nright = 1", "[users.anna] right", "unknown key; [users.anna] takes"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_and_key_and_what_to_do(
    tmp_path: Path, text: str, where: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path / 'config.toml'}: {where}")
    assert words in line


@pytest.mark.parametrize(
    "text",
    [
        WEB, WEB + 'host = "127.0.1.1"', WEB + 'host = "::1"', WEB + 'host = "localhost"',
        OUTSIDE + 'auth = "basic"\ntls = true\n' + TLS,
        OUTSIDE + 'auth = "token"\ntrusted_proxies = ["10.0.0.1"]',
        OUTSIDE + 'auth = "proxy"\ntrusted_proxies = ["10.0.0.0/24", "::1"]',
    ],
)  # fmt: skip
def test_what_is_safe_is_taken(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).web


def test_what_should_be_done_knowingly_is_told(tmp_path: Path) -> None:
    def found(text: str) -> list[str]:
        return [one for one in loader.warnings(loaded(tmp_path, text)) if one.startswith("[web]")]

    assert not found(WEB)
    (nobody,) = found(WEB + 'auth = "basic"')
    assert "`minipacs user add NAME` makes one" in nobody
    assert not found(WEB + 'auth = "basic"\n' + ANNA)
    (nobody,) = found(WEB + 'auth = "token"\n' + ANNA)
    assert "no table of [users] has tokens" in nobody
    (plain,) = found(OUTSIDE + 'auth = "proxy"\ntrusted_proxies = ["10.0.0.1"]\n')
    assert "travels unencrypted to the proxies" in plain


def test_a_user_only_looks_unless_more_is_said(tmp_path: Path) -> None:
    users = loaded(tmp_path, "[users.anna]\n[users.'bert@x.org']\nallow = []").users
    assert users["anna"] == User()
    assert users["anna"].allow == {Right.FIND, Right.RETRIEVE, Right.PAGE}
    assert not users["bert@x.org"].allow


@pytest.mark.parametrize(
    ("fresh", "is_taken"),
    [
        (WEB + 'auth = "basic"\n', True), (WEB + "store = false\n", True),
        (WEB.replace("8042", "8043") + 'auth = "basic"\n', False),
        # Who may ask was said for another address.
        (WEB + 'host = "127.0.0.2"\n', False), ("", False),
        # Its certificate comes with the next start.
        (WEB + "tls = true\n" + TLS + "port = 2762\n", False), (WEB + "tls = true\n" + TLS, True),
    ],
)  # fmt: skip
def test_at_sighup_all_is_taken_but_for_another_address(
    tmp_path: Path, fresh: str, is_taken: bool
) -> None:
    old, new = loaded(tmp_path, WEB), loaded(tmp_path, fresh + ANNA)
    found = loader.renewed(old, new)
    assert found.users == new.users
    assert (found.web == new.web) is is_taken
    assert (found.web == old.web) is not is_taken
    told = [line for line in loader.fixed(old, new) if "[web]" in line]
    assert bool(told) is not is_taken


def test_a_user_changes_in_place_and_comes_and_goes_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    before = (
        f"# a\n[users.bert]  # b\n# c\nallow = []  # d\n\n# e\n[[forward]]\nto = ['A']\n\n{WEB}"
    )
    path.write_text("[peers.A]\nhost = 'a'\nport = 1\n" + before)
    editing.add_table(path, "users", "anna", {"password": kept()})
    digest = credentials.digest_of_token("x")
    editing.change_table(path, "users", "bert", lambda _: {"tokens": [digest]})
    settings = loader.load(path)
    assert settings.users == {
        "bert": User(tokens=(digest,), allow=frozenset()), "anna": User(password=kept()),
    }  # fmt: skip
    editing.change_table(path, "users", "bert", lambda values: {"tokens": []})
    editing.remove_table(path, "users", "anna")
    text = path.read_text()
    assert "# c\nallow = []  # d\ntokens = []\n" in text
    assert text.replace("tokens = []\n", "").endswith(before)
    with pytest.raises(ConfigError, match="there is no such table"):
        editing.change_table(path, "users", "carl", lambda values: values)
