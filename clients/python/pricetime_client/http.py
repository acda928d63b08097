"""Orders and questions over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from .auth import Bearer, Signed


class ProblemError(Exception):
    """The service refused a request (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code: str = problem.get("code", "")
        self.problem = problem


class UnknownOutcomeError(Exception):
    """The outcome is not known after all patience: send the same again later."""


@dataclass(frozen=True)
class Placed:
    """An order that is committed."""

    order_id: int
    client_order_id: str
    duplicate: bool


class Client:
    """A connection to one service. Not to be shared between threads."""

    def __init__(
        self, url: str, patience: float = 60.0, timeout: float = 10.0, *, key: str | None = None, sign: bool = False
    ) -> None:
        """``patience``: how long a request that is safe to repeat is repeated, in seconds. ``key``: the token of an API
        key; with ``sign`` it is not sent, but signs each request."""
        self._url = url.rstrip("/")
        self._patience = patience
        self._timeout = timeout
        self._session = requests.Session()
        if key is not None:
            self._session.auth = Signed(key) if sign else Bearer(key)

    def place(self, symbol: str, side: str, *, client_order_id: str | None = None, **fields: Any) -> Placed:
        """Places an order once, however often it is sent. Other fields are those of the API, decimals as text."""
        name = client_order_id or uuid.uuid4().hex
        body = {"symbol": symbol, "side": side, "client_order_id": name, **fields}
        answer = self._repeat("POST", "/api/orders/", body)
        return Placed(answer["order_id"], name, answer["duplicate"])

    def cancel(self, order_id: int, reason: str | None = None) -> dict[str, Any]:
        """Cancels what is left of an order."""
        return self._repeat("POST", f"/api/orders/{order_id}/cancel/", {} if reason is None else {"reason": reason})

    def order(self, order_id: int) -> dict[str, Any]:
        """An order as it is now."""
        return self.get(f"/api/orders/{order_id}/")["order"]

    def depth(self, symbol: str, limit: int = 5000) -> dict[str, Any]:
        """A market's levels."""
        return self.get(f"/api/symbols/{symbol}/depth/", limit=limit)

    def events(self, after: int = 0, limit: int = 1000, wait_ms: int = 10_000) -> Iterator[list[dict[str, Any]]]:
        """The rows of the event log behind a cursor, in lists, for ever. An empty list: nothing came for a while."""
        while True:
            page = self._repeat(
                "GET", "/api/events/", None, {"after": after, "limit": limit, "wait_ms": wait_ms}, wait_ms
            )
            after = page["next"]
            yield page["events"]

    def keep_position(self, consumer: str, position: int) -> dict[str, Any]:
        """Has the service keep a consumer's position."""
        return self._repeat("PUT", f"/api/consumers/{consumer}/position/", {"position": position})

    def position(self, consumer: str) -> int:
        """The position that the service keeps of a consumer; 0 for one that it does not know."""
        try:
            return self.get(f"/api/consumers/{consumer}/position/")["position"]
        except ProblemError as error:
            if error.code == "UNKNOWN_CONSUMER":
                return 0
            raise

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Any question."""
        return self._repeat("GET", path, None, parameters)

    def _repeat(
        self, method: str, path: str, body: Any, parameters: dict[str, Any] | None = None, wait_ms: int = 0
    ) -> dict[str, Any]:
        """Sends a request that may be sent twice until its outcome is known."""
        deadline = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                answer = self._session.request(
                    method, self._url + path, json=body, params=parameters, timeout=self._timeout + wait_ms / 1000
                )
                if answer.status_code == 429:
                    pause = float(answer.headers.get("Retry-After", pause))
                elif answer.status_code < 500 or answer.status_code == 501:
                    return self._read(answer)
                failure: str = answer.text
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                failure = str(error)
            if time.monotonic() > deadline:
                raise UnknownOutcomeError(f"{method} {path}: {failure}")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    @staticmethod
    def _read(answer: requests.Response) -> dict[str, Any]:
        content = answer.json()
        if answer.status_code >= 400:
            raise ProblemError(answer.status_code, content)
        return content
