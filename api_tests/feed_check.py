"""The client's book against the service's: random load, connections that break, and the depth at the same row.

MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/feed_check.py [seconds] [seed]
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))

from pricetime_client import Book, Client, Feed, ProblemError  # noqa: E402

BASE_URL = os.environ.get("MATCHING_BASE_URL", "http://127.0.0.1:8000")
API_KEY = os.environ.get("MATCHING_API_KEY")
SYMBOL = "FEED_USDT"


def load(seed: int, until: float, failures: list[BaseException]) -> None:
    """Places and cancels orders around one price."""
    rng = random.Random(seed)
    client = Client(BASE_URL, key=API_KEY)
    open_orders: list[int] = []
    try:
        while time.monotonic() < until:
            if open_orders and rng.random() < 0.3:
                order_id = open_orders.pop(rng.randrange(len(open_orders)))
                try:
                    client.cancel(order_id)
                except ProblemError as problem:
                    assert problem.code == "NOT_OPEN", problem
                continue
            price, quantity = f"{rng.randint(90, 110)}.{rng.randint(0, 9)}", str(rng.randint(1, 50) / 10)
            placed = client.place(
                SYMBOL, rng.choice(["BUY", "SELL"]), price=price, quantity=quantity, account=f"desk-{seed}"
            )
            open_orders.append(placed.order_id)
    except BaseException as error:  # noqa: BLE001
        failures.append(error)


def differences(book: Book, depth: dict) -> list[str]:
    """What a client's book and a depth at the same row do not agree on."""
    bids, asks = ([tuple(level) for level in depth[side]] for side in ("bids", "asks"))
    found = []
    for name, ours, theirs in (("bids", book.levels()[0], bids), ("asks", book.levels()[1], asks)):
        if ours != theirs:
            found.append(f"{name} at row {depth['seq']}: {set(ours) ^ set(theirs)}")
    return found


def check(seconds: float, seed: int) -> str:
    """Follows the book and compares it, again and again."""
    rng = random.Random(seed)
    Client(BASE_URL, key=API_KEY).place(SYMBOL, "BUY", price="50", quantity="1")
    until = time.monotonic() + seconds
    failures: list[BaseException] = []
    loaders = [threading.Thread(target=load, args=(seed + n, until, failures)) for n in range(4)]
    for loader in loaders:
        loader.start()
    asker = Client(BASE_URL, key=API_KEY)
    compared = broken = messages = trades = 0
    channels = [f"book:{SYMBOL}", f"trades:{SYMBOL}", f"candles:1s:{SYMBOL}", f"ticker:{SYMBOL}", "events"]
    with Feed(BASE_URL.replace("http", "ws", 1), channels, key=API_KEY) as feed:
        while (time.monotonic() < until or compared == 0) and not failures:
            message = feed.next(timeout=1.0)
            messages += message is not None
            trades += len(message["data"]) if message and message["channel"].startswith("trades:") else 0
            if rng.random() < 0.01:
                feed.close()
                broken += 1
            if rng.random() < 0.02:
                compared += compare(feed, asker)
        for loader in loaders:
            loader.join()
        while not compare(feed, asker):
            pass
    if failures:
        raise failures[0]
    assert compared > 5 and broken > 0 and trades > 0, (compared, broken, trades)
    return (
        f"seed {seed}: {messages} messages, {broken} connections broken, {feed.restarts} snapshots instead of "
        f"resumption, {compared} comparisons at the same row: all equal"
    )


def compare(feed: Feed, asker: Client) -> bool:
    """Asks for the depth and reads on until the book is at its row; false when the book was past it already."""
    depth = asker.depth(SYMBOL)
    deadline = time.monotonic() + 30
    while feed.books.get(SYMBOL) is None or feed.books[SYMBOL].seq < depth["book_seq"]:
        assert time.monotonic() < deadline, f"row {depth['book_seq']} never came"
        feed.next(timeout=1.0)
    if feed.books[SYMBOL].seq > depth["seq"]:
        return False
    found = differences(feed.books[SYMBOL], depth)
    assert not found, found
    return True


if __name__ == "__main__":
    print(check(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0, int(sys.argv[2]) if len(sys.argv) > 2 else 7))
