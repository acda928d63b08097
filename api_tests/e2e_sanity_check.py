"""A full check of a running service from outside: place orders, look at the state, cancel, look again.

    MATCHING_BASE_URL=http://localhost:8000 python api_tests/e2e_sanity_check.py

It needs the debug routes. Prints a line for each check; the exit status is 0 if all passed, else 1.
"""

import sys
import time
from decimal import Decimal

import requests

from invariants import (
    BASE_URL,
    HEADERS,
    RESTING,
    TIMEOUT_SECONDS,
    Report,
    by_id,
    each_is_found_once,
    fetch,
    is_id,
    parse,
)

SYMBOL = "BTC_USDT"
ORDERS_PER_SIDE = 10
CANCELS = 3
PROCESSED_WITHIN_SECONDS = 10


def post(path, body):
    """The status and the JSON answer of a POST; a body that is no JSON is given as text."""
    response = requests.post(BASE_URL + path, json=body, headers=HEADERS, timeout=TIMEOUT_SECONDS)
    try:
        return response.status_code, parse(response.text)
    except ValueError:
        return response.status_code, response.text


def place(report, side, prices, quantity):
    """Places an order at each price; returns the ids that were acknowledged."""
    order_ids, findings = [], []
    for price in prices:
        order = {"symbol": SYMBOL, "side": side, "price": price, "quantity": quantity}
        status, answer = post("/api/orders/", order)
        acknowledged = status == 202 and isinstance(answer, dict) and answer.get("status") == "ENQUEUED"
        if acknowledged and is_id(answer.get("order_id")):
            order_ids.append(answer["order_id"])
        else:
            findings.append(f"{order}: {status} {answer}")
    report.check(f"{len(prices)} {side} orders are acknowledged with their ids", findings)
    return order_ids


def wait_until_processed(order_ids):
    """The first state that has executed all of `order_ids`; after the deadline, whatever there is."""
    deadline = time.monotonic() + PROCESSED_WITHIN_SECONDS
    while True:
        state = fetch("/api/debug/state/")
        processed = {order["id"] for order in state["orders"] if order["status"] != "PENDING"}
        if processed.issuperset(order_ids) or time.monotonic() > deadline:
            return state
        time.sleep(0.05)


def new_orders_traded(state, order_ids):
    """Of bids placed above the asks just placed, or above better ones, some must have been filled."""
    orders = by_id(state)
    if any(Decimal(orders[i]["remaining"]) < Decimal(orders[i]["quantity"]) for i in order_ids if i in orders):
        return []
    return ["none of the new orders was filled, not even in part, although their prices cross"]


def cancel_some(report, state, order_ids):
    """Cancels up to three orders that can be, the new ones first; returns their ids."""
    resting = [order["id"] for order in state["orders"] if order["status"] in RESTING]
    chosen = sorted(resting, key=lambda i: (i not in order_ids, i))[:CANCELS]
    findings = []
    for order_id in chosen:
        status, answer = post(f"/api/orders/{order_id}/cancel/", {"reason": "End-to-end sanity check"})
        if status != 200 or not isinstance(answer, dict) or answer.get("status") != "CANCELLED":
            findings.append(f"order {order_id}: {status} {answer}")
    report.check(f"{len(chosen)} cancels are confirmed", findings)
    return chosen


def are_cancelled(state, order_ids):
    orders = by_id(state)
    statuses = {i: orders[i]["status"] if i in orders else "absent" for i in order_ids}
    return [f"order {i} is {status}" for i, status in statuses.items() if status != "CANCELLED"]


def main():
    report = Report()
    before = fetch("/api/debug/orders/")["orders"]
    print(f"      {BASE_URL} has {len(before)} orders")

    # Twice as much is offered as is wanted, so that some orders stay to be cancelled.
    asks = place(report, "SELL", [100.0 + 0.5 * step for step in range(ORDERS_PER_SIDE)], 1.0)
    bids = place(report, "BUY", [105.0 - 0.5 * step for step in range(ORDERS_PER_SIDE)], 0.5)
    order_ids = asks + bids

    state = wait_until_processed(order_ids)
    report.check("every acknowledged order is found exactly once", each_is_found_once(state, order_ids))
    report.check("the new orders traded", new_orders_traded(state, order_ids))
    report.check_state(state, "after matching")

    cancelled = cancel_some(report, state, order_ids)
    state = fetch("/api/debug/state/")
    report.check("the cancelled orders are CANCELLED", are_cancelled(state, cancelled))
    report.check("every acknowledged order is still found exactly once", each_is_found_once(state, order_ids))
    report.check_state(state, "after cancels")
    return report.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except requests.RequestException as error:
        sys.exit(f"no usable answer from the service at {BASE_URL} (MATCHING_BASE_URL): {error}")
