// The tape: the newest trades, as many as fit, newest first.

import { shownAs } from "../lib/decimal";
import { timeOfDay } from "../lib/format";
import type { MarketStore } from "../store/market";
import { element, Label, setClass, watchSize } from "./dom";

class TapeRow {
  readonly time = new Label("time");
  readonly side = new Label("word");
  readonly price = new Label("price");
  readonly size = new Label("size");
  readonly maker = new Label("id", "button");
  readonly taker = new Label("id", "button");
  readonly node: HTMLElement;
  private shown: number | null = null;

  constructor() {
    const cells = [this.time, this.side, this.price, this.size].map(({ node }) => cell(node));
    const ids = [this.maker, this.taker].map(({ node }) => cell(node));
    this.node = element("div", "print empty", ...cells, ...ids);
    this.node.setAttribute("role", "row");
  }

  draw(market: MarketStore, index: number) {
    const trade = market.trades.at(index);
    if (trade?.trade_id === this.shown) {
      return;
    }
    this.shown = trade?.trade_id ?? null;
    setClass(this.node, trade === undefined ? "print empty" : trade.taker_side === "BUY" ? "print buy" : "print sell");
    if (trade !== undefined) {
      const digits = market.digits.peek();
      this.time.set(timeOfDay(trade.time));
      this.side.set(trade.taker_side);
      this.price.set(shownAs(trade.price, digits.price));
      this.size.set(shownAs(trade.quantity, digits.quantity));
      this.maker.set(String(trade.maker_order_id));
      this.taker.set(String(trade.taker_order_id));
    }
  }

  /** The digits have changed: what is shown is drawn anew. */
  again() {
    this.shown = -1;
  }
}

function cell(node: HTMLElement): HTMLElement {
  if (node instanceof HTMLButtonElement) {
    node.type = "button";
    node.tabIndex = -1;
    node.title = "why?";
    const around = element("span", "idcell", node);
    around.setAttribute("role", "cell");
    return around;
  }
  node.setAttribute("role", "cell");
  return node;
}

export class TapeView {
  private rows: TapeRow[] = [];
  private readonly endWatch: () => void;

  constructor(
    host: HTMLElement,
    private readonly market: MarketStore,
    rowHeight: () => number,
    explain: (orderId: number) => void,
  ) {
    host.onclick = (event) => {
      if (event.target instanceof HTMLButtonElement) {
        explain(Number(event.target.textContent));
      }
    };
    this.endWatch = watchSize(host, (_, height) => {
      const count = Math.floor(height / rowHeight());
      while (this.rows.length < count) {
        this.rows.push(new TapeRow());
      }
      this.rows.length = count;
      host.replaceChildren(...this.rows.map((row) => row.node));
      this.draw();
    });
  }

  end() {
    this.endWatch();
  }

  draw() {
    this.rows.forEach((row, index) => row.draw(this.market, index));
  }

  again() {
    for (const row of this.rows) {
      row.again();
    }
    this.draw();
  }
}
