"""Keys from the outside: bearer tokens, signatures, sockets, an account's own key.

MATCHING_BASE_URL=… MATCHING_API_KEY=<admin> DESK_KEY=<trade,read of the account desk> python api_tests/access_check.py
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))

from pricetime_client import Client, Feed, ProblemError  # noqa: E402

BASE_URL = os.environ["MATCHING_BASE_URL"]
SOCKET = BASE_URL.replace("http", "ws", 1) + "/api/ws/"
ADMIN, DESK = os.environ["MATCHING_API_KEY"], os.environ["DESK_KEY"]
ORDER = {"op": "place", "symbol": "BTC_USDT", "side": "BUY", "price": "10", "quantity": "1"}


def refused(status: int, code: str, call: Any) -> None:
    """Holds that a call is refused so."""
    try:
        call()
    except ProblemError as problem:
        assert (problem.status, problem.code) == (status, code), problem
        return
    raise AssertionError(f"not refused with {code}")


def ask(socket: ClientConnection, **request: Any) -> dict[str, Any]:
    """A request over a socket, and its reply."""
    socket.send(json.dumps({"id": 1, **request}))
    while True:
        message = json.loads(socket.recv(timeout=10))
        if message.get("type") == "reply":
            return message


def over_http() -> None:
    """Tokens and signatures, each once."""
    for sign in (False, True):
        admin, desk = Client(BASE_URL, key=ADMIN, sign=sign), Client(BASE_URL, key=DESK, sign=sign)
        placed = [desk.place("BTC_USDT", "BUY", price="10", quantity="1") for _ in range(20)]
        assert desk.order(placed[0].order_id)["account"] == "desk"
        other = admin.place("BTC_USDT", "BUY", price="10", quantity="1", account="other").order_id
        refused(404, "UNKNOWN_ORDER", lambda desk=desk, other=other: desk.cancel(other, "not mine"))
        refused(
            403, "WRONG_ACCOUNT", lambda desk=desk: desk.place("BTC_USDT", "BUY", price="1", quantity="1", account="o")
        )
        refused(403, "FORBIDDEN", lambda desk=desk: desk.get("/api/debug/state/"))
        for order in placed:
            assert desk.cancel(order.order_id)["status"] == "CANCELLED"
        assert admin.cancel(other)["status"] == "CANCELLED"
    wrong = DESK[:-1] + ("0" if DESK[-1] != "0" else "1")
    for sign in (False, True):
        refused(401, "UNAUTHORIZED", lambda sign=sign: Client(BASE_URL, key=wrong, sign=sign).get("/api/symbols/"))
    refused(401, "UNAUTHORIZED", lambda: Client(BASE_URL).get("/api/symbols/"))


def over_a_socket() -> None:
    """A header, or a first message."""
    for sign in (False, True):
        with Feed(BASE_URL.replace("http", "ws", 1), ["book:BTC_USDT"], key=DESK, sign=sign) as feed:
            assert feed.next(timeout=10) is not None
    with connect(SOCKET) as socket:
        assert ask(socket, op="subscribe", channels=["book:BTC_USDT"])["status"] == 401
        assert ask(socket, op="batch", items=[ORDER])["status"] == 401
        assert ask(socket, op="auth", token=DESK)["status"] == 200
        assert ask(socket, op="auth", token=ADMIN)["status"] == 400
        assert ask(socket, op="subscribe", channels=["book:BTC_USDT", "orders:desk"])["status"] == 200
        for channel in ("events", "orders:other"):
            reply = ask(socket, op="subscribe", channels=[channel])
            assert (reply["status"], reply["body"]["code"]) == (403, "WRONG_ACCOUNT"), reply
        items = [ORDER, {**ORDER, "account": "other"}]
        reply = ask(socket, op="batch", ack="committed", items=items)
        assert [item["http_status"] for item in reply["body"]["results"]] == [200, 403], reply
    with connect(SOCKET) as socket:
        assert ask(socket, op="auth", token="pt_no_key")["status"] == 401
        closed(socket)
    with connect(SOCKET) as socket:
        # Nothing is shown: the service waits ten seconds.
        assert closed(socket)["code"] == "UNAUTHORIZED"
    for header in (
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {ADMIN}", "Origin": "http://evil.test"},
    ):
        try:
            connect(SOCKET, additional_headers=header)
        except InvalidStatus as error:
            assert error.response.status_code == (403 if "Origin" in header else 401), error
        else:
            raise AssertionError(f"let in with {header}")


def closed(socket: ClientConnection) -> dict[str, Any]:
    """The last message before the service closes the socket."""
    last: dict[str, Any] = {}
    try:
        while True:
            last = json.loads(socket.recv(timeout=30))
    except ConnectionClosed:
        return last


if __name__ == "__main__":
    over_http()
    over_a_socket()
    print("ok: keys let in whom they should, over HTTP and sockets")
