// Which way the price went last.

import type { Trade } from "../api/types";
import type { Ring } from "./ring";

export type Direction = "up" | "down" | "";

/** Whether the newest trade's price is above or below the last other one. */
export function lastDirection(trades: Ring<Trade>): Direction {
  const newest = trades.at(0);
  const before = trades.find((trade) => trade.price !== newest?.price);
  return !newest || !before ? "" : Number(newest.price) > Number(before.price) ? "up" : "down";
}
