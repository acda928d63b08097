// The orders and fills of one account: what is open as the feed tells it, what ended as far as it is remembered.

import type { Fill, Order, OrderChange } from "../api/types";

export interface OwnFill extends Fill {
  symbol: string;
  side: string;
  order_id: number;
  role: "maker" | "taker";
  /** Microseconds since 1970; null until the trade is seen on the tape. */
  time: number | null;
}

const OPEN = new Set(["PENDING", "UNTRIGGERED", "OPEN", "PARTIALLY_FILLED"]);
const KEPT = 200;

export class OwnOrders {
  /** Open orders by id. */
  readonly open = new Map<number, Order>();
  /** What ended, newest first. */
  ended: Order[] = [];
  /** Newest first. */
  fills: OwnFill[] = [];

  clear() {
    this.open.clear();
    this.ended = [];
    this.fills = [];
  }

  snapshot(orders: Order[]) {
    this.open.clear();
    for (const order of orders) {
      this.open.set(order.order_id, order);
    }
  }

  update(changes: OrderChange[]) {
    for (const change of changes) {
      this.change(change.order);
      this.addFills((change.fills ?? []).map((fill) => ownFill(change.order, fill)));
    }
  }

  /** Orders that ended earlier, newest first. */
  remember(orders: Order[]) {
    const known = new Set(this.ended.map((order) => order.order_id));
    const more = orders.filter((order) => !OPEN.has(order.status) && !known.has(order.order_id));
    this.ended = [...this.ended, ...more].sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0)).slice(0, KEPT);
  }

  addFills(fills: OwnFill[]) {
    if (fills.length > 0) {
      const known = new Set(this.fills.map((fill) => `${fill.trade_id} ${fill.order_id}`));
      const more = fills.filter((fill) => !known.has(`${fill.trade_id} ${fill.order_id}`));
      this.fills = [...more, ...this.fills].sort((a, b) => b.trade_id - a.trade_id).slice(0, KEPT);
    }
  }

  /** The open orders, those that came last first. Ids say nothing about when an order came. */
  newestFirst(): Order[] {
    return [...this.open.values()].sort((a, b) => b.received_at - a.received_at || b.order_id - a.order_id);
  }

  /** Where an account has orders in the book of a market. */
  at(symbol: string): { side: string; price: string }[] {
    const found = [];
    for (const order of this.open.values()) {
      if (order.symbol === symbol && order.status !== "UNTRIGGERED" && order.price) {
        found.push({ side: order.side, price: order.price });
      }
    }
    return found;
  }

  private change(order: Order) {
    if (OPEN.has(order.status)) {
      this.open.set(order.order_id, order);
      return;
    }
    this.open.delete(order.order_id);
    this.ended = [order, ...this.ended.filter((known) => known.order_id !== order.order_id)].slice(0, KEPT);
  }
}

/** A fill as the owner of one of its orders sees it. */
export function ownFill(order: Order, fill: Fill & { time?: number }): OwnFill {
  const role = fill.maker_order_id === order.order_id ? "maker" : "taker";
  return { ...fill, symbol: order.symbol, side: order.side, order_id: order.order_id, role, time: fill.time ?? null };
}
