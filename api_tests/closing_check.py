"""Waits on a socket until the service stops, and holds that it was told so, with the cursor to go on from.

MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/closing_check.py
"""

import json
import os

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SOCKET = os.environ["MATCHING_BASE_URL"].replace("http", "ws", 1) + "/api/ws/"


def main():
    with connect(SOCKET) as socket:
        socket.send(json.dumps({"op": "subscribe", "id": 1, "channels": ["trades:BTC_USDT"]}))
        messages = []
        try:
            while True:
                messages.append(json.loads(socket.recv(timeout=60)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1001, closed
    last = messages[-1]
    assert (last["type"], last["code"]) == ("closing", "STOPPING"), last
    assert "trades:BTC_USDT" in last["cursors"], last
    print(f"told after {len(messages)} messages: {last}")


if __name__ == "__main__":
    main()
