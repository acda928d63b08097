"""The auditor says of every example of docs/orders.md, and of every story of the engine's tests, what stands there.

`docs/orders.md` explains how an example is read.
Run from the project root: .venv/bin/python -m unittest discover -s api_tests
"""

import re
import unittest
from pathlib import Path

from audit_rules import Engine

ROOT = Path(__file__).parent.parent
MARKET = "BTC_USDT"
INSTRUMENT = {"symbol": MARKET, "price_decimals": 0, "quantity_decimals": 0, "tick": "1", "lot": "1"}
PREVENTION = {"taker": "EXPIRE_TAKER", "maker": "EXPIRE_MAKER", "both": "EXPIRE_BOTH", "decrement": "DECREMENT"}
RULES = {"min": "min_quantity", "max": "max_quantity", "band": "price_band", "open": "max_open_orders"}
RULES |= {"min-notional": "min_notional", "max-notional": "max_notional"}
WITHOUT_WORDS = (
    "OrderAccepted InstrumentListed InstrumentUpdated MassCancelled TimeAdvanced AccountUnblocked AccountBlocked "
    "CancelAfterSet"
).split()


def stories():
    """Every story's place and lines."""
    page = (ROOT / "docs/orders.md").read_text()
    for number, block in enumerate(re.findall(r"```orders\n(.*?)```", page, re.DOTALL), start=1):
        yield f"docs/orders.md, example {number}", block.splitlines()
    for file in sorted((ROOT / "crates/matching/tests/core/stories").glob("*.txt")):
        for story in re.split(r"^== ", file.read_text(), flags=re.MULTILINE)[1:]:
            name, *lines = story.splitlines()
            yield f"{file.name}, {name}", lines


def short(number):
    """A decimal as it is written."""
    return number if isinstance(number, str) else f"{number.normalize():f}"


class Teller:
    """One story: its commands as they stand in a log, and the events in a story's words."""

    def __init__(self):
        self.engine, self.instrument = Engine(), INSTRUMENT
        self.seq = self.time = self.commands = 0
        self.run({"type": "ListInstrument", "instrument": INSTRUMENT})

    def run(self, command):
        self.seq += 1
        return self.engine.apply(self.seq, self.time, command)

    def told(self, text):
        """What comes of a command, in words."""
        self.commands += 1
        events = self.run(self.command(text.split()))
        return ", ".join(words(event) for event in events if event["type"] not in WITHOUT_WORDS)

    def command(self, said):
        after = {word: said[at + 1] for at, word in enumerate(said[:-1])}
        command = {"command_id": (1 << 52) + self.commands, "received_at": 0}
        if "by" in after:
            command["account"] = after["by"]
        if "saying" in after:
            command["reason_text"] = after["saying"]
        match said[0], said[1]:
            case "cancel", ("all" | "everywhere") as where:
                command |= {"type": "MassCancel"} | ({"symbol": MARKET} if where == "all" else {})
                return command | said_one("side", ("buy", "sell"), said)
            case "cancel", "key":
                return command | {"type": "CancelByKey", "symbol": MARKET, "client_order_id": said[2]}
            case "cancel", order_id:
                return command | {"type": "CancelOrder", "order_id": int(order_id)}
            case "amend", order_id:
                command |= {"type": "AmendOrder", "order_id": int(order_id)}
                command |= {name: after[word] for word, name in (("@", "price"), ("to", "quantity")) if word in after}
                return command | ({"if_seq": int(after["if"])} if "if" in after else {})
            case "cancel-after", account:
                return command | {"type": "SetCancelAfter", "account": account, "timeout": int(said[2])}
            case ("block" | "unblock") as what, account:
                return command | {"type": f"{what.capitalize()}Account", "account": account}
            case "phase", phase:
                then = [{"at": int(said[at + 3]), "phase": said[at + 1]} for at in range(2, len(said), 4)]
                return command | {"type": "SetPhase", "symbol": MARKET, "phase": phase, "then": then}
            case "rules", _:
                self.instrument = changed(self.instrument, said[1:])
                return command | {"type": "UpdateInstrument", "instrument": self.instrument}
            case "time", time:
                self.time = int(time)
                return {"type": "AdvanceTime"}
            case _:
                return self.order(said, after)

    def order(self, said, after):
        order = {"order_id": int(said[0]), "symbol": MARKET, "side": said[1].upper(), "received_at": 0}
        kind = next((word for word in ("market", "stop", "take", "trail") if word in said), None)
        limited = "_LIMIT" if "@" in said else ""
        kinds = {
            "market": "MARKET",
            "stop": f"STOP{limited}",
            "take": f"TAKE_PROFIT{limited}",
            "trail": "TRAILING_STOP",
        }
        if kind:
            order["type"] = kinds[kind]
        if "for" not in said:
            order["quantity"] = said[2]
        texts = {"@": "price", "for": "quote_quantity", "stop": "stop_price", "take": "stop_price", "by": "account"}
        texts |= {"trail": "trailing_delta", "show": "display_quantity", "min": "min_quantity"}
        texts |= {"key": "client_order_id", "noting": "metadata"}
        order |= {name: after[word] for word, name in texts.items() if word in after}
        order |= said_one("time_in_force", ("ioc", "fok", "gtd", "day"), said)
        numbers = {"gtd": "expire_at", "with": "linked_order_id"}
        order |= {name: int(after[word]) for word, name in numbers.items() if word in after}
        if "post" in said:
            order["post_only"] = True
        if "stp" in after:
            order["self_trade_prevention"] = PREVENTION[after["stp"]]
        command = {"type": "NewOrder", "order": order, "stale": "late" in said}
        return command | ({"deadline": int(after["until"])} if "until" in after else {})

    def picture(self):
        """Bids, a bar, asks, each `id:remaining(shown)@price`, best first; then those that wait, oldest first."""
        book = self.engine.books[MARKET]

        def side(orders):
            shown = {order.id: f"({order.shown})" if order.shown != order.remaining else "" for order in orders}
            return " ".join(f"{order.id}:{order.remaining}{shown[order.id]}@{order.price}" for order in orders)

        waiting = sorted(book.waiting.values(), key=lambda order: order.place)
        behind = f" ? {' '.join(str(order.id) for order in waiting)}" if waiting else ""
        return f"{side(book.sides['BUY'])} | {side(book.sides['SELL'])}{behind}".strip()


