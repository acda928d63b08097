"""Audits an exported event log on its own: shares nothing with the service but the format and the rule book.

It recomputes the hash chain, then matches every command again with a book of its own, written for obviousness, and
compares each event. Reads what `pricetime export` writes:

    pricetime export | python api_tests/audit.py
    python api_tests/audit.py export.jsonl

Exit code 0 if all is well, 1 with the first findings if not. docs/log-format.md describes the format.
"""

import json
import sys
from bisect import insort
from collections import deque
from decimal import Decimal

from blake3 import blake3

ID_WINDOW = 1_000_000
MAX_SYMBOLS = 1_000
PRICE_LIMIT = 1 << 53
QUANTITY_LIMIT = 1 << 63
SHOWN_FINDINGS = 20


class Finding(Exception):
    """Something in the log that is not as it must be."""


def stream_position(text):
    """`ms-n` as two numbers, which compare as the positions do."""
    millis, index = text.split("-")
    return int(millis), int(index)


def next_chain(chain, row):
    """The chain's value at a row: BLAKE3 over the value before, six numbers of 8 bytes, the command, the events."""
    command, events = row["command"].encode(), row["events"].encode()
    numbers = (row["seq"], *stream_position(row["stream_position"]), row["epoch"], row["time"], len(command))
    return blake3(chain + b"".join(n.to_bytes(8, "big") for n in numbers) + command + events).digest()


class Chain:
    """Rows are numbered without gaps, chained, and never go back in time, term or stream."""

    def __init__(self):
        self.seq, self.value, self.time, self.epoch, self.position = 0, bytes(32), 0, 0, (0, 0)

    def check(self, row):
        if row["seq"] != self.seq + 1:
            raise Finding(f"row {row['seq']} follows row {self.seq}")
        self.seq = row["seq"]
        self.value = next_chain(self.value, row)
        if row["chain"] != self.value.hex():
            self.value = bytes.fromhex(row["chain"])
            raise Finding("its chain value is not the hash of what stands there")
        position = stream_position(row["stream_position"])
        if row["time"] < self.time or row["epoch"] < self.epoch or position < self.position:
            raise Finding("it goes back in time, term or stream position")
        self.time, self.epoch, self.position = row["time"], row["epoch"], position


class Book:
    """One symbol's orders: per side a list sorted by (distance from the best possible price, priority)."""

    def __init__(self, instrument):
        self.instrument = instrument
        self.sides = {"BUY": [], "SELL": []}
        self.open = {}
        self.events = 0

    def count(self):
        self.events += 1
        return self.events

    def rest(self, order):
        key = -order["price"] if order["side"] == "BUY" else order["price"]
        insort(self.sides[order["side"]], (key, order["priority"], order["order_id"]))
        self.open[order["order_id"]] = order

    def remove(self, order_id):
        order = self.open.pop(order_id)
        side = self.sides[order["side"]]
        side[:] = [entry for entry in side if entry[2] != order_id]
        return order

    def best(self, side):
        return self.open[self.sides[side][0][2]] if self.sides[side] else None


