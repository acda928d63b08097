"""A small double-entry ledger on SQLite that reserves, settles and releases from pricetime's event stream.

    python examples/ledger.py --url http://127.0.0.1:8000 --database ledger.db
    python examples/ledger.py --database ledger.db --check

Each row of the event log is posted in one transaction with the cursor behind it, so a ledger that is killed and started
again posts nothing twice and leaves nothing out. An account has two books of each asset: what is free, and what is
reserved for its open orders. Every posting takes from one book what it gives to another: all of an asset sums to zero.
The engine takes orders that are funded already: here every account is allowed to owe, since nobody deposits anything.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections import defaultdict
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients" / "python"))

from pricetime_client import Client  # noqa: E402

# The exact product of two numbers of the engine has up to 39 digits.
getcontext().prec = 60

SCHEMA = """
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
INSERT OR IGNORE INTO cursor VALUES (1, 0);
CREATE TABLE IF NOT EXISTS posting (
    seq INTEGER NOT NULL, part INTEGER NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, book TEXT NOT NULL,
    asset TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (seq, part)
);
CREATE TABLE IF NOT EXISTS held (
    order_id INTEGER PRIMARY KEY, account TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL,
    price TEXT, side TEXT NOT NULL, symbol TEXT NOT NULL
);
"""

HOUSE = "(nobody)"
FREE, RESERVED = "free", "reserved"


class Ledger:
    """The postings, and what each open order still holds."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(SCHEMA)
        self._seq = 0
        self._part = 0

    def cursor(self) -> int:
        """The last row of the event log that is posted."""
        return self.database.execute("SELECT seq FROM cursor").fetchone()[0]

    def take(self, rows: list[dict[str, Any]]) -> None:
        """Posts rows of the event log and moves the cursor behind them, in one transaction."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            for row in rows:
                self._begin(row["seq"])
                for event in row["events"]:
                    handler = HANDLERS.get(event["type"])
                    if handler is not None:
                        handler(self, event)
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def _begin(self, seq: int) -> None:
        moved = self.database.execute("UPDATE cursor SET seq = ? WHERE seq = ?", (seq, seq - 1)).rowcount
        if moved != 1:
            raise SystemExit(f"row {seq} does not follow row {self.cursor()}: something is missing")
        self._seq, self._part = seq, 0

    def _post(self, kind: str, asset: str, amount: Decimal, giver: tuple[str, str], taker: tuple[str, str]) -> None:
        """Moves an amount from one account's book to another's."""
        if not amount:
            return
        for (account, book), signed in ((giver, -amount), (taker, amount)):
            self._part += 1
            self.database.execute(
                "INSERT INTO posting VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._seq, self._part, kind, account, book, asset, str(signed)),
            )

    def accepted(self, event: dict[str, Any]) -> None:
        """Reserves what the order can cost: the base of a sale, the quote of a purchase with a limit or an amount."""
        order = event["order"]
        base, quote = order["symbol"].split("_")
        account = order.get("account", HOUSE)
        if order["side"] == "SELL":
            # A sale by quote amount has no quantity to reserve.
            asset, amount = base, Decimal(order.get("quantity", "0"))
        elif "quote_quantity" in order:
            asset, amount = quote, Decimal(order["quote_quantity"])
        else:
            # A market order with a quantity has a cost that was never fixed: it pays as it trades.
            asset, amount = quote, Decimal(order.get("price", "0")) * Decimal(order["quantity"])
        self._hold(order["order_id"], account, asset, amount, order)
        self._post("reserve", asset, amount, (account, FREE), (account, RESERVED))

    def _hold(self, order_id: int, account: str, asset: str, amount: Decimal, order: dict[str, Any]) -> None:
        self.database.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?)",
            (order_id, account, asset, str(amount), order.get("price"), order["side"], order["symbol"]),
        )

    def _held(self, order_id: int) -> tuple[str, str, Decimal, Decimal | None, str]:
        row = self.database.execute(
            "SELECT account, asset, amount, price, side FROM held WHERE order_id = ?", (order_id,)
        ).fetchone()
        account, asset, amount, price, side = row
        return account, asset, Decimal(amount), None if price is None else Decimal(price), side

    def _keep(self, order_id: int, amount: Decimal) -> None:
        self.database.execute("UPDATE held SET amount = ? WHERE order_id = ?", (str(amount), order_id))

    def _forget(self, order_id: int) -> None:
        self.database.execute("DELETE FROM held WHERE order_id = ?", (order_id,))

    def traded(self, event: dict[str, Any]) -> None:
        """Settles both sides: base to the buyer, quote to the seller, and back what the buyer's limit left over."""
        base, quote = event["symbol"].split("_")
        quantity, cost = Decimal(event["quantity"]), Decimal(event["quote_quantity"])
        orders = (event["maker_order_id"], event["taker_order_id"])
        buyer, seller = orders if event["taker_side"] == "SELL" else orders[::-1]
        for order_id, asset, amount in ((buyer, quote, cost), (seller, base, quantity)):
            self._pay(order_id, asset, amount)
        buyer_account, seller_account = self._held(buyer)[0], self._held(seller)[0]
        self._post("settle", base, quantity, (seller_account, "settling"), (buyer_account, FREE))
        self._post("settle", quote, cost, (buyer_account, "settling"), (seller_account, FREE))
        improvement = Decimal(event.get("improvement", "0"))
        if improvement:
            self._release(buyer, improvement)
        for order_id, left in zip(orders, (event["maker_remaining"], event["taker_remaining"]), strict=True):
            by_amount = order_id == orders[1] and "taker_quote_remaining" in event
            if not Decimal(left) and not by_amount:
                self._done(order_id)

    def _pay(self, order_id: int, asset: str, amount: Decimal) -> None:
        """Takes what an order pays from what it holds, and what it does not hold from its account."""
        account, _, held, _, _ = self._held(order_id)
        from_held = min(held, amount)
        self._keep(order_id, held - from_held)
        self._post("pay", asset, from_held, (account, RESERVED), (account, "settling"))
        self._post("pay", asset, amount - from_held, (account, FREE), (account, "settling"))

    def _release(self, order_id: int, amount: Decimal) -> None:
        account, asset, held, _, _ = self._held(order_id)
        if amount > held:
            raise SystemExit(f"row {self._seq}: order {order_id} holds {held} {asset} and should release {amount}")
        self._keep(order_id, held - amount)
        self._post("release", asset, amount, (account, RESERVED), (account, FREE))

    def _done(self, order_id: int) -> None:
        """An order that is filled must have used up what it held."""
        _, asset, held, _, _ = self._held(order_id)
        if held:
            raise SystemExit(f"row {self._seq}: order {order_id} is filled and still holds {held} {asset}")
        self._forget(order_id)

    def ended(self, event: dict[str, Any]) -> None:
        """Releases what the event says, which must be all that is held."""
        order_id = event["order_id"]
        self._release(order_id, Decimal(event.get("released", "0")))
        self._done(order_id)

    def changed(self, event: dict[str, Any]) -> None:
        """Reserves more or releases some after an amend or a reduction."""
        order_id = event["order_id"]
        account, asset, held, price, side = self._held(order_id)
        price = Decimal(event["price"]) if "price" in event else price
        remaining = Decimal(event["remaining"])
        wanted = remaining if side == "SELL" else remaining * (price or Decimal(0))
        if price is not None:
            self.database.execute("UPDATE held SET price = ? WHERE order_id = ?", (str(price), order_id))
        if wanted < held:
            self._release(order_id, held - wanted)
        else:
            self._keep(order_id, wanted)
            self._post("reserve", asset, wanted - held, (account, FREE), (account, RESERVED))

    def check(self) -> str:
        """Proves that the books balance; what they hold in a sentence."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        books: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        query = "SELECT account, book, asset, amount FROM posting"
        for account, book, asset, amount in self.database.execute(query):
            sums[asset] += Decimal(amount)
            books[account, book, asset] += Decimal(amount)
        if any(sums.values()):
            raise SystemExit(f"the books do not balance: {dict(sums)}")
        held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for account, asset, amount in self.database.execute("SELECT account, asset, amount FROM held"):
            held[account, asset] += Decimal(amount)
        for (account, book, asset), amount in books.items():
            if book == "settling" and amount:
                raise SystemExit(f"{account} has {amount} {asset} between two accounts")
            if book == RESERVED and amount != held[account, asset]:
                raise SystemExit(f"{account} has {amount} {asset} reserved and its orders hold {held[account, asset]}")
        postings, orders = (
            self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("posting", "held")
        )
        return f"row {self.cursor()}: {postings} postings balance, {orders} open orders hold what is reserved"


HANDLERS = {
    "OrderAccepted": Ledger.accepted,
    "OrderAmended": Ledger.changed,
    "OrderReduced": Ledger.changed,
    "Trade": Ledger.traded,
    "OrderFilled": Ledger.ended,
    "OrderCancelled": Ledger.ended,
    "OrderExpired": Ledger.ended,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", help="the token of an API key with the scope read, where the service asks for one")
    parser.add_argument("--database", default="ledger.db")
    parser.add_argument("--consumer", default="ledger", help="the name under which the service keeps the position")
    parser.add_argument("--until", type=int, help="stop at this row")
    parser.add_argument("--check", action="store_true", help="prove that the books balance, and end")
    arguments = parser.parse_args()
    ledger = Ledger(arguments.database)
    if arguments.check:
        print(ledger.check())
        return
    client = Client(arguments.url, key=arguments.key)
    for rows in client.events(after=ledger.cursor()):
        ledger.take(rows)
        if rows:
            client.keep_position(arguments.consumer, ledger.cursor())
        if arguments.until is not None and ledger.cursor() >= arguments.until:
            break
    print(ledger.check())


if __name__ == "__main__":
    main()
