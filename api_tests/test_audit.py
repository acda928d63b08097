"""The auditor is silent on a log that keeps the rules and finds each bug that is planted.

Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import json
import unittest

import audit

INSTRUMENT = {"symbol": "BTC_USDT", "price_decimals": 2, "quantity_decimals": 1, "tick": "0.05", "lot": "0.5"}
EVENTS = (
    "InstrumentListed ListingRejected InstrumentUpdated PhaseChanged AuctionIndicated OrderAccepted OrderRejected "
    "OrderRepeated OrderTriggered OrderAmended OrderReduced OrderReplenished Trade OrderFilled OrderCancelled "
    "OrderExpired CancelRejected AmendRejected MassCancelled CancelAfterSet CancelAfterFired AccountBlocked "
    "AccountUnblocked CommandRejected DuplicateRejected TimeAdvanced EntryRejected"
).split()


def order(order_id, side, price, quantity, **more):
    asked = {"order_id": order_id, "symbol": "BTC_USDT", "side": side, "price": price, "quantity": quantity}
    asked |= {"received_at": 1} | more
    return {"type": "NewOrder", "order": {name: value for name, value in asked.items() if value is not None}}


def command(kind, command_id, **more):
    return {"type": kind, "command_id": command_id} | more


def phase(command_id, to, **more):
    return command("SetPhase", command_id, symbol="BTC_USDT", phase=to, **more)


STORY = [
    {"type": "ListInstrument", "instrument": INSTRUMENT},
    order(1, "SELL", "100.5", "2", account="a", client_order_id="x"),
    order(2, "SELL", "100.5", "2"),
    order(3, "SELL", "100", "1", time_in_force="GTD", expire_at=9, metadata="mine"),
    order(4, "BUY", "101", "2.5"),
    order(5, "SELL", "100.5", "2", account="a", client_order_id="x"),
    command("CancelOrder", 6, order_id=2, received_at=1, reason_text="why"),
    command("CancelOrder", 7, order_id=2, received_at=1),
    order(8, "BUY", "0.01", "1"),
    order(9, "BUY", "99", "1", time_in_force="GTD", expire_at=30),
    {"type": "AdvanceTime"},  # Row 11: it is 30 from here on.
    command("CancelOrder", 10, order_id=77, received_at=1),
    order(11, "SELL", "101", "3", display_quantity="1", account="b"),
    order(12, "BUY", None, "1.5", type="STOP", stop_price="101"),
    order(13, "BUY", "101", "3", time_in_force="IOC"),  # Row 15: it wakes order 12.
    order(14, "BUY", "99", "4", account="c"),
    order(15, "SELL", "98", "1", account="c", self_trade_prevention="DECREMENT"),
    order(16, "SELL", None, None, type="MARKET", quote_quantity="200"),
    command("AmendOrder", 17, order_id=14, quantity="2.5", received_at=1),
    command("AmendOrder", 18, order_id=2, quantity="1", received_at=1),
    order(19, "BUY", "98", "9", time_in_force="FOK"),
    order(20, "SELL", "103", "1", account="d"),
    order(21, "SELL", None, "1", type="TRAILING_STOP", trailing_delta="2", account="d", linked_order_id=20),
    order(22, "BUY", "103", "1", post_only=True),
    order(23, "BUY", "103", "1", min_quantity="0.5", time_in_force="DAY"),  # Row 25: order 21 goes with order 20.
    phase(24, "AUCTION", then=[{"at": 50, "phase": "CONTINUOUS"}]),
    order(25, "BUY", "104", "3"),
    order(26, "SELL", "102", "2"),
    order(27, "BUY", None, "2", type="MARKET"),
    phase(28, "CONTINUOUS"),  # Row 30
    command("SetCancelAfter", 29, account="e", timeout=5, received_at=1),
    order(30, "BUY", "90", "1", account="e"),
    {"type": "AdvanceTime"},  # Row 33: it is 60 from here on.
    command("BlockAccount", 31, account="c", received_at=1),
    order(32, "BUY", "90", "1", account="c"),
    command("UnblockAccount", 33, account="c", received_at=1),
    order(34, "BUY", "90", "1", account="f", client_order_id="k"),
    command("CancelByKey", 35, symbol="BTC_USDT", account="f", client_order_id="k", received_at=1),
    command("UpdateInstrument", 36, instrument=INSTRUMENT | {"price_band": 100, "max_open_orders": 1}),
    order(37, "BUY", "90", "1"),
    phase(38, "CLOSED", then=[{"at": 1, "phase": "CONTINUOUS"}]),
    order(39, "SELL", "104.5", "1", account="g"),
    command("MassCancel", 40, side="BUY", received_at=1),  # Row 43
    command("MassCancel", 40, side="BUY", received_at=1),
    {"type": "RefuseEntry", "stream_id": "9-0", "error": "it is none"},
    command("ListInstrument", 41, instrument=INSTRUMENT),
]


def text(value):
    """As the service writes it: no spaces, decimals in short."""
    return json.dumps(value, separators=(",", ":"), default=lambda number: format(number.normalize(), "f"))


def rows(commands):
    """A log as the service would write it, by the auditor's own rules."""
    engine, chain, log = audit.Engine(), bytes(32), []
    for seq, command in enumerate(commands, start=1):
        time = 60 if seq >= 33 else 30 if seq >= 11 else seq
        events = engine.apply(seq, time, command)
        row = {"seq": seq, "time": time, "epoch": 1, "stream_position": f"{seq}-0", "format": 1}
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
        self.assertEqual(kinds, set(EVENTS))

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

    def test_wrong_ends_places_and_amounts_are_found(self):
        log = [json.loads(row["events"]) for row in rows(STORY)]
        for seq, kind, field, wrong in (
            (13, "OrderAccepted", "priority", 1),
            (15, "OrderReplenished", "displayed", "2"),
            (15, "OrderTriggered", "price", "102"),
            (15, "Trade", "improvement", "1"),
            (17, "OrderReduced", "remaining", "3.5"),
            (18, "Trade", "taker_quote_remaining", "1"),
            (19, "OrderAmended", "priority", 99),
            (20, "AmendRejected", "reason_code", "UNKNOWN_ORDER"),
            (21, "OrderExpired", "reason_code", "UNFILLED"),
            (24, "OrderRejected", "reason_code", "OUTSIDE_PRICE_BAND"),
            (25, "OrderCancelled", "reason_code", "BY_USER"),
            (26, "PhaseChanged", "then", []),
            (28, "AuctionIndicated", "volume", "1"),
            (30, "Trade", "price", "104"),
            (33, "OrderCancelled", "released", "1"),
            (38, "OrderCancelled", "account", "a"),
            (40, "OrderRejected", "reason_code", "OFF_TICK"),
            (43, "MassCancelled", "side", "SELL"),
        ):
            with self.subTest(seq=seq, kind=kind, field=field):
                place = next(i for i, event in enumerate(log[seq - 1]) if event["type"] == kind)
                self.plant(seq, lambda events, i=place, f=field, w=wrong: events[i].update({f: w}), "the rules give")

    def test_a_missing_and_another_event_are_found(self):
        for seq in (15, 25, 30, 33, 34, 43):
            self.plant(seq, lambda events: events.pop(), "the rules give")
            self.plant(seq, lambda events: events.append({"type": "TimeAdvanced"}), "the rules give no event there")
            self.plant(seq, lambda events: events.reverse(), "the rules give")

    def test_an_altered_row_is_found(self):
        self.plant(9, lambda events: events[0].update(priority=2), "its chain value", chain_again=False)

    def test_what_cannot_be_judged_is_a_finding(self):
        log = rows(STORY)
        log[8]["command"] = log[8]["command"].replace("NewOrder", "BetterOrder")
        self.assertIn("row 9: no rule is known for a BetterOrder", findings(chained(log))[0])
        log = rows(STORY)
        log[8]["format"] = 2
        self.assertEqual(findings(log), ["row 9: its format is 2, not 1: it is not read"])

    def test_a_missing_row_and_going_back_are_found(self):
        log = rows(STORY)
        del log[3]
        self.assertIn("row 5 follows row 3", findings(log)[0])
        log = rows(STORY)
        log[6]["stream_position"] = "1-0"
        self.assertTrue(any("goes back" in finding for finding in findings(chained(log))))


if __name__ == "__main__":
    unittest.main()
