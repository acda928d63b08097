"""Keys from the outside: bearer tokens, signatures, sockets, an account's own key.

MATCHING_BASE_URL=… MATCHING_API_KEY=<admin> DESK_KEY=<trade,read of the account desk> ADMIN_TOKEN=… \
    python api_tests/access_check.py

The service has RATE_LIMIT_READS=100.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import requests
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
        neither_tells_of_the_other(admin, desk)
    wrong = DESK[:-1] + ("0" if DESK[-1] != "0" else "1")
    for sign in (False, True):
        refused(401, "UNAUTHORIZED", lambda sign=sign: Client(BASE_URL, key=wrong, sign=sign).get("/api/symbols/"))
    refused(401, "UNAUTHORIZED", lambda: Client(BASE_URL).get("/api/symbols/"))


def neither_tells_of_the_other(admin: Client, desk: Client) -> None:
    """Of a trade, a key that is bound to one side sees nothing of the other side but its order's id."""
    others = {"account": "rival", "metadata": "rivals-secret"}
    for side, other_side in (("BUY", "SELL"), ("SELL", "BUY")):
        for first in ("desk", "rival"):
            place = {
                "desk": lambda side=side: desk.place("ETH_USDT", side, price="20", quantity="1", metadata="own words"),
                "rival": lambda side=other_side: admin.place("ETH_USDT", side, price="20", quantity="3", **others),
            }
            ids = {who: place[who]().order_id for who in (first, "rival" if first == "desk" else "desk")}
            assert desk.order(ids["desk"])["status"] == "FILLED"
            explained = desk.get(f"/api/orders/{ids['desk']}/explain/")
            trade = [event for step in explained["life"] for event in step["events"] if event["type"] == "Trade"][0]
            own, other = ("maker", "taker") if first == "desk" else ("taker", "maker")
            assert "rival" not in json.dumps(explained) and f"{other}_remaining" not in trade, explained
            assert (trade[f"{own}_account"], trade[f"{own}_metadata"]) == ("desk", "own words"), trade
            assert trade[f"{other}_order_id"] == ids["rival"]
            whole = admin.get(f"/api/orders/{ids['desk']}/explain/")
            assert json.dumps(whole).count("rivals-secret") == 1, whole
            admin.cancel(ids["rival"])


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
        # Each channel is a question, and there are never more than a second's at once.
        reply = ask(socket, op="subscribe", channels=["book:BTC_USDT"] * 101)
        assert (reply["status"], reply["body"]["code"]) == (429, "RATE_LIMITED"), reply
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


def in_a_session(token: str) -> None:
    """What was opened with a session's cookie ends at once when its owner logs out; nobody else's does."""
    log_in = requests.post(f"{BASE_URL}/api/session/", json={"token": token}, timeout=10)
    other = requests.post(f"{BASE_URL}/api/session/", json={"token": token}, timeout=10)
    assert (log_in.status_code, other.status_code) == (200, 200), (log_in.text, other.text)
    cookies = [f"pricetime_session={answer.cookies['pricetime_session']}" for answer in (log_in, other)]
    stream_headers = {"Cookie": cookies[0], "Accept": "text/event-stream"}
    events = requests.get(f"{BASE_URL}/api/events/", headers=stream_headers, stream=True, timeout=30)
    with (
        connect(SOCKET, additional_headers={"Cookie": cookies[0]}) as socket,
        connect(SOCKET, additional_headers={"Cookie": cookies[1]}) as others,
        connect(SOCKET, additional_headers={"Authorization": f"Bearer {token}"}) as bearers,
    ):
        for one in (socket, others, bearers):
            assert ask(one, op="subscribe", channels=["events"])["status"] == 200
        headers = {"Cookie": cookies[0], "X-CSRF-Token": log_in.json()["csrf"]}
        began = time.monotonic()
        assert requests.delete(f"{BASE_URL}/api/session/", headers=headers, timeout=10).status_code == 204
        assert closed(socket)["code"] == "UNAUTHORIZED"
        assert (socket.close_code, socket.close_reason) == (1008, "UNAUTHORIZED")
        assert [line for line in events.iter_lines() if line][-1] == b'data: {"code":"UNAUTHORIZED"}'
        # Long before anybody asks for a sign of life.
        assert time.monotonic() - began < 10
        for one in (others, bearers):
            assert ask(one, op="ping")["status"] == 200


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
    in_a_session(ADMIN)
    in_a_session(os.environ["ADMIN_TOKEN"])
    print("ok: keys let in whom they should, over HTTP and sockets")
