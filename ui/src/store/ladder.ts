// What the ladder shows of a side: levels put together by a step, with what has gathered up to each.

import type { BookSide } from "./book";

/** A row of the ladder. `price` is where the row's levels are, rounded away from the other side. */
export interface Row {
  price: number;
  quantity: bigint;
  total: bigint;
}

/** The best `count` rows. */
export function rows(side: BookSide, step: number, count: number): Row[] {
  const found: Row[] = [];
  let total = 0n;
  let row: Row | undefined;
  for (const level of side.levels) {
    const price = rounded(side.side, level.price, step);
    total += level.quantity;
    if (row !== undefined && row.price === price) {
      row.quantity += level.quantity;
      row.total = total;
      continue;
    }
    if (found.length === count) {
      break;
    }
    row = { price, quantity: level.quantity, total };
    found.push(row);
  }
  return found;
}

/** The row that a price of this side is in. */
export function rounded(side: "bids" | "asks", price: number, step: number): number {
  const rest = price % step;
  return rest === 0 ? price : side === "bids" ? price - rest : price - rest + step;
}

/** Steps that a ladder can be put together by: the tick, and 1, 2, 5 times powers of ten of it that are still useful. */
export function steps(tick: number, price: number): number[] {
  const found = [tick];
  for (const factor of [2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]) {
    if (tick * factor * 20 <= Math.max(price, tick * 400)) {
      found.push(tick * factor);
    }
  }
  return found;
}
