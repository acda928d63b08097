"""The rule book beyond one market's book: ids, names, validation, accounts, time."""

from collections import deque
from decimal import Decimal

from audit_book import LIMITED, MAX_PARTS, PRICE_LIMIT, PROFITS, STOPS, Book, Instrument

ID_WINDOW = 1_000_000
MAX_SYMBOLS = 1_000
MAX_STEPS = 8
QUANTITY_LIMIT = 1 << 63
TIME_LIMIT = 1 << 63
DAY = 24 * 60 * 60 * 1_000_000
NOT_TERMS = ("order_id", "symbol", "account", "client_order_id", "received_at")


def compact(event):
    return {name: value for name, value in event.items() if value is not None}


class UnknownCommandError(Exception):
    """A command of a kind that the rule book does not have."""


class Engine:
    """What a command comes to."""

    def __init__(self):
        self.books = {}
        self.orders = {}  # id -> symbol, while the id is kept
        self.others = set()  # ids of refused orders and of other commands, while they are kept
        self.closed, self.since = deque(), deque()
        self.names = {}  # (symbol, account, name) -> (id, what was asked)
        self.name_of = {}
        self.blocked, self.switches, self.phases = set(), {}, {}
        self.trades = self.seq = self.time = 0

    def apply(self, seq, time, command):
        """The events of a command, with decimals as Decimal."""
        self.seq, self.time = seq, time
        self.forget()
        kind = command["type"]
        rule = getattr(self, kind, None) if kind[:1].isupper() else None
        if rule is None:
            raise UnknownCommandError(f"no rule is known for a {kind}")
        identity = command["order"]["order_id"] if kind == "NewOrder" else command.get("command_id")
        if identity is not None and (identity in self.orders or identity in self.others):
            return [{"type": "DuplicateRejected", "command_id": identity}]
        if identity is not None and kind != "NewOrder":
            self.remember(identity)
        return rule(command)

    def forget(self):
        """Ids and names are kept for exactly ID_WINDOW rows."""
        for queue, kept in ((self.closed, self.orders.pop), (self.since, self.others.discard)):
            while queue and self.seq - queue[0][0] > ID_WINDOW:
                identity = queue.popleft()[1]
                kept(identity)
                self.names.pop(self.name_of.pop(identity, None), None)

    def remember(self, identity):
        self.others.add(identity)
        self.since.append((self.seq, identity))

    def next_trade(self):
        self.trades += 1
        return self.trades

    def on_close(self, order_id):
        self.closed.append((self.seq, order_id))

    def run(self, symbol, step, *arguments):
        book = self.books[symbol]
        return book.run(self.seq, getattr(book, step), *arguments)

    def rejected(self, command, reason, symbol=None):
        event = {"type": "CommandRejected", "command_id": command.get("command_id"), "symbol": symbol}
        return [compact(event | {"reason_code": reason})]

    # Markets

    def ListInstrument(self, command):  # noqa: N802
        instrument, command_id = command["instrument"], command.get("command_id")
        symbol = instrument["symbol"]
        if symbol in self.books or len(self.books) >= MAX_SYMBOLS:
            reason = "ALREADY_LISTED" if symbol in self.books else "TOO_MANY_SYMBOLS"
            event = {"type": "ListingRejected", "command_id": command_id, "symbol": symbol, "reason_code": reason}
            return [compact(event)]
        self.books[symbol] = Book(instrument, self.next_trade, self.on_close)
        return [compact({"type": "InstrumentListed", "command_id": command_id, "instrument": instrument})]

    def UpdateInstrument(self, command):  # noqa: N802
        instrument = command["instrument"]
        symbol = instrument["symbol"]
        if symbol not in self.books:
            return self.rejected(command, "UNKNOWN_SYMBOL", symbol)
        before = self.books[symbol].rules
        if any(instrument[scale] != before.spec[scale] for scale in ("price_decimals", "quantity_decimals")):
            return self.rejected(command, "SCALE_CHANGED", symbol)
        return self.run(symbol, "update", command["command_id"], instrument)

    def SetPhase(self, command):  # noqa: N802
        symbol, then = command["symbol"], command.get("then", [])
        if symbol not in self.books:
            return self.rejected(command, "UNKNOWN_SYMBOL", symbol)
        times = [self.time, *(step["at"] for step in then)]
        if len(then) > MAX_STEPS or any(a >= b for a, b in zip(times, times[1:], strict=False)):
            return self.rejected(command, "INVALID_SCHEDULE", symbol)
        self.phases[symbol] = then
        return self.run(symbol, "set_phase", command.get("command_id"), command["phase"], then)

    def RefuseEntry(self, command):  # noqa: N802
        return [{"type": "EntryRejected", "stream_id": command["stream_id"], "error": command["error"]}]

    # Time

    def AdvanceTime(self, _command):  # noqa: N802
        due, events = [], [{"type": "TimeAdvanced"}]
        for symbol, book in self.books.items():
            for order in book.open.values():
                if order.expire_at is not None and order.expire_at <= self.time:
                    due.append((symbol, order.expire_at, 0, order.id, ("expire_due", order.id)))
        for at, account in sorted((at, account) for account, at in self.switches.items() if at <= self.time):
            del self.switches[account]
            events.append({"type": "CancelAfterFired", "account": account})
            due += [(symbol, at, 1, account, ("cancel_all", "CANCEL_AFTER", None, account)) for symbol in self.books]
        for symbol, steps in self.phases.items():
            while steps and steps[0]["at"] <= self.time:
                step, steps = steps[0], steps[1:]
                due.append((symbol, step["at"], 2, 0, ("set_phase", None, step["phase"], steps)))
            self.phases[symbol] = steps
        for symbol, _, _, _, step in sorted(due, key=lambda entry: entry[:4]):
            events += self.run(symbol, *step)
        return events

    def SetCancelAfter(self, command):  # noqa: N802
        account, timeout = command["account"], command["timeout"]
        due = self.time + timeout if timeout else None
        if due is not None and due >= TIME_LIMIT:
            return self.rejected(command, "OUT_OF_RANGE")
        self.switches.pop(account, None)
        if due is not None:
            self.switches[account] = due
        event = {"type": "CancelAfterSet", "command_id": command["command_id"], "account": account, "due": due}
        return [compact(event)]

    # Accounts

    def BlockAccount(self, command):  # noqa: N802
        command_id, account = command["command_id"], command["account"]
        self.blocked.add(account)
        events = [{"type": "AccountBlocked", "command_id": command_id, "account": account}]
        for symbol in sorted(self.books):
            events += self.run(symbol, "cancel_all", "ACCOUNT_BLOCKED", command_id, account)
        return events

    def UnblockAccount(self, command):  # noqa: N802
        self.blocked.discard(command["account"])
        return [{"type": "AccountUnblocked", "command_id": command["command_id"], "account": command["account"]}]

    # Cancels and amends

    def MassCancel(self, command):  # noqa: N802
        symbol = command.get("symbol")
        if symbol is not None and symbol not in self.books:
            return self.rejected(command, "UNKNOWN_SYMBOL", symbol)
        asked = [command.get(name) for name in ("command_id", "account", "side")]
        events = [{"type": "MassCancelled"} | {k: v for k, v in command.items() if k not in ("type", "received_at")}]
        for market in sorted(self.books) if symbol is None else [symbol]:
            events += self.run(market, "cancel_all", "MASS_CANCEL", *asked)
        return events

    def CancelOrder(self, command):  # noqa: N802
        return self.send_cancel(command, command["order_id"])

    def CancelByKey(self, command):  # noqa: N802
        key = (command["symbol"], command.get("account"), command["client_order_id"])
        return self.send_cancel(command, self.names.get(key, (None,))[0])

    def send_cancel(self, command, order_id):
        if order_id not in self.orders:
            event = {"type": "CancelRejected", "command_id": command["command_id"], "order_id": order_id}
            return [compact(event | {"reason_code": "UNKNOWN_ORDER"})]
        what = command["command_id"], order_id, command.get("reason_text")
        return self.run(self.orders[order_id], "cancel_one", *what)

    def AmendOrder(self, command):  # noqa: N802
        command_id, order_id = command["command_id"], command["order_id"]
        price, quantity = command.get("price"), command.get("quantity")
        rules = self.books[self.orders[order_id]].rules if order_id in self.orders else None
        reason = None
        if rules is None:
            reason = "UNKNOWN_ORDER"
        elif price is None and quantity is None:
            reason = "NOT_AMENDABLE"
        else:
            reason = price_refusal(rules, price) or quantity_refusal(rules, quantity, whole=True)
        if reason:
            event = {"type": "AmendRejected", "command_id": command_id, "order_id": order_id}
            return [event | {"reason_code": reason}]
        price = Instrument.units(price, rules.price_decimals)
        quantity = Instrument.units(quantity, rules.quantity_decimals)
        return self.run(self.orders[order_id], "amend", command_id, order_id, price, quantity, command.get("if_seq"))

    # Orders

    def NewOrder(self, command):  # noqa: N802
        order = command["order"]
        order_id, symbol, name = order["order_id"], order["symbol"], order.get("client_order_id")
        key = (symbol, order.get("account"), name)
        # A DAY order's expiry is written in by the engine.
        not_terms = (*NOT_TERMS, "expire_at") if order.get("time_in_force") == "DAY" else NOT_TERMS
        asked = {field: value for field, value in order.items() if field not in not_terms}
        if name is not None and key in self.names:
            first, first_asked = self.names[key]
            self.remember(order_id)
            event = {"type": "OrderRepeated", "order_id": order_id, "first_order_id": first, "symbol": symbol}
            event |= {"account": order.get("account"), "client_order_id": name, "same_order": first_asked == asked}
            return [compact(event)]
        if name is not None:
            self.names[key], self.name_of[order_id] = (order_id, asked), key
        reason = self.refusal(command, order)
        if reason:
            self.remember(order_id)
            return [{"type": "OrderRejected", "order": order, "reason_code": reason}]
        self.orders[order_id] = symbol
        if order.get("time_in_force") == "DAY":
            order = order | {"expire_at": (self.time // DAY + 1) * DAY}
        return self.run(symbol, "place", order)

    def refusal(self, command, order):
        """Reasons 1 to 10 of the validation, in the order in which they are looked at."""
        if command.get("stale") or command.get("deadline", self.time) < self.time:
            return "STALE"
        if not is_coherent(order):
            return "INCOHERENT"
        if order.get("time_in_force") == "GTD" and order["expire_at"] <= self.time:
            return "ALREADY_EXPIRED"
        if order["symbol"] not in self.books:
            return "UNKNOWN_SYMBOL"
        rules = self.books[order["symbol"]].rules
        reason = amounts_refusal(rules, order)
        if reason is None and order.get("account") in self.blocked:
            reason = "ACCOUNT_BLOCKED"
        return reason


def is_coherent(order):
    """Whether an order's fields go together."""
    kind, tif = order.get("type", "LIMIT"), order.get("time_in_force", "GTC")
    has, immediate = order.__contains__, tif in ("IOC", "FOK")
    waits = kind in (*STOPS, *PROFITS, "TRAILING_STOP")
    by_quote, market = has("quote_quantity"), kind == "MARKET"
    return all(
        (
            has("price") == (kind in LIMITED),
            by_quote != has("quantity"),
            not by_quote or (market and order.get("self_trade_prevention") != "DECREMENT"),
            has("expire_at") == (tif == "GTD") or tif == "DAY",
            not (market and tif in ("GTD", "DAY")),
            has("stop_price") == (kind in (*STOPS, *PROFITS)),
            has("trailing_delta") == (kind == "TRAILING_STOP"),
            not has("post_only") or (kind == "LIMIT" and not immediate and not has("min_quantity")),
            not has("display_quantity") or (kind in LIMITED and not immediate),
            not has("min_quantity") or (kind in ("LIMIT", "MARKET") and not by_quote and tif != "FOK"),
            not has("linked_order_id") or (has("account") and not market and (waits or not immediate)),
        )
    )


def amounts_refusal(rules, order):
    """Reasons 5 to 9 of the validation."""
    reason = price_refusal(rules, order.get("price")) or quantity_refusal(rules, order.get("quantity"), whole=True)
    reason = reason or quote_refusal(rules, order.get("quote_quantity"))
    for name in ("stop_price", "trailing_delta"):
        reason = reason or price_refusal(rules, order.get(name))
    for name in ("display_quantity", "min_quantity"):
        reason = reason or quantity_refusal(rules, order.get(name))
    if reason:
        return reason
    amount = {name: Decimal(order[name]) for name in order if name == "price" or name.endswith("quantity")}
    if any(amount.get(part, 0) > amount.get("quantity", 0) for part in ("display_quantity", "min_quantity")):
        return "INCOHERENT"
    if "display_quantity" in amount and amount["quantity"] > MAX_PARTS * amount["display_quantity"]:
        return "DISPLAY_TOO_SMALL"
    notional = amount["price"] * amount["quantity"] if "price" in amount else amount.get("quote_quantity")
    return None if notional is None else rules.notional_refusal(int(notional.scaleb(rules.quote_decimals)))


def amount_refusal(text, decimals, step, limit, what, off):
    """Why an amount is none, looked at in this order; none if it is one, or is not there."""
    if text is None:
        return None
    if Decimal(text) == 0:
        return f"{what}_NOT_POSITIVE"
    units = Instrument.units(text, decimals)
    if units is None:
        return off
    if limit is not None and units >= limit:
        return "OUT_OF_RANGE"
    return off if units % step else None


def price_refusal(rules, text):
    return amount_refusal(text, rules.price_decimals, rules.tick, PRICE_LIMIT, "PRICE", "OFF_TICK")


def quote_refusal(rules, text):
    return amount_refusal(text, rules.quote_decimals, 1, None, "QUANTITY", "OFF_LOT")


def quantity_refusal(rules, text, whole=False):
    """A whole quantity has the market's limits besides."""
    reason = amount_refusal(text, rules.quantity_decimals, rules.lot, QUANTITY_LIMIT, "QUANTITY", "OFF_LOT")
    if text is None or reason or not whole:
        return reason
    units = Instrument.units(text, rules.quantity_decimals)
    if rules.min_quantity is not None and units < rules.min_quantity:
        return "QUANTITY_TOO_SMALL"
    if rules.max_quantity is not None and units > rules.max_quantity:
        return "QUANTITY_TOO_LARGE"
    return None
