"""[index] and [store]: what is taken, what is refused, and what nobody gets to see."""

from pathlib import Path

import pytest
from support import minipacs
from support.node import RunningNode

from scp.config import without_password
from scp.config.loader import ConfigError, fixed, load, renewed, warnings
from scp.config.schema import Settings
from scp.web.page.node import _configuration

INDEX = '[index]\nurl = "postgresql://pacs:s3cret@db1,db2:5433/minipacs"\n'
FOLDER = '[store]\nurl = "file:///mnt/pacs"\n'
BUCKET = (
    '[store]\nurl = "s3://bucket/a/b"\nendpoint = "https://s3.example.org"\nkeys = "keys.toml"\n'
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(path: Path, text: str) -> Settings:
    path.write_text(text, "utf-8")
    return load(path)


def faults(path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(path, text)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


BAD = [
    # text, how the line begins, words in it
    (INDEX, "[store]: missing", "takes [index] and [store]"),
    (FOLDER, "[index]: missing", "takes [index] and [store]"),
    (INDEX.replace("postgresql", "mysql") + FOLDER, "[index] url: takes the address of PostgreSQL",
     "such as"),
    (INDEX + 'schema = "Upper"\n' + FOLDER, "[index] schema: takes a name of 1 to 40", "digits"),
    (INDEX + 'schema = "1st"\n' + FOLDER, "[index] schema: takes a name of 1 to 40", "digits"),
    ("[index]\n" + FOLDER, "[index] url: missing", "takes the address of PostgreSQL"),
    (INDEX + '[store]\nurl = "/mnt/pacs"', "[store] url: takes s3://BUCKET", 'not "/mnt/pacs"'),
    (INDEX + '[store]\nurl = "s3://Bucket"', "[store] url: takes s3://BUCKET", "not"),
    (INDEX + '[store]\nurl = "s3://bucket//a"', "[store] url: takes s3://BUCKET", "not"),
    (INDEX + FOLDER + 'keys = "k"', "[store] keys: is for s3://", "url is file:///mnt/pacs"),
    (INDEX + FOLDER + 'region = "eu"', "[store] region: is for s3://", "file:"),
    (INDEX + FOLDER + 'cache = "c"\ncache_bytes = 1', "[store] cache: is for s3://", "file:"),
    (INDEX + BUCKET.replace("endpoint", "# endpoint"), "[store] endpoint: missing", "URL of a st"),
    (INDEX + BUCKET.replace("keys", "# keys"), "[store] keys: missing", "the path of a TOML file"),
    (INDEX + BUCKET + 'cache = "c"', "[store] cache_bytes: missing", "or neither"),
    (INDEX + BUCKET + "cache_bytes = 1", "[store] cache: missing", "or neither"),
    (INDEX + BUCKET + 'bucket = "b"', "[store] bucket: unknown key", "takes url, endpoint, region"),
    (INDEX + FOLDER + "[storage]\nsync = false", "[storage] sync: is true with", "durably"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "begins", "words"), BAD)
def test_what_does_not_go_together_is_refused_by_its_key(
    config: Path, text: str, begins: str, words: str
) -> None:
    (line,) = faults(config, text)
    assert line.startswith(begins)
    assert words in line


@pytest.mark.parametrize("store", [FOLDER, BUCKET])
def test_a_worklist_has_no_folder_there_but_one_that_is_named(config: Path, store: str) -> None:
    assert loaded(config, INDEX + store + "[worklist]\n[orders]").worklist_folder is None
    named = loaded(config, INDEX + store + '[worklist]\nfolder = "/mnt/worklist"')
    assert named.worklist_folder == Path("/mnt/worklist")
    assert loaded(config, "[worklist]").worklist_folder == config.parent / "data" / "worklist"


def test_what_is_left_out_is_the_archive_in_the_folder(config: Path) -> None:
    settings = loaded(config, "")
    assert (settings.index, settings.store) == (None, None)


@pytest.mark.parametrize("store", [FOLDER, BUCKET])
def test_both_are_taken_and_change_with_a_start(config: Path, store: str) -> None:
    before, after = loaded(config, ""), loaded(config, INDEX + store)
    assert after.index
    assert after.index.schema_name == "minipacs"
    assert fixed(before, after) == [
        f"{config}: [{name}]: takes effect at the next start" for name in ("index", "store")
    ]
    kept = renewed(before, after)
    assert (kept.index, kept.store) == (None, None)


def test_what_travels_unencrypted_or_is_read_by_others_is_told(config: Path) -> None:
    (config.parent / "keys.toml").write_text("")
    (config.parent / "keys.toml").chmod(0o640)
    settings = loaded(config, INDEX + BUCKET.replace("https", "http"))
    unencrypted, read_by_others = warnings(settings)
    assert "[store] endpoint is http://s3.example.org: patient data travels" in unencrypted
    assert "others may read" in read_by_others
    (config.parent / "keys.toml").chmod(0o600)
    assert warnings(loaded(config, INDEX + BUCKET)) == []


SHOWN = [
    ("postgresql://a:b@h/d", "postgresql://a:***@h/d"),
    ("postgresql://a:b@c@h1:1,h2:2/d", "postgresql://a:***@h1:1,h2:2/d"),
    ("postgres://:b@h", "postgres://:***@h"),
    ("postgresql://h/d?user=a&password=b&sslmode=require",
     "postgresql://h/d?user=a&password=***&sslmode=require"),
    ("postgresql://h/d?sslpassword=b", "postgresql://h/d?sslpassword=***"),
    ("postgresql://a@h/d?passfile=/etc/pgpass", "postgresql://a@h/d?passfile=/etc/pgpass"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "shown"), SHOWN)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_the_page_shows_the_address_without_its_password(config: Path) -> None:
    shown = list(_configuration(loaded(config, INDEX + FOLDER)))
    assert {"table": "[index]", "key": "url",
            "value": "postgresql://pacs:***@db1,db2:5433/minipacs"} in shown  # fmt: skip
    assert "s3cret" not in str(shown)


@pytest.mark.parametrize(
    "text",
    [INDEX + FOLDER, INDEX.replace("//", "/") + FOLDER, INDEX + INDEX.replace("[index]\n", ""),
     'index = "postgresql://pacs:s3cret@db1"', INDEX + "port = 5432\n" + FOLDER],
    ids=["right", "wrong", "twice", "no table", "unknown key"],
)  # fmt: skip
def test_no_command_shows_the_password(tmp_path: Path, text: str) -> None:
    node = RunningNode(tmp_path)
    node.config.write_text(text)
    for options in ((), ("--json",)):
        done = minipacs("config", node, *options)
        assert "s3cret" not in done.stdout + done.stderr
        is_right = done.returncode == 0
        assert ("postgresql://pacs:***@db1,db2:5433/minipacs" in done.stdout) == is_right
    try:
        shown = repr(load(node.config))
    except ConfigError as error:
        shown = repr(error)
    assert "s3cret" not in shown
