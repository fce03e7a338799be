"""Playback tokens: only what a known key signed, for this service, now, and nothing that was changed by a bit."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mam.access.grants import AUDIENCE, MOST_SECONDS
from mam.access.keys import Keys, own_keys, read_keys
from mam.access.tokens import LONGEST, InvalidToken, Tokens
from tests.token_keys import ALGORITHMS, ED, SECRET, key_set, public_jwk

KEYS: Keys = own_keys([b"first", b"second"]) | read_keys(json.dumps(key_set()))


def tokens(keys: Keys = KEYS) -> Tokens:
    return Tokens(lambda: keys)


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "films/paid/", "exp": int(time.time()) + 3000, "aud": AUDIENCE, **more}


def signed(kid: str = "ed", **more: Any) -> str:
    key, algorithm = ALGORITHMS[kid]
    return jwt.encode(claims(**more), key, algorithm, headers={"kid": kid})


def encoded(secret: str | bytes, algorithm: str, kid: str, **more: Any) -> str:
    payload = {name: value for name, value in claims(**more).items() if value is not None}
    return jwt.encode(payload, secret, algorithm, headers={"kid": kid})


def issued(**more: Any) -> str:
    return tokens().issue(claims(**more))


@pytest.mark.parametrize("kid", ALGORITHMS)
def test_a_token_of_a_known_key_is_a_grant(kid: str) -> None:
    grant = tokens().grant(
        signed(kid, vid="a viewer", jti="1", make=["auto"], cc="de", ref=["A.example"], max_height=720, max=3)
    )
    assert (grant.subject, grant.viewer, grant.token_id, grant.key_id) == ("films/paid/", "a viewer", "1", kid)
    assert grant.covers("films/paid/a.mp4")
    assert not grant.covers("films/paidly.mp4")
    assert grant.countries == {"DE"}
    assert grant.hosts == {"a.example"}
    assert (grant.max_height, grant.max_streams) == (720, 3)


def test_a_token_that_was_issued_here_is_a_grant_and_so_is_one_of_an_older_secret() -> None:
    assert tokens().grant(issued(sub="films/a.mp4")).covers("films/a.mp4")
    older = Tokens(lambda: own_keys([b"second"])).issue(claims())
    assert tokens().grant(older).subject == "films/paid/"
    with pytest.raises(InvalidToken, match="key is not known"):
        tokens(own_keys([b"first"])).grant(older)


@pytest.mark.parametrize("kid", ALGORITHMS)
def test_every_flipped_bit_is_refused(kid: str) -> None:
    token, verifier = signed(kid), tokens()
    assert verifier.grant(token)
    for at in range(len(token)):
        for bit in range(8):
            changed = token[:at] + chr(ord(token[at]) ^ (1 << bit)) + token[at + 1 :]
            with pytest.raises(InvalidToken):
                verifier.grant(changed)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_whatever_comes_is_refused_as_a_token(text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens().grant(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.fixed_dictionaries(
    {}, optional={"kid": st.sampled_from(sorted(KEYS)) | JSON, "crit": JSON, "jwk": JSON, "b64": JSON, "typ": JSON}
)
OURS = ("sub", "exp", "nbf", "iat", "jti", "vid", "ip", "ref", "cc", "max_height", "max", "make", "aud")


@given(HEADERS, st.fixed_dictionaries({}, optional=dict.fromkeys(OURS, JSON)))
def test_a_token_with_any_claims_is_a_grant_or_refused(header: dict[str, Any], payload: dict[str, Any]) -> None:
    """Even where a known key signed it: an operator's back end has faults too."""

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    head, body = part({"alg": "HS256", "kid": "oct", **header}), part(claims(**payload))
    signature = jwt.get_algorithm_by_name("HS256").sign(head + b"." + body, SECRET.encode())
    token = b".".join([head, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    try:
        grant = tokens().grant(token)
    except InvalidToken:
        return
    assert header.get("kid", "oct") == "oct"
    assert isinstance(grant.subject, str)


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (encoded("", "none", "ed"), "not a token"),
        # An HMAC whose secret is the public key, which everybody knows.
        (encoded(ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), "HS256", "ed"), "alg value"),
        (encoded(SECRET, "HS256", "ed"), "alg value"),
        (encoded(SECRET * 2, "HS384", "oct"), "alg value"),
        (encoded(SECRET, "HS256", "another"), "key is not known"),
        (jwt.encode(claims(), SECRET, "HS256"), "key is not known"),
        (encoded(SECRET, "HS256", "oct", aud="another"), "audience"),
        (encoded(SECRET, "HS256", "oct", aud=[AUDIENCE, "another"]), "audience"),
        (encoded(SECRET, "HS256", "oct", exp=None), "exp"),
        (encoded(SECRET, "HS256", "oct", sub=None), "sub"),
        (encoded(SECRET, "HS256", "oct", aud=None), "aud"),
        (signed(exp=int(time.time()) - 1), "expired"),
        (signed(exp=int(time.time()) + MOST_SECONDS + 3600), "7 days"),
        (signed(nbf=int(time.time()) + 3600, exp=int(time.time()) + 7200), "not valid yet"),
        (signed(exp=10**400), "claim exp"),
        (signed(nbf=-1), "claim nbf"),
        (signed(sub="films"), "claim sub"),
        (signed(sub="films/a//b"), "claim sub"),
        (signed(ip="all"), "claim ip"),
        (signed(make=["film"]), "claim make"),
        (signed(max_height=0), "claim max_height"),
        (signed(max_height=10_001), "claim max_height"),
        (signed(max_height="540"), "claim max_height"),
        (signed(max_height=True), "claim max_height"),
        (signed(max=1), "claim max needs the claim vid"),
        (signed(max=0, vid="a"), "claim max"),
        (signed(max=1001, vid="a"), "claim max"),
        (signed(max=True, vid="a"), "claim max"),
        (signed(vid="v" * LONGEST), "not a token"),
    ],
    ids=lambda value: "" if value.count(".") == 2 else value,  # a token is another one in each process of the tests
)
def test_what_is_wrong_with_a_token_is_said(token: str, detail: str) -> None:
    with pytest.raises(InvalidToken, match=detail):
        tokens().grant(token)


