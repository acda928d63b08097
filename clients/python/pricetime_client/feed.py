"""Channels over a WebSocket: connected again when the connection breaks, taken up where they were, checked for gaps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from .auth import Bearer, Signed
from .book import Book

Message = dict[str, Any]


class GapError(Exception):
    """A message is missing."""


class Feed:
    """An endless iterator over the messages of some channels."""

    def __init__(
        self,
        url: str,
        channels: Iterable[str],
        patience: float = 60.0,
        *,
        key: str | None = None,
        sign: bool = False,
    ) -> None:
        """``url``: ws://host:port. ``patience``: how long to try to connect before giving up, in seconds. ``key`` and
        ``sign`` are those of ``Client``."""
        self._credential = None if key is None else Signed(key) if sign else Bearer(key)
        self._url = url.rstrip("/") + "/api/ws/"
        self._patience = patience
        self._connection: ClientConnection | None = None
        #: The last message of each channel: what to resume from, also in another process.
        self.cursors: dict[str, int | None] = dict.fromkeys(channels)
        #: The books of the channels ``book:<symbol>``.
        self.books: dict[str, Book] = {}
        #: How often a channel began anew from a snapshot after the first one.
        self.restarts = 0

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; going on opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __iter__(self) -> Iterator[Message]:
        while True:
            message = self.next()
            if message is not None:
                yield message

    def next(self, timeout: float | None = None) -> Message | None:
        """The next message of a channel; none when the time was up."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            try:
                message = json.loads(self._connected().recv(timeout=left))
            except TimeoutError:
                return None
            except (OSError, WebSocketException):
                self._connection = None
                continue
            if message.get("type") == "closing":
                self.close()
            elif message.get("type") == "reply" and message["status"] != 200:
                raise ValueError(f"the service refused: {message['body']}")
            elif "channel" in message and self._take(message):
                return message

    def _connected(self) -> ClientConnection:
        if self._connection is not None:
            return self._connection
        deadline = time.monotonic() + self._patience
        while True:
            try:
                shown = {}
                if self._credential is not None:
                    shown["Authorization"] = self._credential.header("GET", "/api/ws/")
                connection = connect(self._url, max_size=None, close_timeout=1, additional_headers=shown)
                wanted = [{"channel": channel, "after": cursor} for channel, cursor in self.cursors.items()]
                connection.send(json.dumps({"op": "subscribe", "channels": wanted}))
                self._connection = connection
                return connection
            except (OSError, WebSocketException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _take(self, message: Message) -> bool:
        """Checks that nothing is missing before a message; whether it is new."""
        channel, seq, prev = message["channel"], message["seq"], message["prev"]
        cursor = self.cursors[channel]
        if prev is None:
            self.restarts += cursor is not None
        elif cursor is None:
            # Only the event stream begins without a snapshot: where it is now.
            if channel != "events":
                raise GapError(f"{channel}: the first message is no snapshot")
        elif prev > cursor:
            raise GapError(f"{channel}: a message behind row {prev} came after row {cursor}")
        elif seq <= cursor:
            return False
        self.cursors[channel] = seq
        name, _, symbol = channel.partition(":")
        if name == "book":
            self.books.setdefault(symbol, Book(symbol)).apply(message)
        return True
