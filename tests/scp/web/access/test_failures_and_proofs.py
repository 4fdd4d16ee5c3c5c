"""Passwords, tokens, tries in vain, and where a request comes from; without a node."""

from typing import Any

import pytest

from scp.config import Web, credentials
from scp.web.request.access import Connection, TooManyError
from scp.web.request.access.failures import Failures
from scp.web.request.access.verified import Verified


def test_a_password_is_kept_as_what_does_not_tell_it_and_is_known_again() -> None:
    kept = credentials.hashed("Grüße vom Röntgen")
    assert credentials.hashed("Grüße vom Röntgen") != kept
    assert credentials.is_password("Grüße vom Röntgen", kept)
    # The same letters, as another keyboard gives them.
    assert credentials.is_password("Gru\u0308ße vom Ro\u0308ntgen", kept)
    assert not credentials.is_password("Grüße vom Röntgen ", kept)
    assert not credentials.is_password("", credentials.NOBODYS)


def test_a_token_is_kept_by_its_digest() -> None:
    one, other = credentials.new_token(), credentials.new_token()
    assert one != other
    assert one not in credentials.digest_of_token(one)
    assert credentials.id_of_token(credentials.digest_of_token(one)) in credentials.digest_of_token(
        one
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tried(failures: Failures, address: str, name: str, count: int) -> int:
    """How many of so many tries in vain were let through."""
    done = 0
    for _ in range(count):
        try:
            failures.begin(address, name)
        except TooManyError:
            break
        done += 1
    return done


def test_who_tries_on_is_told_to_wait_and_ever_longer() -> None:
    clock = Clock()
    failures = Failures(clock)
    assert tried(failures, "10.0.0.1", "anna", 100) == 10
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyError) as caught:
            failures.begin("10.0.0.1", "anna")
        waits.append(int(caught.value.headers["Retry-After"]))
        clock.now += waits[-1]
        failures.begin("10.0.0.1", "anna")
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_others_are_not_kept_out_but_from_the_same_address_by_the_same_name() -> None:
    failures = Failures(Clock())
    tried(failures, "10.0.0.1", "anna", 100)
    failures.begin("10.0.0.2", "anna")
    failures.begin("10.0.0.1", "bert")
    with pytest.raises(TooManyError):
        failures.require("10.0.0.1", "anna")
    failures.require("10.0.0.1", "bert")


def test_many_names_from_one_address_are_as_many_tries() -> None:
    failures = Failures(Clock())
    assert sum(tried(failures, "10.0.0.1", f"user{n}", 1) for n in range(100)) == 40
    # Of IPv6 one customer has a network.
    assert sum(tried(failures, f"2001:db8::{n:x}", f"user{n}", 1) for n in range(1, 99)) == 40


def test_a_right_one_takes_back_what_was_counted_and_time_does() -> None:
    clock = Clock()
    failures = Failures(clock)
    for _ in range(200):
        failures.begin("10.0.0.1", "anna")
        failures.forgive("10.0.0.1", "anna")
    tried(failures, "10.0.0.1", "anna", 100)
    clock.now += 901
    assert tried(failures, "10.0.0.1", "anna", 100) == 10


def test_it_remembers_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scp.web.request.access.failures._MOST_KEYS", 10)
    failures = Failures(Clock())
    for number in range(1000):
        failures.begin(f"10.0.{number // 256}.{number % 256}", "anna")
    assert len(failures._tries) == 10


def test_what_was_found_right_is_known_and_nothing_like_it() -> None:
    verified = Verified()
    verified.note("10.0.0.1", "anna", "secret")
    assert verified.knows("10.0.0.1", "anna", "secret")
    for parts in (("10.0.0.1", "anna", "Secret"), ("10.0.0.2", "anna", "secret"),
                  ("10.0.0.1", "annas", "ecret"), ("10.0.0.1anna", "", "secret")):  # fmt: skip
        assert not verified.knows(*parts)
    assert not any(b"secret" in one for one in verified._known)
    for number in range(3000):
        verified.note("a", "b", str(number))
    assert len(verified._known) <= 1024


def connection(peer: str, tls: bool = False, **headers: str) -> Connection:
    web = Web(port=0, tls=tls, trusted_proxies=["127.0.0.1", "10.1.0.0/16", "fd00::/8"])  # type: ignore[arg-type]
    environ: dict[str, Any] = {"REMOTE_ADDR": peer}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return Connection.of(environ, web)


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("192.0.2.7", {}, "192.0.2.7"),
        ("192.0.2.7", {"x_forwarded_for": "10.9.9.9"}, "192.0.2.7"),  # nobody's word
        ("192.0.2.7", {"forwarded": "for=10.9.9.9"}, "192.0.2.7"),
        ("::ffff:192.0.2.7", {}, "192.0.2.7"),
        ("127.0.0.1", {}, "127.0.0.1"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("::ffff:127.0.0.1", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_for": "203.0.113.1, 192.0.2.7"}, "192.0.2.7"),  # the first lied
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7, 10.1.2.3"}, "192.0.2.7"),  # two proxies
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7:5555"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_for": "[2001:db8::7]:5555"}, "2001:db8::7"),
        ("127.0.0.1", {"x_forwarded_for": "'; DROP TABLE"}, "127.0.0.1"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7, unknown"}, "127.0.0.1"),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7;proto=https"}, "192.0.2.7"),
        ("127.0.0.1", {"forwarded": 'for="[2001:db8::7]:1";host=x, for=10.1.0.9'}, "2001:db8::7"),
        ("127.0.0.1", {"forwarded": 'for="a,b;c", for=192.0.2.7'}, "192.0.2.7"),
        # A proxy that writes the one may hand on the other as it came.
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7", "forwarded": "for=1.1.1.1"}, "192.0.2.7"),
        ("127.0.0.1", {"x_forwarded_proto": "http", "forwarded": "for=1.1.1.1"}, "127.0.0.1"),
        ("fd00::1", {"x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("", {}, ""),
    ],
)  # fmt: skip
def test_who_asks_is_the_last_that_is_no_trusted_proxy(
    peer: str, headers: dict[str, str], address: str
) -> None:
    assert connection(peer, **headers).address == address


@pytest.mark.parametrize(
    ("peer", "tls", "headers", "scheme", "host", "is_private"),
    [
        ("192.0.2.7", False, {}, "http", "", False),
        ("192.0.2.7", True, {}, "https", "", True),
        ("127.0.0.2", False, {}, "http", "", True),
        ("192.0.2.7", False, {"x_forwarded_proto": "https"}, "http", "", False),
        ("192.0.2.7", False, {"x_forwarded_host": "evil.example"}, "http", "", False),
        ("10.1.0.1", False, {"x_forwarded_proto": "https"}, "https", "", True),
        ("10.1.0.1", False, {"x_forwarded_proto": "javascript"}, "http", "", True),
        ("10.1.0.1", False, {"x_forwarded_host": "evil.example, Pacs.example"}, "http",
         "pacs.example", True),
        ("10.1.0.1", False, {"forwarded": "proto=https;host=pacs.example"}, "https",
         "pacs.example", True),
    ],
)  # fmt: skip
def test_scheme_and_host_are_a_trusted_proxy_s_word_or_what_is_seen(
    peer: str, tls: bool, headers: dict[str, str], scheme: str, host: str, is_private: bool
) -> None:
    found = connection(peer, tls, **headers)
    assert (found.scheme, found.host, found.is_private) == (scheme, host, is_private)
