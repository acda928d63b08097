"""One market's book, by the rule book in docs/orders.md, written for obviousness: no structure that is not needed.

Prices, quantities and amounts are integers of the instrument's units; events carry them as Decimal.
"""

from bisect import bisect_left, insort
from collections import deque
from decimal import Decimal, getcontext

getcontext().prec = 80  # A price times a quantity is exact.

PRICE_LIMIT = 1 << 53
MAX_PARTS = 1_000
OTHER = {"BUY": "SELL", "SELL": "BUY"}
LIMITED = ("LIMIT", "STOP_LIMIT", "TAKE_PROFIT_LIMIT")
STOPS = ("STOP", "STOP_LIMIT")
PROFITS = ("TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
NOTHING = (None, 0, 0, None)  # What an auction gives in which nothing trades: price, volume, imbalance, its side.


class Instrument:
    """A market's scale and rules, in units."""

    def __init__(self, spec):
        self.spec = spec
        self.price_decimals, self.quantity_decimals = spec["price_decimals"], spec["quantity_decimals"]
        self.quote_decimals = self.price_decimals + self.quantity_decimals
        self.tick = self.units(spec["tick"], self.price_decimals)
        self.lot = self.units(spec["lot"], self.quantity_decimals)
        self.min_quantity = self.units(spec.get("min_quantity"), self.quantity_decimals)
        self.max_quantity = self.units(spec.get("max_quantity"), self.quantity_decimals)
        self.min_notional = self.units(spec.get("min_notional"), self.quote_decimals)
        self.max_notional = self.units(spec.get("max_notional"), self.quote_decimals)
        self.price_band, self.max_open_orders = spec.get("price_band"), spec.get("max_open_orders")

    @staticmethod
    def units(text, decimals):
        """An amount in units; none when it has more decimals than there are, or is not there."""
        if text is None:
            return None
        units = Decimal(text).scaleb(decimals)
        return int(units) if units == units.to_integral_value() else None

    def price(self, units):
        return Decimal(units).scaleb(-self.price_decimals)

    def quantity(self, units):
        return Decimal(units).scaleb(-self.quantity_decimals)

    def quote(self, units):
        return Decimal(units).scaleb(-self.quote_decimals)

    def notional_refusal(self, notional):
        if self.min_notional is not None and notional < self.min_notional:
            return "NOTIONAL_TOO_SMALL"
        if self.max_notional is not None and notional > self.max_notional:
            return "NOTIONAL_TOO_LARGE"
        return None


class Order:
    """An order in a book: what was asked, in units, and what has become of it."""

    def __init__(self, asked, instrument):
        def price(name):
            return instrument.units(asked.get(name), instrument.price_decimals)

        def quantity(name):
            return instrument.units(asked.get(name), instrument.quantity_decimals)

        self.asked, self.id, self.side = asked, asked["order_id"], asked["side"]
        self.type, self.tif = asked.get("type", "LIMIT"), asked.get("time_in_force", "GTC")
        self.price, self.stop_price, self.delta = price("price"), price("stop_price"), price("trailing_delta")
        self.quantity, self.display = quantity("quantity") or 0, quantity("display_quantity")
        self.min_quantity, self.filled, self.remaining = quantity("min_quantity"), 0, self.quantity
        self.quote = instrument.units(asked.get("quote_quantity"), instrument.quote_decimals)
        self.expire_at, self.post_only = asked.get("expire_at"), asked.get("post_only", False)
        self.prevention, self.account = asked.get("self_trade_prevention", "NONE"), asked.get("account")
        self.waits = self.type in (*STOPS, *PROFITS, "TRAILING_STOP")
        self.rests = self.type in LIMITED and self.tif not in ("IOC", "FOK")
        self.linked = None  # The order that it is linked with.
        self.place = self.reference = self.changed = None
        self.show_part()

    def show_part(self):
        """Shows a whole part."""
        self.shown = self.remaining if self.display is None else min(self.display, self.remaining)

    def prevents(self, maker):
        """Whether it must not trade with this one."""
        return self.account is not None and self.account == maker.account and self.prevention != "NONE"

    def move(self, last):
        """A trailing stop's reference follows the trades."""
        if self.type == "TRAILING_STOP":
            further = min if self.side == "BUY" else max
            self.reference = last if self.reference is None else further(self.reference, last)

    def is_reached(self, last):
        """Whether a trade at this price wakes it."""
        at, above = self.stop_price, (self.side == "BUY") == (self.type not in PROFITS)
        if self.type == "TRAILING_STOP":
            if self.reference is None:
                return False
            at = self.reference + (self.delta if above else -self.delta)
            if not 1 <= at < PRICE_LIMIT:
                return False
        return last >= at if above else last <= at

    def owner(self):
        return {name: self.asked[name] for name in ("account", "metadata") if name in self.asked}

    def names(self, symbol):
        return {"order_id": self.id, "symbol": symbol}


class Side:
    """The orders of a side that do not wait, best first: by distance from the best possible price, then by place."""

    def __init__(self, sign):
        self.sign, self.entries = sign, []

    def entry(self, order):
        return order.price * self.sign, order.place, order

    def add(self, order):
        insort(self.entries, self.entry(order))

    def remove(self, order):
        del self.entries[bisect_left(self.entries, self.entry(order))]

    def __iter__(self):
        return (order for _, _, order in self.entries)

    def best(self):
        return self.entries[0][2] if self.entries else None


class Book:
    """What a market's commands come to. Every event of a book counts one."""

    def __init__(self, spec, trade_number, on_close):
        self.rules, self.symbol = Instrument(spec), spec["symbol"]
        self.trade_number, self.on_close = trade_number, on_close
        self.sides = {"BUY": Side(-1), "SELL": Side(1)}
        self.open, self.waiting = {}, {}
        self.queue = deque()  # Woken orders, each with the price of the trade that woke it.
        self.events, self.count, self.seq = [], 0, 0
        self.last, self.phase, self.indication = None, "CONTINUOUS", NOTHING

    def run(self, seq, step, *arguments):
        """The events of one step: it, then the orders that its trades woke, then what the auction would give."""
        self.events, self.seq = [], seq
        step(*arguments)
        self.wake()
        self.indicate()
        return self.events

    def tell(self, kind, fields):
        """Tells an event, without the fields that have no value; its number."""
        self.count += 1
        self.events.append({"type": kind} | {name: value for name, value in fields.items() if value is not None})
        return self.count

    # Orders that come

    def place(self, asked):
        order = Order(asked, self.rules)
        reason = self.refusal(order)
        if reason:
            self.tell("OrderRejected", {"order": asked, "symbol_seq": self.count + 1, "reason_code": reason})
            self.on_close(order.id)
            return
        order.place, order.changed = self.count + 1, self.seq
        self.tell("OrderAccepted", {"order": asked, "priority": order.place})
        self.open[order.id] = order
        if "linked_order_id" in asked:
            order.linked = self.open[asked["linked_order_id"]]
            order.linked.linked = order
        if not order.waits:
            self.come(order, placed=True)
            return
        self.waiting[order.id] = order
        if self.last is not None:
            order.move(self.last)
            if self.phase == "CONTINUOUS":
                self.reach(self.last)

    def refusal(self, order):
        """Reasons 11 to 15 of the validation."""
        comes = not order.waits
        immediate = order.type == "MARKET" or order.tif in ("IOC", "FOK") or order.min_quantity is not None
        if self.phase in ("CANCEL_ONLY", "CLOSED") or (self.phase != "CONTINUOUS" and comes and immediate):
            return "PHASE_FORBIDS"
        if "linked_order_id" in order.asked and not self.may_link(order):
            return "LINK_NOT_POSSIBLE"
        if self.rules.max_open_orders is not None and order.account is not None and (order.waits or order.rests):
            if sum(o.account == order.account for o in self.open.values()) >= self.rules.max_open_orders:
                return "TOO_MANY_OPEN_ORDERS"
        if comes and order.price is not None and not self.is_in_band(order.price):
            return "OUTSIDE_PRICE_BAND"
        if comes and self.must_not_trade(order) and self.would_trade(order, order.price):
            return "POST_ONLY_WOULD_TRADE"
        return None

    def may_link(self, order):
        other = self.open.get(order.asked["linked_order_id"])
        if other is None or other.filled or other.linked or (other.account, other.side) != (order.account, order.side):
            return False
        return order.waits or other.id in self.waiting

    def band(self):
        """The lowest and the highest price within the band; none where there is none."""
        if self.rules.price_band is None or self.last is None:
            return None
        width = self.last * self.rules.price_band // 10_000
        return max(self.last - width, 1), min(self.last + width, PRICE_LIMIT - 1)

    def is_in_band(self, price):
        band = self.band()
        return band is None or band[0] <= price <= band[1]

    def must_not_trade(self, order):
        return (order.post_only or self.phase == "POST_ONLY") and self.phase != "AUCTION"

    def would_trade(self, order, price):
        best = self.sides[OTHER[order.side]].best()
        return best is not None and (best.price <= price if order.side == "BUY" else best.price >= price)

    def come(self, taker, placed=False):
        """An order comes to the book: it trades, and rests with what is left, or ends."""
        if self.phase != "CONTINUOUS":
            self.rest(taker)
            return
        others, buys, worst = self.sides[OTHER[taker.side]], taker.side == "BUY", taker.price
        if worst is None and (band := self.band()) is not None:
            worst = band[1] if buys else band[0]

        def meets(maker):
            return worst is None or (maker.price <= worst if buys else maker.price >= worst)

        insists = taker.tif == "FOK" or (placed and taker.min_quantity is not None)
        if insists and not self.can_have(taker, [maker for maker in others if meets(maker)]):
            self.expire(taker, "FILL_OR_KILL" if taker.tif == "FOK" else "MIN_QUANTITY")
            return
        while (maker := others.best()) is not None and meets(maker) and taker.id in self.open:
            if taker.prevents(maker):
                self.prevent(maker, taker)
                continue
            wanted = self.wanted(taker.quote, maker.price) if taker.quote is not None else taker.remaining
            if wanted == 0:
                if taker.filled:
                    self.fill(taker)
                break
            self.trade(maker, taker, min(wanted, maker.shown), maker.price)
            if maker.id in self.open and maker.shown == 0:
                self.replenish(maker)
            if taker.quote is not None and self.wanted(taker.quote, maker.price) == 0:
                self.fill(taker)
        if taker.id in self.open:
            if taker.rests:
                self.rest(taker)
            else:
                self.expire(taker, "UNFILLED")

    def wanted(self, quote, price):
        """The most whole lots that an amount pays at a price."""
        return quote // (price * self.rules.lot) * self.rules.lot

    def can_have(self, taker, makers):
        """Whether it can have what it insists on from these orders; those of one price take turns by what they show."""
        needed = taker.remaining if taker.tif == "FOK" else taker.min_quantity
        had, left, quote = 0, taker.remaining, taker.quote
        turns = deque((maker, maker.shown, maker.remaining) for maker in makers)
        while turns:
            maker, shown, remaining = turns.popleft()
            if taker.prevents(maker):
                if taker.prevention in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
                    break
                if taker.prevention == "DECREMENT":
                    if left <= remaining:
                        break
                    left -= remaining
                continue
            if quote is not None:
                wanted = self.wanted(quote, maker.price)
                if wanted == 0:
                    return had > 0
                traded = min(wanted, shown)
                quote -= traded * maker.price
                had += traded
                if self.wanted(quote, maker.price) == 0:
                    return True
            else:
                traded = min(left, shown)
                left, had = left - traded, had + traded
                if had >= needed:
                    return True
                if left == 0:
                    return False
            if traded == shown and remaining > shown:
                remaining -= traded
                index = 0
                while index < len(turns) and turns[index][0].price == maker.price:
                    index += 1
                turns.insert(index, (maker, min(maker.display, remaining), remaining))
        return False

    def rest(self, order):
        order.show_part()
        self.sides[order.side].add(order)

    def trade(self, maker, taker, quantity, price, auction=False):
        for order in (maker, taker):
            order.filled, order.changed = order.filled + quantity, self.seq
            if order.quote is None:
                order.remaining -= quantity
            else:
                order.quote -= quantity * price
        maker.shown -= quantity
        buyer = taker if taker.side == "BUY" else maker
        improvement = (buyer.price - price) * quantity if buyer.price is not None else 0
        rules = self.rules
        event = {"trade_id": self.trade_number(), "symbol": self.symbol, "price": rules.price(price)}
        event |= {"quantity": rules.quantity(quantity), "quote_quantity": rules.quote(price * quantity)}
        event |= {"maker_order_id": maker.id, "taker_order_id": taker.id, "taker_side": taker.side}
        event |= {"maker_remaining": rules.quantity(maker.remaining)}
        event |= {"taker_remaining": rules.quantity(taker.remaining)}
        event |= {"taker_quote_remaining": None if taker.quote is None else rules.quote(taker.quote)}
        event |= {
            "improvement": rules.quote(improvement) if improvement else None,
            "auction": True if auction else None,
        }
        event |= {f"maker_{name}": value for name, value in maker.owner().items()}
        event |= {f"taker_{name}": value for name, value in taker.owner().items()}
        self.tell("Trade", event)
        self.last = price
        self.reach(price)
        for order in (maker, taker):
            if order.linked:
                self.cancel(order.linked, "LINKED_ORDER")
        for order in (maker, taker):
            if order.remaining == 0 and order.quote is None:
                self.close(order)

    def replenish(self, maker):
        self.sides[maker.side].remove(maker)
        maker.place, maker.changed = self.count + 1, self.seq
        self.rest(maker)
        event = {"displayed": self.rules.quantity(maker.shown), "priority": maker.place}
        self.tell("OrderReplenished", maker.names(self.symbol) | event | maker.owner())

    def prevent(self, maker, taker):
        """Two orders of one account do not trade: the mode of the one that comes decides for both."""
        mode, smaller = taker.prevention, min(maker.remaining, taker.remaining)
        for order, ends in ((maker, ("EXPIRE_MAKER", "EXPIRE_BOTH")), (taker, ("EXPIRE_TAKER", "EXPIRE_BOTH"))):
            if mode in ends or (mode == "DECREMENT" and order.remaining == smaller):
                self.cancel(order, "SELF_TRADE")
            elif mode == "DECREMENT":
                order.quantity, order.remaining = order.quantity - smaller, order.remaining - smaller
                order.shown, order.changed = min(order.shown, order.remaining), self.seq
                event = {"quantity": self.rules.quantity(order.quantity)}
                event |= {"remaining": self.rules.quantity(order.remaining)}
                self.tell("OrderReduced", order.names(self.symbol) | event | order.owner())

    # Orders that wait

    def reach(self, last):
        """A trade moves trailing stops, then wakes the orders that it reaches, lowest place first."""
        for order in self.waiting.values():
            order.move(last)
        asleep = self.waiting.keys() - {order.id for order, _ in self.queue}
        woken = [self.waiting[order_id] for order_id in asleep if self.waiting[order_id].is_reached(last)]
        self.queue.extend((order, last) for order in sorted(woken, key=lambda order: order.place))

    def wake(self):
        while self.queue:
            order, price = self.queue.popleft()
            if order.id not in self.waiting:
                continue
            del self.waiting[order.id]
            order.place, order.changed = self.count + 1, self.seq
            event = {"price": self.rules.price(price), "priority": order.place}
            self.tell("OrderTriggered", order.names(self.symbol) | event | order.owner())
            if order.linked:
                self.cancel(order.linked, "LINKED_ORDER")
            if order.price is not None and not self.is_in_band(order.price):
                self.expire(order, "OUTSIDE_PRICE_BAND")
            else:
                self.come(order)

    # Ends

    def close(self, order):
        del self.open[order.id]
        self.on_close(order.id)
        if self.waiting.pop(order.id, None) is None:
            side = self.sides[order.side]
            if order.price is not None and side.entry(order) in side.entries:
                side.remove(order)
        if order.linked:
            order.linked.linked = order.linked = None

    def end(self, kind, order, more):
        """Tells that an order ended, and what its owner gets back."""
        rules, released = self.rules, None
        if order.side == "SELL" and order.quote is None:
            released = rules.quantity(order.remaining)
        elif order.side == "BUY" and order.quote is not None:
            released = rules.quote(order.quote)
        elif order.side == "BUY" and order.price is not None:
            released = rules.quote(order.price * order.remaining)
        event = order.names(self.symbol) | {"side": order.side, "released": released}
        self.close(order)
        self.tell(kind, event | more | order.owner())

    def fill(self, order):
        self.end("OrderFilled", order, {})

    def expire(self, order, reason):
        self.end("OrderExpired", order, {"remaining": self.rules.quantity(order.remaining), "reason_code": reason})

    def cancel(self, order, reason, command_id=None, reason_text=None):
        more = {"command_id": command_id, "remaining": self.rules.quantity(order.remaining)}
        self.end("OrderCancelled", order, more | {"reason_code": reason, "reason_text": reason_text})

    def expire_due(self, order_id):
        if order_id in self.open:
            self.expire(self.open[order_id], "DUE")

    def cancel_one(self, command_id, order_id, reason_text):
        if order_id in self.open:
            self.cancel(self.open[order_id], "BY_USER", command_id, reason_text)
        else:
            event = {"command_id": command_id, "order_id": order_id, "symbol": self.symbol}
            self.tell("CancelRejected", event | {"reason_code": "NOT_OPEN"})

    def cancel_all(self, reason, command_id=None, account=None, side=None):
        for order in sorted(self.open.values(), key=lambda order: order.place):
            if account in (None, order.account) and side in (None, order.side):
                self.cancel(order, reason, command_id)

    # Amends

    def amend(self, command_id, order_id, price, quantity, if_seq):
        order = self.open.get(order_id)
        reason = "NOT_OPEN" if order is None else None
        if order is not None:
            price = order.price if price is None else price
            quantity = order.quantity if quantity is None else quantity
            keeps = price == order.price and quantity <= order.quantity
            reason = self.early_amend_refusal(order, price, keeps, if_seq)
            if reason is None and quantity <= order.filled:
                self.cancel(order, "AMENDED_BELOW_FILLED", command_id)
                return
            reason = reason or self.late_amend_refusal(order, price, quantity, keeps)
        if reason:
            event = {"command_id": command_id, "order_id": order_id, "symbol": self.symbol, "reason_code": reason}
            self.tell("AmendRejected", event)
            return
        comes = not keeps and order_id not in self.waiting
        if comes:
            self.sides[order.side].remove(order)
        order.price, order.quantity, order.remaining = price, quantity, quantity - order.filled
        order.changed = self.seq
        if keeps:
            order.shown = min(order.shown, order.remaining)
        else:
            order.place = self.count + 1
            order.show_part()
        rules = self.rules
        event = {"command_id": command_id} | order.names(self.symbol)
        event |= {"price": None if price is None else rules.price(price), "quantity": rules.quantity(quantity)}
        event |= {"remaining": rules.quantity(order.remaining), "priority": order.place}
        self.tell("OrderAmended", event | order.owner())
        if comes:
            self.come(order)

    def early_amend_refusal(self, order, price, keeps, if_seq):
        """Reasons 5 to 7 of an amend."""
        if if_seq is not None and if_seq != order.changed:
            return "SEQ_DIFFERS"
        if order.price is None and price is not None:
            return "NOT_AMENDABLE"
        if self.phase == "CLOSED" or (self.phase == "CANCEL_ONLY" and not keeps):
            return "PHASE_FORBIDS"
        return None

    def late_amend_refusal(self, order, price, quantity, keeps):
        """Reasons 9 to 12 of an amend."""
        waits = order.id in self.waiting
        if price is not None and (reason := self.rules.notional_refusal(price * quantity)):
            return reason
        if order.display is not None and quantity > MAX_PARTS * order.display:
            return "DISPLAY_TOO_SMALL"
        if not waits and price != order.price and not self.is_in_band(price):
            return "OUTSIDE_PRICE_BAND"
        if not keeps and not waits and self.must_not_trade(order) and self.would_trade(order, price):
            return "POST_ONLY_WOULD_TRADE"
        return None

    # Rules, phases, auctions

    def update(self, command_id, spec):
        self.rules = Instrument(spec)
        self.tell("InstrumentUpdated", {"command_id": command_id, "instrument": spec})

    def set_phase(self, command_id, phase, then):
        if phase == "CONTINUOUS":
            self.uncross()
        self.phase = phase
        event = {"command_id": command_id, "symbol": self.symbol, "phase": phase, "then": then or None}
        self.tell("PhaseChanged", event)
        if phase == "CONTINUOUS" and self.last is not None:
            self.reach(self.last)

    def auction(self):
        """What an auction would give now: its price, volume, imbalance and which side that is of."""
        bids, asks = list(self.sides["BUY"]), list(self.sides["SELL"])
        if not bids or not asks or bids[0].price < asks[0].price:
            return NOTHING
        low, high = asks[0].price, bids[0].price
        prices = {order.price for order in (*bids, *asks) if low <= order.price <= high}
        if self.last is not None and low <= self.last <= high and self.last % self.rules.tick == 0:
            prices.add(self.last)

        def merits(price):
            demand = sum(order.remaining for order in bids if order.price >= price)
            supply = sum(order.remaining for order in asks if order.price <= price)
            volume, over = min(demand, supply), demand - supply
            distance = 0 if self.last is None else abs(price - self.last)
            return -volume, abs(over), distance, price, over

        volume, imbalance, _, price, over = min(map(merits, prices))
        return price, -volume, imbalance, "BUY" if over > 0 else "SELL" if over < 0 else None

    def uncross(self):
        while (price := self.auction()[0]) is not None:
            while (bid := self.sides["BUY"].best()) and (ask := self.sides["SELL"].best()):
                if bid.price < price or ask.price > price:
                    break
                maker, taker = sorted((bid, ask), key=lambda order: order.place)
                if taker.prevents(maker):
                    self.prevent(maker, taker)
                    continue
                self.trade(maker, taker, min(bid.remaining, ask.remaining), price, auction=True)
                maker.show_part()
                taker.show_part()

    def indicate(self):
        """Tells what the auction would give, if that has changed; outside one nothing."""
        now = self.auction() if self.phase == "AUCTION" else NOTHING
        if now == self.indication:
            return
        self.indication = now
        price, volume, imbalance, side = now
        event = {"symbol": self.symbol, "price": None if price is None else self.rules.price(price)}
        event |= {"volume": self.rules.quantity(volume), "imbalance": self.rules.quantity(imbalance)}
        self.tell("AuctionIndicated", event | {"imbalance_side": side})
