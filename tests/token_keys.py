"""Keys of signers of playback tokens, and how a set of keys lists them."""

from __future__ import annotations

from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "0123456789abcdef0123456789abcdef"
ED, EC, RSA = (
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(65537, 2048),
)
ALGORITHMS: dict[str, tuple[Any, str]] = {
    "ed": (ED, "EdDSA"), "ec": (EC, "ES256"), "rsa": (RSA, "RS256"), "oct": (SECRET, "HS256"),
}  # fmt: skip


def public_jwk(kid: str, **more: Any) -> dict[str, Any]:
    private, name = ALGORITHMS[kid]
    key = private if name == "HS256" else private.public_key()
    return {**jwt.get_algorithm_by_name(name).to_jwk(key, as_dict=True), "kid": kid, **more}


def key_set(**more: Any) -> dict[str, Any]:
    return {"keys": [public_jwk(kid, **more) for kid in ALGORITHMS]}