def said_one(name, of, said):
    """A field whose value is the one of these words that is said, if one is."""
    return next(({name: word.upper()} for word in of if word in said), {})


def changed(instrument, said):
    changes = dict(word.split("=") for word in said)
    named = {RULES.get(name, name): value for name, value in changes.items()}
    for name in ("price_band", "max_open_orders"):
        if named.get(name, "none") != "none":
            named[name] = int(named[name])
    return {name: value for name, value in (instrument | named).items() if value != "none"}


def words(event):
    """An event in a story's words."""
    order_id, reason = event.get("order_id"), event.get("reason_code")
    back = f" gives back {short(event['released'])}" if "released" in event else ""
    match event["type"]:
        case "OrderRejected":
            return f"{event['order']['order_id']} rejected {reason}"
        case "OrderRepeated":
            return f"{order_id} {'repeats' if event['same_order'] else 'differs from'} {event['first_order_id']}"
        case "OrderTriggered":
            return f"{order_id} triggered {short(event['price'])}"
        case "OrderAmended":
            price = f" @ {short(event['price'])}" if "price" in event else ""
            return f"{order_id} amended {short(event['remaining'])} of {short(event['quantity'])}{price}"
        case "OrderReduced":
            return f"{order_id} reduced {short(event['remaining'])} of {short(event['quantity'])}"
        case "OrderReplenished":
            return f"{order_id} shows {short(event['displayed'])}"
        case "Trade":
            saves = f" saves {short(event['improvement'])}" if "improvement" in event else ""
            what = f"{short(event['quantity'])} of {event['maker_order_id']} @ {short(event['price'])}"
            return f"{event['taker_order_id']} takes {what}{saves}"
        case "OrderFilled":
            return f"{order_id} filled{back}"
        case "OrderCancelled":
            return f"{order_id} cancelled {short(event['remaining'])} {reason}{back}"
        case "OrderExpired":
            return f"{order_id} expired {short(event['remaining'])} {reason}{back}"
        case "CancelRejected":
            return f"not cancelled {reason}"
        case "AmendRejected":
            return f"{order_id} not amended {reason}"
        case "CancelAfterFired":
            return f"{event['account']} is late"
        case "PhaseChanged":
            return f"is {event['phase']}"
        case "AuctionIndicated" if "price" not in event:
            return "would trade nothing"
        case "AuctionIndicated":
            side = event.get("imbalance_side", "").lower()
            over = f", {side} {short(event['imbalance'])} over" if side else ""
            return f"would trade {short(event['volume'])} @ {short(event['price'])}{over}"
        case "CommandRejected":
            return f"refused {reason}"
        case "DuplicateRejected":
            return f"duplicate {event['command_id']}"
    raise AssertionError(f"no words for {event}")


class RuleBookTest(unittest.TestCase):
    def test_every_story_is_told_as_it_stands_there(self):
        told = 0
        for name, lines in stories():
            with self.subTest(story=name):
                self.tell(lines)
            told += 1
        self.assertGreaterEqual(told, 150)

    def tell(self, lines):
        teller = Teller()
        for line in lines:
            said, _, expected = (part.strip() for part in line.split("#")[0].partition("->"))
            if not said or said.startswith("order "):  # An order's state is for readers; the log has none.
                continue
            found = teller.picture() if said == "book" else teller.told(said)
            self.assertEqual(found, expected, said)

    def test_a_story_that_is_not_true_is_found(self):
        with self.assertRaises(AssertionError):
            self.tell(["1 sell 5 @ 100", "2 buy 3 @ 100 -> 2 takes 4 of 1 @ 100"])


if __name__ == "__main__":
    unittest.main()