class Engine:
    """The rule book: what a command comes to."""

    def __init__(self):
        self.books = {}
        self.orders = {}  # id -> symbol, while the id is kept
        self.others = set()  # ids of rejected orders and of other commands, while they are kept
        self.closed, self.since = deque(), deque()
        self.names = {}  # (symbol, account, name) -> (id, what was asked)
        self.name_of = {}
        self.trades = 0

    def apply(self, seq, time, command):
        """The events of a command, with decimals as Decimal."""
        self.forget(seq)
        kind = command["type"]
        identity = command.get("order_id") if kind == "NewOrder" else command.get("command_id")
        if identity is not None and (identity in self.orders or identity in self.others):
            return [{"type": "DuplicateRejected", "command_id": identity}]
        return getattr(self, kind)(seq, time, command)

    def forget(self, seq):
        """Ids and names are kept for exactly ID_WINDOW rows."""
        for queue, kept in ((self.closed, self.orders.pop), (self.since, self.others.discard)):
            while queue and seq - queue[0][0] > ID_WINDOW:
                identity = queue.popleft()[1]
                kept(identity)
                self.names.pop(self.name_of.pop(identity, None), None)

    def remember(self, seq, identity):
        self.others.add(identity)
        self.since.append((seq, identity))

    def ListInstrument(self, _seq, _time, command):  # noqa: N802
        instrument = command["instrument"]
        symbol = instrument["symbol"]
        if symbol in self.books or len(self.books) >= MAX_SYMBOLS:
            reason = "ALREADY_LISTED" if symbol in self.books else "TOO_MANY_SYMBOLS"
            return [{"type": "ListingRejected", "symbol": symbol, "reason_code": reason}]
        self.books[symbol] = Book(instrument)
        return [{"type": "InstrumentListed", "instrument": instrument}]

    def RefuseEntry(self, _seq, _time, command):  # noqa: N802
        return [{"type": "EntryRejected", "stream_id": command["stream_id"], "error": command["error"]}]

    def AdvanceTime(self, seq, time, _command):  # noqa: N802
        events = [{"type": "TimeAdvanced"}]
        for symbol in sorted(self.books):
            book = self.books[symbol]
            due = [(o["expire_at"], i) for i, o in book.open.items() if o.get("expire_at") and o["expire_at"] <= time]
            for _, order_id in sorted(due):
                order = book.remove(order_id)
                book.count()
                self.closed.append((seq, order_id))
                events.append(
                    {"type": "OrderExpired", "order_id": order_id, "symbol": symbol, "remaining": order["remaining"]}
                )
        return events

    def NewOrder(self, seq, time, command):  # noqa: N802
        order_id, symbol, name = command["order_id"], command["symbol"], command.get("client_order_id")
        price, quantity = Decimal(command["price"]), Decimal(command["quantity"])
        key = (symbol, command.get("account"), name)
        asked = (command["side"], price, quantity, command.get("expire_at"))
        if name is not None and key in self.names:
            first, first_asked = self.names[key]
            self.remember(seq, order_id)
            event = {"type": "OrderRepeated", "order_id": order_id, "first_order_id": first, "symbol": symbol}
            event |= {"client_order_id": name, "same_order": first_asked == asked}
            return [event | ({"account": command["account"]} if "account" in command else {})]
        event = {k: command[k] for k in ("order_id", "symbol", "side", "received_at")}
        event |= {"price": price, "quantity": quantity}
        event |= {k: command[k] for k in ("account", "client_order_id", "expire_at") if k in command}
        if name is not None:
            self.names[key], self.name_of[order_id] = (order_id, asked), key
        reason = self.refusal(time, command, price, quantity)
        if reason:
            self.remember(seq, order_id)
            return [event | {"type": "OrderRejected", "reason_code": reason}]
        self.orders[order_id] = symbol
        book = self.books[symbol]
        order = event | {"priority": book.count(), "remaining": quantity}
        accepted = event | {"type": "OrderAccepted", "priority": order["priority"]}
        return [accepted, *self.match(seq, book, order)]

    def refusal(self, time, command, price, quantity):
        """Why an order is refused, in the order in which the rules are looked at."""
        if command.get("stale") or command.get("deadline", time) < time:
            return "STALE"
        if command.get("expire_at", time + 1) <= time:
            return "ALREADY_EXPIRED"
        if command["symbol"] not in self.books:
            return "UNKNOWN_SYMBOL"
        instrument = self.books[command["symbol"]].instrument
        for what, amount, step, limit, off in (
            ("price", price, "tick", PRICE_LIMIT, "OFF_TICK"),
            ("quantity", quantity, "lot", QUANTITY_LIMIT, "OFF_LOT"),
        ):
            if amount == 0:
                return f"{what.upper()}_NOT_POSITIVE"
            units = amount.scaleb(instrument[f"{what}_decimals"])
            if units != units.to_integral_value():
                return off
            if units >= limit:
                return "OUT_OF_RANGE"
            if amount % Decimal(instrument[step]) != 0:
                return off
        return None

    def match(self, seq, book, taker):
        """Trades at the makers' prices, best price first, oldest first; what is left rests."""
        events = []
        other = "SELL" if taker["side"] == "BUY" else "BUY"
        while taker["remaining"] > 0:
            maker = book.best(other)
            if maker is None:
                break
            crosses = maker["price"] <= taker["price"] if other == "SELL" else maker["price"] >= taker["price"]
            if not crosses:
                break
            quantity = min(maker["remaining"], taker["remaining"])
            maker["remaining"] -= quantity
            taker["remaining"] -= quantity
            book.count()
            self.trades += 1
            trade = {"type": "Trade", "trade_id": self.trades, "symbol": taker["symbol"], "price": maker["price"]}
            trade |= {"quantity": quantity, "maker_order_id": maker["order_id"], "taker_order_id": taker["order_id"]}
            trade |= {"taker_side": taker["side"]}
            trade |= {"maker_remaining": maker["remaining"], "taker_remaining": taker["remaining"]}
            events.append(trade)
            if maker["remaining"] == 0:
                book.remove(maker["order_id"])
                self.closed.append((seq, maker["order_id"]))
        if taker["remaining"] > 0:
            book.rest(taker)
        else:
            self.closed.append((seq, taker["order_id"]))
        return events

    def CancelOrder(self, seq, _time, command):  # noqa: N802
        command_id, order_id = command["command_id"], command["order_id"]
        self.remember(seq, command_id)
        rejected = {"type": "CancelRejected", "command_id": command_id, "order_id": order_id}
        if order_id not in self.orders:
            return [rejected | {"reason_code": "UNKNOWN_ORDER"}]
        symbol = self.orders[order_id]
        book = self.books[symbol]
        book.count()
        if order_id not in book.open:
            return [rejected | {"symbol": symbol, "reason_code": "NOT_OPEN"}]
        order = book.remove(order_id)
        self.closed.append((seq, order_id))
        event = {"type": "OrderCancelled", "order_id": order_id, "symbol": symbol, "command_id": command_id}
        event |= {"remaining": order["remaining"], "reason_code": "BY_USER"}
        return [event | ({"reason_text": command["reason_text"]} if "reason_text" in command else {})]


