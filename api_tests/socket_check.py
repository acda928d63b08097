"""Orders, cancels and amends over the socket, what an account is told of them, and what a closed socket leaves.

MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/socket_check.py
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))

from pricetime_client import Client  # noqa: E402

BASE_URL = os.environ.get("MATCHING_BASE_URL", "http://127.0.0.1:8000")
API_KEY = os.environ.get("MATCHING_API_KEY")
HEADERS = {"Authorization": f"Bearer {API_KEY}"} if API_KEY else {}
SOCKET = BASE_URL.replace("http", "ws", 1) + "/api/ws/"
ORDER = {"op": "place", "symbol": "SOCK_USDT", "side": "BUY", "price": "10", "quantity": "2", "account": "desk"}


class Reader:
    """Messages by what they are: a channel and a reply may come in either order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.passed: list[dict[str, Any]] = []

    def expect(self, wanted: Any) -> dict[str, Any]:
        """The first message that is wanted and was not taken before."""
        for index, message in enumerate(self.passed):
            if wanted(message):
                return self.passed.pop(index)
        while True:
            message = json.loads(self.socket.recv(timeout=10))
            if wanted(message):
                return message
            self.passed.append(message)


def ask(socket: Reader, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request and reads on to its reply."""
    socket.socket.send(json.dumps(request))
    return socket.expect(lambda message: message.get("type") == "reply" and message.get("id") == request.get("id"))


def batch(socket: Reader, number: int, *items: dict[str, Any]) -> list[dict[str, Any]]:
    """Orders, committed."""
    reply = ask(socket, {"op": "batch", "id": number, "ack": "committed", "items": items})
    assert reply["status"] == 200, reply
    return reply["body"]["results"]


def check() -> str:
    """Everything in turn."""
    client = Client(BASE_URL, key=API_KEY)
    with connect(SOCKET + "?cancel_on_disconnect=true", additional_headers=HEADERS) as connection:
        socket = Reader(connection)
        hello = json.loads(connection.recv(timeout=10))
        assert hello["type"] == "hello" and hello["cancel_on_disconnect"], hello
        assert ask(socket, {"op": "ping", "id": 1})["status"] == 200
        assert ask(socket, {"op": "subscribe", "id": 2, "channels": ["orders:desk"]})["status"] == 200
        snapshot = socket.expect(lambda message: message.get("channel") == "orders:desk")
        assert (snapshot["type"], snapshot["prev"], snapshot["data"]) == ("snapshot", None, []), snapshot
        placed, refused = batch(socket, 3, ORDER, {**ORDER, "price": "-1"})
        assert placed["http_status"] == 200 and refused["code"] == "PRICE_NOT_POSITIVE", (placed, refused)
        told = []
        while not told:
            update = socket.expect(lambda message: message.get("channel") == "orders:desk")
            told = [change for change in update["data"] if change["order"]["order_id"] == placed["order_id"]]
            assert update["prev"] is not None and update["seq"] > update["prev"], update
        assert told[0]["order"]["status"] == "OPEN", told
        for request, status in (
            ({"op": "subscribe", "id": 4, "channels": ["book:NONE_USDT"]}, 404),
            ({"op": "x"}, 400),
        ):
            connection.send(json.dumps(request))
            wrong = socket.expect(lambda message: message.get("type") == "reply" and message["status"] >= 400)
            assert wrong["status"] == status, wrong
        # As many channels as one socket may follow; those that it leaves make room.
        many = [f"orders:m-{number}" for number in range(1_000)]
        chunks = [many[first : first + 200] for first in range(0, 1_000, 200)]
        replies = [ask(socket, {"op": "subscribe", "id": 10, "channels": chunk})["status"] for chunk in chunks]
        assert replies == [200, 200, 200, 200, 400], replies
        assert ask(socket, {"op": "unsubscribe", "id": 11, "channels": chunks[0]})["status"] == 200
        assert ask(socket, {"op": "subscribe", "id": 12, "channels": chunks[4]})["status"] == 200
        left = placed["order_id"]
        gone = batch(socket, 5, ORDER)[0]["order_id"]
        assert batch(socket, 6, {"op": "cancel", "order_id": gone})[0]["http_status"] == 200
    deadline = time.monotonic() + 10
    while client.order(left)["status"] != "CANCELLED":
        assert time.monotonic() < deadline, client.order(left)
        time.sleep(0.02)
    return f"order {left} was placed over the socket and cancelled when it closed"


if __name__ == "__main__":
    print(check())
