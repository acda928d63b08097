// The ladder: as many rows of each side as fit, asks above, bids below, the last price between them.

import { fixed, grouped, priceUnits } from "../lib/decimal";
import { lastDirection } from "../store/direction";
import { rounded, rows, type Row } from "../store/ladder";
import type { MarketStore } from "../store/market";
import type { OwnOrders } from "../store/orders";
import { ARROWS } from "../lib/format";
import { element, Label, setClass, watchSize } from "./dom";

export interface Picked {
  side: "bids" | "asks";
  price: string;
  /** What has gathered up to that price. */
  total: string;
}

const FEWEST_ROWS = 3;

interface Show {
  price: (units: number) => string;
  quantity: (units: bigint) => string;
}

class LadderRow {
  readonly price = new Label("price");
  readonly size = new Label("size");
  readonly total = new Label("total");
  readonly mark = new Label("mark");
  readonly bar = element("i", "bar");
  readonly button: HTMLButtonElement;
  private scale = -1;
  row: Row | null = null;

  constructor(readonly side: "bids" | "asks") {
    this.button = element(
      "button",
      "level empty",
      this.bar,
      this.mark.node,
      this.price.node,
      this.size.node,
      this.total.node,
    );
    this.button.type = "button";
    this.button.tabIndex = -1;
  }

  draw(row: Row | null, most: bigint, own: boolean, show: Show) {
    this.row = row;
    setClass(this.button, row === null ? "level empty" : own ? "level own" : "level");
    this.price.set(row === null ? "" : show.price(row.price));
    this.size.set(row === null ? "" : show.quantity(row.quantity));
    this.total.set(row === null ? "" : show.quantity(row.total));
    this.mark.set(own ? "own order" : "");
    const scale = row === null || most === 0n ? 0 : Number((row.total * 1000n) / most) / 1000;
    if (scale !== this.scale) {
      this.scale = scale;
      this.bar.style.transform = `scaleX(${scale})`;
    }
  }
}

export class LadderView {
  private readonly asks = element("div", "side asks");
  private readonly bids = element("div", "side bids");
  private readonly last = new Label("last");
  private readonly spread = new Label("spread");
  private rowsOf: Record<"bids" | "asks", LadderRow[]> = { bids: [], asks: [] };
  private readonly endWatch: () => void;
  /** What is put together into a row, in units of the price. */
  step = 1;

  constructor(
    host: HTMLElement,
    private readonly market: MarketStore,
    private readonly own: OwnOrders,
    private readonly rowHeight: () => number,
    private readonly pick: (picked: Picked) => void,
  ) {
    const middle = element("div", "middle", this.last.node, this.spread.node);
    this.asks.setAttribute("role", "group");
    this.asks.setAttribute("aria-label", "Asks");
    this.bids.setAttribute("role", "group");
    this.bids.setAttribute("aria-label", "Bids");
    host.replaceChildren(this.asks, middle, this.bids);
    host.onkeydown = (event) => this.key(event);
    host.onclick = (event) => this.click(event);
    this.endWatch = watchSize(host, (_, height) => {
      const count = Math.max(FEWEST_ROWS, Math.floor((height - middle.offsetHeight) / 2 / this.rowHeight()));
      this.resize(count);
      this.draw();
    });
  }

  end() {
    this.endWatch();
  }

  private resize(count: number) {
    for (const side of ["asks", "bids"] as const) {
      const all = this.rowsOf[side];
      while (all.length < count) {
        all.push(new LadderRow(side));
      }
      all.length = count;
      const buttons = all.map((row) => row.button);
      // The best asks are the lowest row: it is next to the bids.
      this[side].replaceChildren(...(side === "asks" ? buttons.reverse() : buttons));
    }
    const first = this.rowsOf.bids[0];
    if (first) {
      first.button.tabIndex = 0;
    }
  }

  draw() {
    const { book, instrument } = this.market;
    const digits = this.market.digits.peek();
    const { price_decimals: priceDecimals, quantity_decimals: quantityDecimals } = instrument;
    const count = this.rowsOf.bids.length;
    const [asks, bids] = [rows(book.asks, this.step, count), rows(book.bids, this.step, count)];
    const most = [asks, bids].map((side) => side.at(-1)?.total ?? 0n).reduce((a, b) => (a > b ? a : b));
    const ownPrices = this.ownPrices(priceDecimals);
    const show = {
      price: (units: number) => grouped(fixed(units, priceDecimals, digits.price)),
      quantity: (units: bigint) => grouped(fixed(units, quantityDecimals, digits.quantity)),
    };
    for (const [side, found] of [
      ["asks", asks],
      ["bids", bids],
    ] as const) {
      this.rowsOf[side].forEach((row, index) => {
        const level = found[index] ?? null;
        row.draw(level, most, level !== null && ownPrices[side].has(level.price), show);
      });
    }
    this.drawMiddle(show.price);
  }

  private drawMiddle(show: (units: number) => string) {
    const { book, trades } = this.market;
    const newest = trades.at(0);
    const direction = lastDirection(trades);
    const decimals = this.market.instrument.price_decimals;
    this.last.set(
      newest ? `${show(priceUnits(newest.price, decimals))} ${ARROWS[direction]}`.trimEnd() : "no trade yet",
    );
    setClass(this.last.node, `last ${direction}`);
    const [bid, ask] = [book.bids.levels[0], book.asks.levels[0]];
    if (bid === undefined || ask === undefined) {
      this.spread.set("one-sided");
      return;
    }
    const parts = ((ask.price - bid.price) / bid.price) * 10_000;
    this.spread.set(`spread ${show(ask.price - bid.price)} · ${parts.toFixed(1)} bp`);
  }

  private ownPrices(decimals: number): Record<"bids" | "asks", Set<number>> {
    const found = { bids: new Set<number>(), asks: new Set<number>() };
    for (const order of this.own.at(this.market.symbol)) {
      const side = order.side === "BUY" ? "bids" : "asks";
      found[side].add(rounded(side, priceUnits(order.price, decimals), this.step));
    }
    return found;
  }

  private click(event: MouseEvent) {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const row = [...this.rowsOf.asks, ...this.rowsOf.bids].find((row) => row.button === button);
    if (row?.row) {
      const { price_decimals: priceDecimals, quantity_decimals: quantityDecimals } = this.market.instrument;
      this.pick({
        side: row.side,
        price: fixed(row.row.price, priceDecimals, priceDecimals),
        total: fixed(row.row.total, quantityDecimals, quantityDecimals),
      });
    }
  }

  private key(event: KeyboardEvent) {
    const way = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (way === 0) {
      return;
    }
    const all = [...this.rowsOf.asks.toReversed(), ...this.rowsOf.bids].filter((row) => row.row !== null);
    const at = all.findIndex((row) => row.button === document.activeElement);
    const next = all[at < 0 ? 0 : at + way];
    if (next) {
      event.preventDefault();
      for (const row of all) {
        row.button.tabIndex = row === next ? 0 : -1;
      }
      next.button.focus();
    }
  }
}
