"""What must hold in every state that GET /api/debug/state/ gives, whoever traded before.

Each checker takes the state and returns its findings, an empty list if all is well. Amounts are compared exactly, as
decimals. Run as a program, this fetches the state of a running service and checks it:

    MATCHING_BASE_URL=http://localhost:8000 python api_tests/invariants.py

A service without DEBUG wants a key: MATCHING_API_KEY=<token>, for all programs of this folder.
"""

import json
import os
import sys
from collections import Counter, defaultdict
from decimal import Decimal

import requests

BASE_URL = os.environ.get("MATCHING_BASE_URL", "http://localhost:8000").rstrip("/")
TIMEOUT_SECONDS = 10
#: The token of an API key with the scope admin, for a service without DEBUG.
API_KEY = os.environ.get("MATCHING_API_KEY")
HEADERS = {"Authorization": f"Bearer {API_KEY}"} if API_KEY else {}

RESTING = {"OPEN", "PARTIALLY_FILLED"}
STATUSES = RESTING | {"PENDING", "UNTRIGGERED", "FILLED", "CANCELLED", "EXPIRED", "REJECTED"}


def parse(text):
    """JSON with exact numbers: 0.1 is a tenth, not the nearest binary fraction."""
    return json.loads(text, parse_float=Decimal)


def fetch(path):
    """The JSON answer to a GET; an exception unless it is 200."""
    response = requests.get(BASE_URL + path, headers=HEADERS, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return parse(response.text)


def order_ids_are_unique(state):
    """No order is listed twice, and every id is a positive whole number."""
    counts = Counter(order["id"] for order in state["orders"])
    findings = [f"order {i} is listed {n} times" for i, n in counts.items() if n > 1]
    return findings + [f"{i!r} is no order id" for i in counts if not is_id(i)]


def remaining_fits_status(state):
    """0 <= remaining <= quantity; FILLED has nothing left, OPEN everything, PARTIALLY_FILLED something in between."""
    findings = []
    for order in state["orders"]:
        quantity, remaining, status = Decimal(order["quantity"]), Decimal(order["remaining"]), order["status"]
        fits = {
            "FILLED": remaining == 0,
            "OPEN": remaining == quantity > 0,
            "PARTIALLY_FILLED": 0 < remaining < quantity,
        }.get(status, status in STATUSES)
        if not (0 <= remaining <= quantity and fits):
            findings.append(f"order {order['id']} is {status} with {remaining} of {quantity} remaining")
    return findings


def trades_join_opposite_orders(state):
    """Each trade has its own id, and two known orders of its symbol: one buys, one sells."""
    orders = by_id(state)
    counts = Counter(trade["id"] for trade in state["trades"])
    findings = [f"trade {i} is listed {n} times" for i, n in counts.items() if n > 1]
    for trade in state["trades"]:
        maker, taker = orders.get(trade["maker_order_id"]), orders.get(trade["taker_order_id"])
        if maker is None or taker is None:
            findings.append(f"trade {trade['id']} names an unknown order")
        elif {maker["side"], taker["side"]} != {"BUY", "SELL"}:
            findings.append(
                f"trade {trade['id']} joins {maker['side']} {maker['id']} and {taker['side']} {taker['id']}"
            )
        elif not maker["symbol"] == taker["symbol"] == trade["symbol"]:
            findings.append(f"trade {trade['id']} of {trade['symbol']} joins orders of other symbols")
    return findings


def trade_prices_suit_both(state):
    """A trade's price is the maker's, and no worse for the taker than its limit."""
    findings = []
    for trade, maker, taker in known_trades(state):
        price, limit = Decimal(trade["price"]), limit_price(taker)
        suits_taker = limit is None or (price <= limit if taker["side"] == "BUY" else price >= limit)
        if price != limit_price(maker) or price <= 0 or not suits_taker:
            findings.append(
                f"trade {trade['id']} at {price}: maker {maker['side']} at {limit_price(maker)}, "
                f"taker {taker['side']} at {limit}"
            )
    return findings


def quantities_add_up(state):
    """quantity = remaining + the order's trades: nothing is spent twice, nothing is lost."""
    traded = defaultdict(Decimal)
    findings = []
    for trade in state["trades"]:
        quantity = Decimal(trade["quantity"])
        if quantity <= 0:
            findings.append(f"trade {trade['id']} has the quantity {quantity}")
        traded[trade["maker_order_id"]] += quantity
        traded[trade["taker_order_id"]] += quantity
    for order in state["orders"]:
        quantity, remaining = Decimal(order["quantity"]), Decimal(order["remaining"])
        filled = Decimal(order.get("filled", traded[order["id"]]))
        if not quantity - remaining == filled == traded[order["id"]]:
            findings.append(
                f"order {order['id']}: quantity {quantity}, remaining {remaining}, filled {filled}, "
                f"trades {traded[order['id']]}"
            )
    return findings


def no_book_is_crossed(state):
    """In continuous trading, the best bid of a symbol is below its best ask."""
    bids, asks = defaultdict(list), defaultdict(list)
    for order in state["orders"]:
        if order["status"] in RESTING:
            side = bids if order["side"] == "BUY" else asks
            side[order["symbol"]].append(Decimal(order["price"]))
    return [
        f"{symbol}: best bid {max(bids[symbol])}, best ask {min(asks[symbol])}"
        for symbol in sorted(bids.keys() & asks.keys())
        if max(bids[symbol]) >= min(asks[symbol]) and is_continuous(state, symbol)
    ]


CHECKERS = [
    order_ids_are_unique,
    remaining_fits_status,
    trades_join_opposite_orders,
    trade_prices_suit_both,
    quantities_add_up,
    no_book_is_crossed,
]


def each_is_found_once(state, order_ids):
    """Every acknowledged id is in the state exactly once."""
    counts = Counter(order["id"] for order in state["orders"])
    return [f"order {i} was acknowledged and is listed {counts[i]} times" for i in order_ids if counts[i] != 1]


def by_id(state):
    return {order["id"]: order for order in state["orders"]}


def is_id(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def known_trades(state):
    """Each trade with its maker and taker, where both are known."""
    orders = by_id(state)
    for trade in state["trades"]:
        maker, taker = orders.get(trade["maker_order_id"]), orders.get(trade["taker_order_id"])
        if maker and taker:
            yield trade, maker, taker


def limit_price(order):
    """The price that the order insists on; a market order insists on none."""
    price = order.get("price")
    return Decimal(price) if price is not None else None


def is_continuous(state, symbol):
    phase = state.get("symbols", {}).get(symbol, {}).get("phase", "CONTINUOUS")
    return phase == "CONTINUOUS"


class Report:
    """Prints a line for each check, and at the end how many there were."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, what, findings):
        if findings:
            self.failed += 1
            print(f"FAIL  {what}")
            for finding in findings:
                print(f"      {finding}")
        else:
            self.passed += 1
            print(f"ok    {what}")

    def check_state(self, state, when):
        size = f"{len(state['orders'])} orders, {len(state['trades'])} trades"
        for checker in CHECKERS:
            self.check(f"{checker.__name__.replace('_', ' ')} ({when}: {size})", checker(state))

    def close(self):
        """The exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def main():
    report = Report()
    report.check_state(fetch("/api/debug/state/"), "now")
    return report.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except requests.RequestException as error:
        sys.exit(f"no answer from the service at {BASE_URL} (MATCHING_BASE_URL): {error}")
