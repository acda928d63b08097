// The candles of one market and interval, by their start.

import type { Candle } from "../api/types";

/** As many as the chart can scroll through. */
const KEPT = 1500;

export class CandleStore {
  /** Oldest first. */
  candles: Candle[] = [];
  /** The first candle that changed since the chart was drawn; the length: none. */
  changedFrom = 0;

  clear() {
    this.candles = [];
    this.changedFrom = 0;
  }

  /** The newest candles as they are now, oldest first: what was known of their time is forgotten. */
  replaceFrom(candles: Candle[]) {
    const first = candles[0]?.start ?? 0;
    this.replace([...this.candles.filter(({ start }) => start < first), ...candles]);
  }

  /** The candles before those of the feed, oldest first: what was known of their time is forgotten. */
  replaceBefore(first: number, candles: Candle[]) {
    const isBefore = ({ start }: Candle) => start < first;
    this.replace([...candles.filter(isBefore), ...this.candles.filter((candle) => !isBefore(candle))]);
  }

  private replace(candles: Candle[]) {
    this.candles = candles.slice(-KEPT);
    this.changedFrom = 0;
  }

  /** Takes candles in, oldest first; those that are known are replaced. */
  merge(candles: Candle[]) {
    for (const candle of candles) {
      const place = this.place(candle.start);
      const known = this.candles[place]?.start === candle.start ? 1 : 0;
      this.candles.splice(place, known, candle);
      this.changedFrom = Math.min(this.changedFrom, place);
    }
    if (this.candles.length > KEPT * 1.2) {
      this.candles = this.candles.slice(-KEPT);
      this.changedFrom = 0;
    }
  }

  private place(start: number): number {
    let place = this.candles.length;
    while (place > 0 && (this.candles[place - 1] as Candle).start >= start) {
      place -= 1;
    }
    return place;
  }
}