def differs(expected, found):
    """Whether an event is not what the rules say; decimals are compared as numbers, and must be written in short."""
    if expected.keys() != found.keys():
        return True
    for name, value in expected.items():
        if isinstance(value, Decimal):
            short = "." not in found[name] or not found[name].endswith("0")
            if Decimal(found[name]) != value or not short:
                return True
        elif found[name] != value:
            return True
    return False


def audit(lines):
    """Findings about an exported log, and how many rows and trades it has."""
    chain, engine, findings = Chain(), Engine(), []
    for line in lines:
        row = json.loads(line)
        try:
            chain.check(row)
        except Finding as finding:
            findings.append(f"row {row['seq']}: {finding}")
        expected = engine.apply(row["seq"], row["time"], json.loads(row["command"]))
        found = json.loads(row["events"])
        if len(expected) != len(found) or any(map(differs, expected, found)):
            findings.append(f"row {row['seq']}: the rules give {expected}, the log has {found}")
        if len(findings) >= SHOWN_FINDINGS:
            break
    return findings, chain.seq, engine.trades


def main():
    source = open(sys.argv[1], encoding="utf-8") if len(sys.argv) > 1 else sys.stdin
    with source:
        findings, rows, trades = audit(source)
    for finding in findings:
        print(finding)
    print(f"{rows} rows, {trades} trades: {len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
