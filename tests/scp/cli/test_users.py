"""`minipacs user`: who may ask over HTTP, added, listed, changed and removed in config.toml."""

import json
from pathlib import Path

import pytest
from support.program import run

from scp.config import Right, credentials, loader

CONFIG = "# mine\n[web]\nport = 0\nauth = 'basic'\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def test_a_user_comes_is_changed_and_goes(config: Path) -> None:
    allow = ("--allow", "find,store", "--allow", "retrieve")
    added = run(
        "user", "add", "anna", *allow, "--password-stdin", "-c", config, answer="first one\n"
    )
    assert added.returncode == 0, added.stderr
    assert "first one" not in added.stdout + config.read_text()
    anna = loader.load(config).users["anna"]
    assert anna.allow == {Right.FIND, Right.STORE, Right.RETRIEVE}
    assert anna.password
    assert credentials.is_password("first one", anna.password)
    changed = run("user", "password", "anna", "--password-stdin", "-c", config, answer="the next\n")
    assert changed.returncode == 0, changed.stderr
    kept = loader.load(config).users["anna"].password
    assert kept
    assert credentials.is_password("the next", kept)
    assert run("user", "remove", "anna", "-c", config).returncode == 0
    assert config.read_text() == CONFIG


def test_a_token_is_shown_once_and_taken_back_by_its_name(config: Path) -> None:
    assert run("user", "add", "tool", "--no-password", "-c", config).returncode == 0
    made = [run("user", "token", "tool", "-c", config).stdout.strip() for _ in range(2)]
    assert made[0] not in config.read_text()
    assert loader.load(config).users["tool"].tokens == tuple(map(credentials.digest_of_token, made))
    (listed,) = json.loads(run("user", "list", "--json", "-c", config).stdout)
    assert listed["tokens"] == [
        credentials.id_of_token(credentials.digest_of_token(one)) for one in made
    ]
    assert (listed["user"], listed["password"]) == ("tool", False)
    assert listed["allow"] == ["find", "retrieve", "page"]
    shown = run("user", "list", "-c", config).stdout
    assert listed["tokens"][0] in shown
    revoked = run("user", "token", "tool", "--revoke", listed["tokens"][0], "-c", config)
    assert revoked.returncode == 0, revoked.stderr
    assert loader.load(config).users["tool"].tokens == (credentials.digest_of_token(made[1]),)


def test_what_is_in_force_is_told_without_what_proves_it(config: Path) -> None:
    run("user", "add", "anna", "--password-stdin", "-c", config, answer="first one\n")
    run("user", "token", "anna", "-c", config)
    anna = loader.load(config).users["anna"]
    told = run("config", "-c", config).stdout
    assert "[users.anna] password" in told
    assert str(anna.password) not in told
    assert anna.tokens[0] not in told


@pytest.mark.parametrize(
    ("arguments", "answer", "words"),
    [
        (("add", "anna"), "", "without a terminal it takes --password-stdin, or --no-password"),
        (("add", "anna", "--password-stdin"), "short\n", "takes 8 characters or more"),
        (("add", "a:b", "--no-password"), "", "takes a user name: 1 to 64 letters"),
        (("add", "anna", "--no-password", "--allow", "all"), "", "takes a list of find, retrieve"),
        (("token", "nobody"), "", "[users.nobody]: there is no such table"),
        (("password", "nobody", "--password-stdin"), "long enough\n", "there is no such table"),
        (("remove", "nobody"), "", "[users.nobody]: there is no such table"),
    ],
)  # fmt: skip
def test_what_will_not_do_is_said_and_nothing_is_changed(
    config: Path, arguments: tuple[str, ...], answer: str, words: str
) -> None:
    done = run("user", *arguments, "-c", config, answer=answer)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert config.read_text() == CONFIG
