"""Orders of some accounts for the example ledger: every kind that reserves, trades, releases.

MATCHING_BASE_URL=http://127.0.0.1:8000 .venv/bin/python api_tests/ledger_load.py [seconds] [seed]
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))

from pricetime_client import Client, ProblemError  # noqa: E402

BASE_URL = os.environ.get("MATCHING_BASE_URL", "http://127.0.0.1:8000")
API_KEY = os.environ.get("MATCHING_API_KEY")


def main(seconds: float, seed: int) -> str:
    """Places and cancels."""
    rng = random.Random(seed)
    client = Client(BASE_URL, key=API_KEY)
    until = time.monotonic() + seconds
    placed = 0
    open_orders: list[int] = []
    while time.monotonic() < until:
        if open_orders and rng.random() < 0.3:
            try:
                client.cancel(open_orders.pop(rng.randrange(len(open_orders))))
            except ProblemError as problem:
                assert problem.code == "NOT_OPEN", problem
            continue
        price, quantity = f"{rng.randint(95, 105)}.{rng.randint(0, 99):02}", f"{rng.randint(1, 5000) / 1000:.3f}"
        account = f"account-{rng.randint(1, 5)}"
        fields = {"price": price, "quantity": quantity, "time_in_force": rng.choice(["GTC", "GTC", "IOC", "FOK"])}
        order = client.place("BTC_USDT", rng.choice(["BUY", "SELL"]), account=account, **fields)
        open_orders.append(order.order_id)
        placed += 1
    return f"seed {seed}: {placed} orders"


if __name__ == "__main__":
    print(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0, int(sys.argv[2]) if len(sys.argv) > 2 else 7))
