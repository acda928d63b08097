// The order book: what is put together into a row is the reader's choice.

import { signal } from "@preact/signals";
import { LadderView } from "../draw/ladder";
import { fixed, shortest } from "../lib/decimal";
import { steps } from "../store/ladder";
import { market, ownChanged, ownOrders } from "../store/page";
import * as ticket from "../store/ticket";
import { onDigits, rowHeight, useDrawn } from "./hooks";

/** How many ticks are put together, for each market. */
const chosen = signal<Record<string, number>>({});

function stepOf(symbol: string, tick: number): number {
  return chosen.value[symbol] ?? tick;
}

/** The next coarser or finer step of the market that is shown. */
export function nextStep(way: 1 | -1) {
  const now = market.peek();
  if (now) {
    const all = choices();
    const at = all.indexOf(stepOf(now.symbol, now.tick));
    const next = all[Math.min(all.length - 1, Math.max(0, at + way))];
    chosen.value = { ...chosen.value, [now.symbol]: next ?? now.tick };
  }
}

function choices(): number[] {
  const now = market.value;
  const last = now?.ticker.value?.last_price;
  const price = now && last ? Number(last) * 10 ** now.instrument.price_decimals : 0;
  return now ? steps(now.tick, price) : [];
}

export function BookPanel() {
  const now = market.value;
  const host = useDrawn<HTMLDivElement>((element, market) => {
    const view = new LadderView(element, market, ownOrders, rowHeight, (picked) => {
      ticket.price.value = shortest(picked.price);
      if (!ticket.hasPrice(ticket.kind.peek())) {
        ticket.kind.value = "LIMIT";
      }
      ticket.side.value = picked.side === "asks" ? "BUY" : "SELL";
      ticket.quantity.value = shortest(picked.total);
    });
    const draw = () => view.draw();
    const ends = [market.bookChanged.add(draw), market.tradesChanged.add(draw), ownChanged.add(draw)];
    const step = onDigits(market, () => {
      view.step = stepOf(market.symbol, market.tick);
      market.bookChanged.changed();
    });
    return [view, step, ...ends.map((end) => ({ end }))];
  });
  const decimals = now?.instrument.price_decimals ?? 0;
  return (
    <section class="panel book" aria-label="Order book">
      <h2>
        <span>Order book</span>
        <label class="inline">
          <span>Group</span>
          <select
            id="grouping"
            value={now ? String(stepOf(now.symbol, now.tick)) : ""}
            onChange={(event) => {
              if (now) {
                chosen.value = { ...chosen.value, [now.symbol]: Number(event.currentTarget.value) };
              }
            }}
          >
            {choices().map((step) => (
              <option key={step} value={String(step)}>
                {shortest(fixed(step, decimals, decimals))}
              </option>
            ))}
          </select>
        </label>
      </h2>
      <div class="heads" aria-hidden="true">
        <span>Price {now?.names.quote}</span>
        <span>Size {now?.names.base}</span>
        <span>Total {now?.names.base}</span>
      </div>
      <div class="ladder" id="ladder" ref={host} title="A click takes price and total over into the ticket" />
    </section>
  );
}
