"""Showing a credential: the token of an API key, or a signature made with its secret."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time

from requests import PreparedRequest
from requests.auth import AuthBase

SCHEME = "PT-HMAC-SHA256"


class Bearer(AuthBase):
    """Sends the token itself: for connections that are encrypted, or stay on the machine."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self.header()
        return request

    def header(self, method: str = "GET", target: str = "/") -> str:
        """What shows the credential with a request without a body."""
        return f"Bearer {self._token}"


class Signed(AuthBase):
    """Signs each request, so that the secret never leaves this process."""

    def __init__(self, token: str) -> None:
        prefix, self._key, secret = token.split("_")
        if prefix != "pt":
            raise ValueError("this is no token of an API key")
        self._secret = secret.encode()
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        name = request.headers.get("Idempotency-Key", "")
        request.headers["Authorization"] = self.header(
            request.method or "", request.path_url, body.encode() if isinstance(body, str) else body, name
        )
        return request

    def header(self, method: str = "GET", target: str = "/", body: bytes = b"", idempotency_key: str = "") -> str:
        """What shows the credential with a request."""
        timestamp = self._timestamp()
        signature = sign(self._secret, timestamp, method, target, body, idempotency_key)
        return f"{SCHEME} key={self._key}, timestamp={timestamp}, signature={signature}"

    def _timestamp(self) -> int:
        """Microseconds since 1970, never the same twice: equal requests have different signatures."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last


def sign(secret: bytes, timestamp: int, method: str, target: str, body: bytes, idempotency_key: str = "") -> str:
    """The signature of a request, in hexadecimal."""
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join([SCHEME, str(timestamp), method, target, idempotency_key, digest])
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
