"""A market's levels, rebuilt from the channel ``book:<symbol>``."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Level = tuple[str, str, int]


@dataclass
class Book:
    """The levels of both sides at row ``seq`` of the event log: price to what is shown and from how many orders."""

    symbol: str
    seq: int = 0
    bids: dict[Decimal, Level] = field(default_factory=dict)
    asks: dict[Decimal, Level] = field(default_factory=dict)

    def apply(self, message: dict[str, Any]) -> None:
        """Takes in a message of the channel; whether it is the next one is the feed's to check."""
        if message["type"] == "snapshot":
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, message["data"]["bids"]), (self.asks, message["data"]["asks"])):
            for price, quantity, orders in levels:
                if orders:
                    side[Decimal(price)] = (price, quantity, orders)
                else:
                    side.pop(Decimal(price), None)
        self.seq = message["seq"]

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first, as ``/depth/`` has them."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)]
        asks = [self.asks[price] for price in sorted(self.asks)]
        return bids, asks

    def best_bid(self) -> Level | None:
        """The highest price that somebody buys at."""
        return self.bids[max(self.bids)] if self.bids else None

    def best_ask(self) -> Level | None:
        """The lowest price that somebody sells at."""
        return self.asks[min(self.asks)] if self.asks else None