def test_a_remembered_token_ends_with_its_time_and_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = dict(KEYS)
    verifier, token = Tokens(lambda: keys), signed()
    assert verifier.grant(token)
    with monkeypatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 3001)
        with pytest.raises(InvalidToken, match="expired"):
            verifier.grant(token)
    keys["ed"] = replace(keys["ed"], expires=time.time() - 1)
    with pytest.raises(InvalidToken, match="key"):
        verifier.grant(token)
    del keys["ed"]
    with pytest.raises(InvalidToken, match="key is not known"):
        verifier.grant(token)


def test_a_key_grants_only_its_prefixes() -> None:
    verifier = tokens(read_keys(json.dumps({"keys": [public_jwk("ed", prefixes=["films/paid/"])]})))
    assert verifier.grant(signed(sub="films/paid/a.mp4"))
    for subject in ("films/", "films/paid", "films/other/a.mp4"):
        with pytest.raises(InvalidToken, match="does not permit"):
            verifier.grant(signed(sub=subject))


@pytest.mark.parametrize(
    ("claim", "good", "bad"),
    [
        ({"ip": ["203.0.113.0/24", "2001:db8::/32"]}, {"address": "203.0.113.9"}, {"address": "198.51.100.1"}),
        ({"ip": "203.0.113.7"}, {"address": "::ffff:203.0.113.7"}, {"address": ""}),
        ({"ref": ["app.example.com"]}, {"page": "https://App.example.com/a"}, {"page": "https://example.com"}),
        ({"ref": ["app.example.com"]}, {"page": "https://app.example.com"}, {"page": ""}),
        ({"ref": ["app.example.com"]}, {"page": "http://localhost", "is_ours": True}, {"page": "http://localhost"}),
        ({"ref": ["app.example.com"]}, {"page": "https://app.example.com:8443/a"}, {"page": "http://["}),
        ({"cc": ["DE"]}, {"country": "de"}, {"country": ""}),
    ],
)  # fmt: skip
def test_a_bound_token_admits_where_it_is_bound_to(
    claim: dict[str, Any], good: dict[str, Any], bad: dict[str, Any]
) -> None:
    nowhere: dict[str, Any] = {"address": "", "page": "", "is_ours": False, "country": ""}
    grant = tokens().grant(signed(**claim))
    assert grant.is_bound
    assert grant.admits(**{**nowhere, **good})
    assert not grant.admits(**{**nowhere, **bad})


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        ("", "Key Set"),
        ("[]", "Key Set"),
        ('{"keys": {}}', "list"),
        (json.dumps({"keys": [{"kty": "oct"}]}), "key 1: kid"),
        (json.dumps({"keys": [public_jwk("ed"), public_jwk("ed")]}), "key 2: another"),
        (json.dumps({"keys": [public_jwk("ed", alg="HS256")]}), "alg must be EdDSA"),
        (json.dumps({"keys": [public_jwk("ed", crv="X25519")]}), "type"),
        (json.dumps({"keys": [public_jwk("ed", d="secret")]}), "private"),
        (json.dumps({"keys": [public_jwk("oct", k="c2hvcnQ")]}), "32 bytes"),
        (json.dumps({"keys": [public_jwk("ed", x="?")]}), "cannot be read"),
        (json.dumps({"keys": [public_jwk("ed")] * 101}), "100"),
    ],
    ids=lambda value: "" if "keys" in value else value,  # likewise
)
def test_what_is_wrong_with_a_set_of_keys_is_said(key: str, detail: str) -> None:
    with pytest.raises(ValueError, match=detail):
        read_keys(key)


@given(
    st.text(max_size=300)
    | JSON.map(json.dumps)
    | st.lists(JSON, max_size=3).map(lambda keys: json.dumps({"keys": keys}))
)
def test_any_file_is_a_set_of_keys_or_refused_in_words(text: str) -> None:
    try:
        read_keys(text)
    except ValueError as error:
        assert str(error)
