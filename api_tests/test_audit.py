"""The auditor is silent on a log that keeps the rules and finds each bug that is planted.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import json
import unittest

import audit

INSTRUMENT = {"symbol": "BTC_USDT", "price_decimals": 2, "quantity_decimals": 1, "tick": "0.05", "lot": "0.5"}


def order(order_id, side, price, quantity, **more):
    command = {"type": "NewOrder", "order_id": order_id, "symbol": "BTC_USDT", "side": side, "price": price}
    return command | {"quantity": quantity, "received_at": 1} | more


STORY = [
    {"type": "ListInstrument", "instrument": INSTRUMENT},
    order(1, "SELL", "100.5", "2", account="a", client_order_id="x"),
    order(2, "SELL", "100.5", "2"),
    order(3, "SELL", "100", "1", expire_at=9),
    order(4, "BUY", "101", "2.5"),
    order(5, "SELL", "100.5", "2", account="a", client_order_id="x"),
    {"type": "CancelOrder", "command_id": 6, "order_id": 2, "received_at": 1, "reason_text": "why"},
    {"type": "CancelOrder", "command_id": 7, "order_id": 2, "received_at": 1},
    order(8, "BUY", "0.01", "1"),
    order(9, "BUY", "99", "1", expire_at=30),
    {"type": "AdvanceTime"},
    {"type": "CancelOrder", "command_id": 10, "order_id": 77, "received_at": 1},
]


def text(value):
    """As the service writes it: no spaces, decimals in short."""
    return json.dumps(value, separators=(",", ":"), default=lambda number: format(number.normalize(), "f"))


def rows(commands):
    """A log as the service would write it, by the auditor's own rules."""
    engine, chain, log = audit.Engine(), bytes(32), []
    for seq, command in enumerate(commands, start=1):
        time = seq if command["type"] != "AdvanceTime" else 30
        time = max(time, log[-1]["time"] if log else 0)
        events = engine.apply(seq, time, command)
        row = {"seq": seq, "time": time, "epoch": 1, "stream_position": f"{seq}-0"}
        log.append(row | {"command": text(command), "events": text(events)})
    return chained(log, chain)


def chained(log, chain=bytes(32)):
    for row in log:
        chain = audit.next_chain(chain, row)
        row["chain"] = chain.hex()
    return log


def findings(log):
    return audit.audit(json.dumps(row) for row in log)[0]


class AuditTest(unittest.TestCase):
    def test_a_log_that_keeps_the_rules_has_no_findings(self):
        log = rows(STORY)
        self.assertEqual(findings(log), [])
        kinds = {event["type"] for row in log for event in json.loads(row["events"])}
        self.assertGreaterEqual(
            kinds, {"Trade", "OrderRepeated", "OrderCancelled", "CancelRejected", "OrderRejected", "OrderExpired"}
        )

    def plant(self, seq, change, expected, chain_again=True):
        """Changes the events of a row, repairs the chain, and holds that the rules find it."""
        log = rows(STORY)
        events = json.loads(log[seq - 1]["events"])
        change(events)
        log[seq - 1]["events"] = text(events)
        found = findings(chained(log) if chain_again else log)
        self.assertTrue(any(f"row {seq}: {expected}" in finding for finding in found), found)

    def test_wrong_matching_is_found_though_the_chain_is_right(self):
        self.plant(5, lambda events: events[1].update(price="101"), "the rules give")
        self.plant(5, lambda events: events[2].update(maker_order_id=2), "the rules give")
        self.plant(5, lambda events: events.pop(), "the rules give")
        self.plant(5, lambda events: events[1].update(quantity="1.0"), "the rules give")
        self.plant(6, lambda events: events[0].update(first_order_id=2), "the rules give")
        self.plant(7, lambda events: events[0].update(remaining="1.5"), "the rules give")
        self.plant(11, lambda events: events.pop(), "the rules give")

    def test_an_altered_row_is_found(self):
        self.plant(9, lambda events: events[0].update(received_at=2), "its chain value", chain_again=False)

    def test_a_missing_row_and_going_back_are_found(self):
        log = rows(STORY)
        del log[3]
        self.assertIn("row 5 follows row 3", findings(log)[0])
        log = rows(STORY)
        log[6]["stream_position"] = "1-0"
        self.assertTrue(any("goes back" in finding for finding in findings(chained(log))))


if __name__ == "__main__":
    unittest.main()
