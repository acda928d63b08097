"""The example ledger takes a sound stream in silence and stops at each lie that is planted in the stream or its books.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import copy
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from ledger import Ledger  # noqa: E402


def accepted(order_id, side, price, quantity, account):
    """An order with a limit."""
    order = {"order_id": order_id, "symbol": "BTC_USDT", "side": side, "price": price, "quantity": quantity}
    return {"type": "OrderAccepted", "order": order | {"account": account}}


# A sale of 3 at 100 meets a purchase of 2 at 101; the rest of the sale is cancelled.
SOUND = [
    {"seq": 1, "events": [accepted(1, "SELL", "100", "3", "maker")]},
    {
        "seq": 2,
        "events": [
            accepted(2, "BUY", "101", "2", "taker"),
            {
                "type": "Trade",
                "symbol": "BTC_USDT",
                "maker_order_id": 1,
                "taker_order_id": 2,
                "taker_side": "BUY",
                "price": "100",
                "quantity": "2",
                "quote_quantity": "200",
                "improvement": "2",
                "maker_remaining": "1",
                "taker_remaining": "0",
            },
        ],
    },
    {"seq": 3, "events": [{"type": "OrderCancelled", "order_id": 1, "released": "1"}]},
]


def ledger_of(rows):
    """A ledger in memory that has posted these rows."""
    ledger = Ledger(":memory:")
    ledger.take(rows)
    return ledger


class TheStream(unittest.TestCase):
    def test_a_sound_stream_balances_and_holds_nothing(self):
        self.assertIn("row 3: 16 postings balance, 0 open orders", ledger_of(SOUND).check())

    def lie(self, said, change):
        """A stream that is told wrongly, or the books after it, must be noticed with these words."""
        rows = copy.deepcopy(SOUND)
        with self.assertRaises(SystemExit) as stopped:
            change(rows)
            ledger_of(rows).check()
        self.assertIn(said, str(stopped.exception))

    def test_lies_of_the_stream_are_noticed(self):
        def trade(**changes):
            return lambda rows: rows[1]["events"][1].update(changes)

        def released(amount):
            return lambda rows: rows[2]["events"][0].update(released=amount)

        lies = [
            ("a row is missing", "row 3 does not follow row 1", lambda rows: rows.pop(1)),
            ("a row comes twice", "row 2 does not follow row 2", lambda rows: rows.insert(2, rows[1])),
            ("the buyer pays too little", "order 2 is filled and still holds 1 USDT", trade(quote_quantity="199")),
            ("the buyer gets no improvement", "still holds 2 USDT", trade(improvement="0")),
            ("more is improved than is held", "should release 3", trade(improvement="3")),
            ("less changes hands than was sold", "still holds 1 BTC", trade(quantity="1")),
            ("a maker with a rest is done", "order 1 is filled and still holds 1 BTC", trade(maker_remaining="0")),
            ("an end releases too little", "still holds 0.5 BTC", released("0.5")),
            ("an end releases too much", "should release 2", released("2")),
        ]
        for what, said, change in lies:
            with self.subTest(what):
                self.lie(said, change)


class TheBooks(unittest.TestCase):
    def test_wrong_postings_are_noticed(self):
        wrongs = [
            ("half of a posting is missing", "do not balance", "DELETE FROM posting WHERE seq = 2 AND part = 1"),
            (
                "an amount is another one",
                "do not balance",
                "UPDATE posting SET amount = '9' WHERE seq = 1 AND part = 2",
            ),
            (
                "a whole posting is missing",
                "reserved and its orders hold",
                "DELETE FROM posting WHERE kind = 'release' AND seq = 3",
            ),
            (
                "a payment never arrived",
                "between two accounts",
                "DELETE FROM posting WHERE kind = 'settle' AND asset = 'BTC'",
            ),
            ("an order holds what nobody reserved", "orders hold 5", "UPDATE held SET amount = '5' WHERE order_id = 1"),
        ]
        for what, said, statement in wrongs:
            with self.subTest(what):
                # The last one needs an order that is still open.
                ledger = ledger_of(SOUND[:2] if "held" in statement else SOUND)
                self.assertGreater(ledger.database.execute(statement).rowcount, 0)
                with self.assertRaises(SystemExit) as stopped:
                    ledger.check()
                self.assertIn(said, str(stopped.exception))

    def test_nothing_is_posted_of_rows_that_fail(self):
        rows = copy.deepcopy(SOUND)
        rows[2]["events"][0]["released"] = "2"
        ledger = Ledger(":memory:")
        with self.assertRaises(SystemExit):
            ledger.take(rows)
        self.assertEqual(ledger.cursor(), 0)
        self.assertIn("row 0: 0 postings balance", ledger.check())
        ledger.take(SOUND)
        self.assertEqual(ledger.cursor(), 3)


if __name__ == "__main__":
    unittest.main()
