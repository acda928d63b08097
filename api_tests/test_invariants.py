"""Every checker is silent on a sound state and catches the bug that is planted for it.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import unittest

import invariants

SOUND = """{
    "orders": [
        {"id": 1, "symbol": "BTC_USDT", "side": "SELL", "price": 100.1, "quantity": 0.3, "remaining": 0.0,
            "status": "FILLED"},
        {"id": 2, "symbol": "BTC_USDT", "side": "SELL", "price": 100.2, "quantity": 1, "remaining": 0.9,
            "status": "PARTIALLY_FILLED"},
        {"id": 3, "symbol": "BTC_USDT", "side": "BUY", "price": 100.2, "quantity": 0.4, "remaining": 0,
            "status": "FILLED"},
        {"id": 4, "symbol": "BTC_USDT", "side": "BUY", "price": 100.0, "quantity": 2.0, "remaining": 2.0,
            "status": "OPEN"},
        {"id": 5, "symbol": "ETH_USDT", "side": "BUY", "price": 500, "quantity": 2.0, "remaining": 2.0,
            "status": "CANCELLED"},
        {"id": 6, "symbol": "BTC_USDT", "side": "BUY", "price": null, "quantity": 1, "remaining": 1,
            "status": "EXPIRED"}
    ],
    "trades": [
        {"id": 1, "symbol": "BTC_USDT", "price": 100.1, "quantity": 0.3, "maker_order_id": 1, "taker_order_id": 3},
        {"id": 2, "symbol": "BTC_USDT", "price": 100.2, "quantity": 0.1, "maker_order_id": 2, "taker_order_id": 3}
    ],
    "symbols": {"BTC_USDT": {"phase": "CONTINUOUS"}, "ETH_USDT": {"phase": "CONTINUOUS"}}
}"""


def order(order_id, **changes):
    """A state in which one order differs."""
    state = invariants.parse(SOUND)
    invariants.by_id(state)[order_id].update(changes)
    return state


def trade(trade_id, **changes):
    """A state in which one trade differs."""
    state = invariants.parse(SOUND)
    state["trades"][trade_id - 1].update(changes)
    return state


def crossed(phase):
    state = order(4, price=100.2)
    state["symbols"]["BTC_USDT"]["phase"] = phase
    return state


PLANTED = [
    (invariants.order_ids_are_unique, order(2, id=1)),
    (invariants.order_ids_are_unique, order(2, id="2")),
    (invariants.order_ids_are_unique, order(2, id=0)),
    (invariants.remaining_fits_status, order(4, remaining=-1)),
    (invariants.remaining_fits_status, order(5, remaining=3)),
    (invariants.remaining_fits_status, order(1, remaining=invariants.parse("0.00000001"))),
    (invariants.remaining_fits_status, order(4, remaining=invariants.parse("1.99999999"))),
    (invariants.remaining_fits_status, order(2, remaining=1)),
    (invariants.remaining_fits_status, order(2, remaining=0)),
    (invariants.remaining_fits_status, order(5, status="DONE")),
    (invariants.trades_join_opposite_orders, trade(2, id=1)),
    (invariants.trades_join_opposite_orders, trade(1, maker_order_id=99)),
    (invariants.trades_join_opposite_orders, trade(1, taker_order_id=99)),
    (invariants.trades_join_opposite_orders, trade(1, taker_order_id=2)),
    (invariants.trades_join_opposite_orders, trade(1, symbol="ETH_USDT")),
    (invariants.trade_prices_suit_both, trade(2, price=invariants.parse("100.15"))),
    (invariants.trade_prices_suit_both, order(3, price=invariants.parse("100.15"))),
    (invariants.trade_prices_suit_both, order(1, price=None)),
    (invariants.quantities_add_up, order(2, remaining=invariants.parse("0.90000001"))),
    (invariants.quantities_add_up, order(2, filled=invariants.parse("0.2"))),
    (invariants.quantities_add_up, trade(1, quantity=invariants.parse("0.30000001"))),
    (invariants.quantities_add_up, trade(1, quantity=0)),
    (invariants.no_book_is_crossed, crossed("CONTINUOUS")),
    (invariants.no_book_is_crossed, order(4, price=500)),
]


class Invariants(unittest.TestCase):
    def test_a_sound_state_has_no_findings(self):
        for checker in invariants.CHECKERS:
            with self.subTest(checker.__name__):
                self.assertEqual(checker(invariants.parse(SOUND)), [])

    def test_each_planted_bug_is_caught(self):
        for number, (checker, state) in enumerate(PLANTED):
            with self.subTest(checker.__name__, number=number):
                self.assertNotEqual(checker(state), [])

    def test_every_checker_has_a_planted_bug(self):
        self.assertEqual({checker for checker, _ in PLANTED}, set(invariants.CHECKERS))

    def test_an_auction_may_be_crossed(self):
        self.assertEqual(invariants.no_book_is_crossed(crossed("AUCTION")), [])

    def test_an_acknowledged_order_is_found_exactly_once(self):
        state = invariants.parse(SOUND)
        self.assertEqual(invariants.each_is_found_once(state, [1, 2, 3]), [])
        self.assertNotEqual(invariants.each_is_found_once(state, [1, 99]), [])
        self.assertNotEqual(invariants.each_is_found_once(order(2, id=1), [1]), [])

    def test_numbers_are_exact(self):
        state = invariants.parse('{"sum": 0.3, "parts": [0.1, 0.2], "long": 123456789012345678.123456789}')
        self.assertEqual(sum(state["parts"]), state["sum"])
        self.assertEqual(str(state["long"]), "123456789012345678.123456789")


if __name__ == "__main__":
    unittest.main()
