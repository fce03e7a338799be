"""The keys that playback tokens are signed with: our own, and those of operators' back ends (RFC 7517)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import jwt
from pydantic import BaseModel, Field, ValidationError

from mam.credentials.key_lists import listed_keys

# The algorithm of a key follows from its type, never from a token: a public key is no secret of an HMAC.
_ALGORITHMS = {("oct", ""): "HS256", ("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", ""): "RS256"}
_OTHER_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864
LEAST_SECRET_BYTES = 32
LEAST_RSA_BITS = 2048
MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what its tokens may grant. `prefixes`: of `bucket/key`; times: Unix seconds."""

    kid: str
    algorithm: str
    material: Any  # as PyJWT takes it
    prefixes: tuple[str, ...] = ("",)
    begins: float = 0
    expires: float = inf

    def may_grant(self, subject: str, now: float) -> bool:
        return self.begins <= now < self.expires and subject.startswith(self.prefixes)


Keys = Mapping[str, Key]


class _JsonKey(BaseModel):
    """The members of a JSON Web Key that are not its material. `nbf`, `exp` and `prefixes` are our own."""

    kid: str = Field(min_length=1, max_length=100)
    kty: str
    crv: str = ""
    alg: str | None = None
    nbf: float = 0
    exp: float = inf
    prefixes: list[str] = Field(default=[""], min_length=1)


def own_keys(secrets: Iterable[bytes]) -> dict[str, Key]:
    """The keys of tokens that this service issues, the signing one first. `secrets`: those of PLAYBACK_SECRET."""
    # Derived: a key has its full length whatever the secret's, and each use of a secret has a key of its own.
    keys = [hmac.digest(secret, b"playback token", "sha256") for secret in secrets]
    named = [Key(f"mam-{hashlib.sha256(key).hexdigest()[:8]}", "HS256", key) for key in keys]
    return {key.kid: key for key in named}


def read_keys(text: str) -> dict[str, Key]:
    """The keys of a JSON Web Key Set. Raises ValueError in words that say what is wrong."""
    keys: dict[str, Key] = {}
    for at, each in enumerate(listed_keys(text, form="a JSON Web Key Set:", most=MOST_KEYS)):
        try:
            key = _read(each)
        except ValueError as error:
            raise ValueError(f"key {at + 1}: {error}") from error
        if key.kid in keys:
            raise ValueError(f"key {at + 1}: another one has the kid {key.kid!r}")
        keys[key.kid] = key
    return keys


def _read(value: object) -> Key:
    try:
        found = _JsonKey.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from error
    algorithm = _ALGORITHMS.get((found.kty, found.crv if found.kty in ("OKP", "EC") else ""))
    if algorithm is None:
        raise ValueError("its type must be oct, RSA, OKP with Ed25519 or EC with P-256")
    if found.alg is not None and _OTHER_NAMES.get(found.alg, found.alg) != algorithm:
        raise ValueError(f"alg must be {algorithm} for such a key, not {found.alg!r}")
    assert isinstance(value, dict)
    if algorithm != "HS256" and "d" in value:
        raise ValueError("it is a private key: publish the public one, and keep this one where tokens are signed")
    try:
        material = jwt.PyJWK({**value, "alg": algorithm}).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if algorithm == "HS256" and len(material) < LEAST_SECRET_BYTES:
        raise ValueError(f"its secret has less than {LEAST_SECRET_BYTES} bytes")
    if algorithm == "RS256" and material.key_size < LEAST_RSA_BITS:
        raise ValueError(f"it has less than {LEAST_RSA_BITS} bits")
    return Key(found.kid, algorithm, material, tuple(found.prefixes), found.nbf, found.exp)
