"""Verifies the assertion that Gatehouse sends to applications in X-Gatehouse-Assertion.

Needs PyJWT 2.4 or later and cryptography (Debian: python3-jwt, python3-cryptography).
Tried by hand, with a token a line: python3 verify.py ISSUER AUDIENCE KEYS < tokens
"""

import json
import sys
import threading
import time
import urllib.request

import jwt


class AssertionVerifier:
    """Verifies tokens. Make one for the whole process; threads may share it.

    issuer is the origin of server.publicUrl, audience the origin of this application as routes name it (the first, when a
    route lists several), keys the address of /_gate/jwks.json.
    """

    KEEP = 600  # seconds that the keys are kept
    PAUSE = 30  # seconds between two looks for an unknown key

    def __init__(self, issuer, audience, keys):
        self._issuer = issuer
        self._audience = audience
        self._address = keys
        self._keys = {}
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def verify(self, token):
        """The claims of a token, or a jwt.InvalidTokenError: then nobody is signed in."""
        key = self._key(jwt.get_unverified_header(token).get("kid"))
        return jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],  # never what the token itself says
            issuer=self._issuer,
            audience=self._audience,
            leeway=5,
            options={"require": ["sub", "iss", "aud", "iat", "exp"]},
        )

    def _key(self, kid):
        with self._lock:
            age = time.monotonic() - self._asked_at
            if age > self.KEEP or (kid not in self._keys and age > self.PAUSE):
                self._asked_at = time.monotonic()
                self._keys = self._fetch()
            if kid not in self._keys:
                raise jwt.InvalidTokenError("the token names a key that the gateway does not publish")
            return self._keys[kid]

    def _fetch(self):
        try:
            with urllib.request.urlopen(self._address, timeout=2) as answer:
                found = json.load(answer)["keys"]
            return {one["kid"]: jwt.PyJWK(one).key for one in found if one.get("crv") == "Ed25519"}
        except (OSError, ValueError, LookupError) as error:
            raise jwt.InvalidTokenError(f"the keys cannot be fetched: {error}") from error


if __name__ == "__main__":
    verifier = AssertionVerifier(*sys.argv[1:4])
    for line in sys.stdin:
        try:
            print(json.dumps(verifier.verify(line.strip())))
        except jwt.InvalidTokenError as error:
            print(f"refused: {error}")
