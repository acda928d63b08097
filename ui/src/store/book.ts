// The book of a market by price, as the feed tells it: every level, best first.

import type { BookData, LevelChange } from "../api/types";
import { decimalsOf, priceUnits, toUnits } from "../lib/decimal";

/** A price in units of the instrument, with the quantity that is shown there. */
export interface Level {
  price: number;
  quantity: bigint;
  orders: number;
}

interface Scale {
  priceDecimals: number;
  quantityDecimals: number;
}

export class BookSide {
  /** Best first. */
  levels: Level[] = [];

  constructor(readonly side: "bids" | "asks") {}

  /** Where a price is, or would be. */
  private place(price: number): number {
    let [low, high] = [0, this.levels.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.levels[middle] as Level;
      const better = this.side === "bids" ? at.price > price : at.price < price;
      if (better) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  set(level: Level) {
    const place = this.place(level.price);
    const known = this.levels[place]?.price === level.price ? 1 : 0;
    if (level.orders === 0) {
      this.levels.splice(place, known);
    } else {
      this.levels.splice(place, known, level);
    }
  }
}

export class Book {
  readonly bids = new BookSide("bids");
  readonly asks = new BookSide("asks");
  /** The most digits after the point of any price and quantity so far. */
  readonly seen: Scale = { priceDecimals: 0, quantityDecimals: 0 };

  constructor(readonly scale: Scale) {}

  clear() {
    this.bids.levels = [];
    this.asks.levels = [];
  }

  apply(data: BookData) {
    for (const change of data.bids) {
      this.bids.set(this.read(change));
    }
    for (const change of data.asks) {
      this.asks.set(this.read(change));
    }
  }

  private read([price, quantity, orders]: LevelChange): Level {
    const { seen, scale } = this;
    seen.priceDecimals = Math.max(seen.priceDecimals, decimalsOf(price));
    seen.quantityDecimals = Math.max(seen.quantityDecimals, decimalsOf(quantity));
    return {
      price: priceUnits(price, scale.priceDecimals),
      quantity: toUnits(quantity, scale.quantityDecimals) ?? 0n,
      orders,
    };
  }
}
