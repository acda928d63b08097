"""Load: users who place random orders as fast as the service answers, with short pauses.

locust -f api_tests/locustfile.py --host=http://localhost:8000
"""

import os
import random

from locust import FastHttpUser, between, task

API_KEY = os.environ.get("MATCHING_API_KEY")
HEADERS = {"Authorization": f"Bearer {API_KEY}"} if API_KEY else {}
SYMBOLS = ["BTC_USDT", "ETH_USDT", "XRP_USDT"]


class MatchingUser(FastHttpUser):
    """Buys and sells around 100, so that orders rest, match in part and match in full."""

    host = "http://localhost:8000"
    wait_time = between(0.01, 0.1)

    @task
    def place_order(self):
        order = {
            "symbol": random.choice(SYMBOLS),
            "side": random.choice(["BUY", "SELL"]),
            "price": round(random.uniform(90, 110), 2),
            "quantity": round(random.uniform(0.01, 5), 3),
        }
        with self.client.post("/api/orders/", json=order, headers=HEADERS, catch_response=True) as response:
            problem = what_is_wrong(response)
            if problem:
                response.failure(problem)


def what_is_wrong(response):
    """Why the answer is not the acknowledgement of an order; None if it is one."""
    if response.status_code != 202:
        return f"status {response.status_code} instead of 202"
    try:
        answer = response.json()
    except ValueError:
        return "the answer is no JSON"
    if not isinstance(answer, dict) or answer.get("status") != "ENQUEUED":
        return "the answer's status is not ENQUEUED"
    order_id = answer.get("order_id")
    if not isinstance(order_id, int) or isinstance(order_id, bool):
        return "the answer has no whole number as order_id"
    return None
