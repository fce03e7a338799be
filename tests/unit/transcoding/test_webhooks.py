"""Where webhooks may go."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mam.errors import InvalidCallback
from mam.settings import Settings
from mam.transcoding.webhooks import Callbacks, _is_public, target

PUBLIC = "93.184.216.34"


def settings(**values: Any) -> Settings:
    return Settings.model_validate(
        {"transcode_api_key": "the key of the tests is no secret", "webhook_secret": "s", **values}
    )


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names lead to: no test asks a name server."""
    known: dict[str, list[str]] = {}

    def lookup(host: str, port: object, **_: object) -> list[Any]:
        if host not in known:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return known


@pytest.mark.parametrize(
    ("url", "port", "path"),
    [
        ("https://example.com/hooks?a=b", 443, "/hooks?a=b"),
        ("http://example.com", 80, "/"),
        ("http://example.com:8080/x", 8080, "/x"),
    ],
)
def test_a_public_url_is_connected_to_by_the_address_that_was_looked_up(
    names: dict[str, list[str]], url: str, port: int, path: str
) -> None:
    names["example.com"] = [PUBLIC]
    found = target(url, private=False)
    assert (found.address, found.port, found.path) == (PUBLIC, port, path)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "::1", "fd00::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_a_private_address_is_refused_unless_allowed(names: dict[str, list[str]], address: str) -> None:
    names["inside"] = [PUBLIC, address]
    with pytest.raises(InvalidCallback, match="private"):
        target("https://inside/", private=False)
    assert target("https://inside/", private=True).address == PUBLIC


def embeddings(address: ipaddress.IPv4Address) -> list[str]:
    """The IPv6 addresses that lead to an IPv4 address: mapped, 6to4, NAT64 and IPv4-compatible."""
    number = int(address)
    places = [(0xFFFF << 32) | number, (0x2002 << 112) | (number << 80), (0x64FF9B << 96) | number, number]
    return [str(ipaddress.IPv6Address(place)) for place in places]


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("127.0.0.1"))
@example(ipaddress.IPv4Address("169.254.169.254"))
@example(ipaddress.IPv4Address("10.0.0.1"))
@example(ipaddress.IPv4Address(PUBLIC))
def test_an_ipv4_address_is_as_public_as_whatever_holds_it(address: ipaddress.IPv4Address) -> None:
    is_public = address.is_global and not address.is_multicast
    assert {_is_public(str(each)) for each in (address, *embeddings(address))} == {is_public}


NOWHERE = [
    ipaddress.IPv6Network(each) for each in ("64:ff9b:1::/48", "fec0::/10", "5f00::/16", "fc00::/7", "fe80::/10")
]


@given(st.sampled_from(NOWHERE).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_address_of_a_network_without_a_route_is_public(address: ipaddress.IPv6Address) -> None:
    assert not _is_public(str(address))


@given(st.integers(1, 65535))
def test_callers_may_name_the_ports_of_the_web_alone(port: int) -> None:
    url = f"http://{PUBLIC}:{port}/"
    assert target(url, private=True).port == port
    if port in (80, 443) or port >= 1024:
        assert target(url, private=False).port == port
    else:
        with pytest.raises(InvalidCallback, match=f"port {port} "):
            target(url, private=False)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://", "http://user@example.com/",
     "http://example.com:0/", "http://example.com:99999/", "http://[::1/", "http://nowhere.example/", "gopher://x:70/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(names: dict[str, list[str]], url: str) -> None:
    names["example.com"] = [PUBLIC]
    with pytest.raises(InvalidCallback):
        target(url, private=True)


def test_callers_may_not_name_a_private_url_but_the_operator_may(names: dict[str, list[str]]) -> None:
    names["inside"] = ["10.0.0.1"]
    callbacks = Callbacks(settings(webhook_url="http://inside/own"))
    assert callbacks.target("http://inside/own").address == "10.0.0.1"
    with pytest.raises(InvalidCallback):
        callbacks.check("http://inside/other")
    Callbacks(settings(webhook_allow_private=True)).check("http://inside/other")


def test_without_a_secret_no_url_may_be_told(names: dict[str, list[str]]) -> None:
    names["example.com"] = [PUBLIC]
    with pytest.raises(InvalidCallback) as refused:
        Callbacks(settings(webhook_secret=None)).check("https://example.com/")
    assert "WEBHOOK_SECRET" in refused.value.hint
    with pytest.raises(ValueError, match="WEBHOOK_SECRET"):
        settings(webhook_secret=None, webhook_url="https://example.com/")
