"""How receivers can tell that a webhook is ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.settings import Settings
from mam.transcoding.webhook_signing import OLD_HEADER, Signer, old_signature

MESSAGE, MOMENT, BODY = "evt_1f0c9a7be2d4_1_ready", 1700000000, b'{"type": "video.ready"}'


def headers(secret: str, message: str = MESSAGE, moment: int = MOMENT, body: bytes = BODY) -> dict[str, str]:
    values: dict[str, Any] = {"transcode_api_key": "the key of the tests is no secret", "webhook_secret": secret}
    return Signer.of(Settings.model_validate(values)).headers(message, moment, body)


def expected(key: bytes, message: str, moment: str, body: bytes) -> str:
    """By the text of the specification, and none of the product's code."""
    signed = message.encode("ascii") + b"." + moment.encode("ascii") + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


@given(st.binary(min_size=1, max_size=64), st.integers(0, 1 << 40), st.binary(max_size=200))
def test_a_secret_of_the_standard_is_the_key_that_its_base64_says(key: bytes, moment: int, body: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    found = headers(secret, MESSAGE, moment, body)
    assert (found["webhook-id"], found["webhook-timestamp"]) == (MESSAGE, str(moment))
    assert found["webhook-signature"] == expected(key, MESSAGE, str(moment), body)


@pytest.mark.parametrize("secret", ["the receiver knows it too", "c2VjcmV0", "ключ"])
def test_any_other_secret_is_the_key_as_it_is_written(secret: str) -> None:
    assert headers(secret)["webhook-signature"] == expected(secret.encode(), MESSAGE, str(MOMENT), BODY)


def test_the_signature_is_the_one_that_the_standards_own_libraries_test_with() -> None:
    found = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign() -> None:
    new, old = (expected(key, MESSAGE, str(MOMENT), BODY) for key in (b"new", b"old"))
    assert headers("new,old")["webhook-signature"] == f"{new} {old}"


@pytest.mark.parametrize("changed", [("s", "evt_2"), ("s", MESSAGE, 8), ("s", MESSAGE, MOMENT, b"{ }"), ("other",)])
def test_another_secret_id_moment_or_body_has_another_signature(changed: tuple[Any, ...]) -> None:
    assert headers(*changed)["webhook-signature"] != headers("s")["webhook-signature"]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_=", "whsec_no base64", "good,whsec_abc"])
def test_a_secret_that_only_begins_like_one_of_the_standard_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_SECRET has no base64") as refused:
        headers(secret)
    assert "no base64 behind whsec_" in str(refused.value)


def test_the_old_header_goes_by_the_secret_as_it_is_written() -> None:
    secret = "whsec_" + base64.b64encode(b"key").decode()
    digest = hmac.new(secret.encode(), f"{MOMENT}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert headers(secret)[OLD_HEADER] == f"t={MOMENT},v1={digest}"


def test_the_old_signature_is_the_one_that_receivers_compute() -> None:
    # By `printf '1700000000.{}' | openssl dgst -sha256 -hmac secret`.
    digest = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
    assert old_signature([b"secret"], 1700000000, b"{}") == f"t=1700000000,v1={digest}"


def test_while_a_secret_is_replaced_both_sign_in_the_old_header() -> None:
    old, new = (old_signature([secret], 7, b"{}").partition(",")[2] for secret in (b"old", b"new"))
    assert old_signature([b"new", b"old"], 7, b"{}") == f"t=7,{new},{old}"


@pytest.mark.parametrize("changed", [([b"other"], 7, b"{}"), ([b"s"], 8, b"{}"), ([b"s"], 7, b"{ }")])
def test_another_secret_moment_or_body_has_another_old_signature(changed: tuple[list[bytes], int, bytes]) -> None:
    assert old_signature(*changed).rpartition("v1=")[2] != old_signature([b"s"], 7, b"{}").rpartition("v1=")[2]
