// The ticket: every type of order, and the same order as a program would place it.

import { signal } from "@preact/signals";
import { apiUrl, post, Refusal, wordsOf } from "../api/client";
import type { CommittedOrder } from "../api/types";
import { grouped } from "../lib/decimal";
import { account } from "../lib/preferences";
import { market } from "../store/page";
import * as ticket from "../store/ticket";
import { Choice, Entry } from "../lib/inputs";
import { AsProgram } from "./AsProgram";

type Result = { kind: "idle" | "busy" | "good" | "bad"; words: string; field: string | null };
const result = signal<Result>({ kind: "idle", words: "", field: null });

/** How long the page waits for the commit. */
const WAIT_MS = 2000;

async function place(symbol: string) {
  result.value = { kind: "busy", words: "sent", field: null };
  try {
    const order = ticket.body(symbol, account.value, Date.now());
    const answer = await post<CommittedOrder>("orders/", order, { ack: "committed", timeout_ms: WAIT_MS });
    result.value = { kind: "good", words: outcome(answer), field: null };
  } catch (error) {
    result.value = { kind: "bad", words: wordsOf(error), field: error instanceof Refusal ? error.field : null };
  }
}

function outcome(answer: CommittedOrder): string {
  const { order, order_id: id } = answer;
  if (!order) {
    return `Order ${id} is taken.`;
  }
  const traded = order.average_price ? `, ${order.filled} at ${order.average_price}` : "";
  const why = order.reason_code ? ` (${order.reason_code})` : "";
  return `Order ${id} ${order.status}${traded}${why}`;
}

export function Ticket() {
  const now = market.value;
  const kind = ticket.kind.value;
  const isBuy = ticket.side.value === "BUY";
  const base = now?.names.base ?? "";
  const quote = now?.names.quote ?? "";
  const rests = ticket.hasPrice(kind);
  const byQuote = kind === "MARKET" && ticket.byQuote.value;
  const {
    tick = "1",
    lot = "1",
    price_decimals: priceDecimals = 0,
    quantity_decimals: quantityDecimals = 0,
  } = now?.instrument ?? {};
  const inQuote = { unit: quote, step: tick, decimals: priceDecimals };
  const inBase = { unit: base, step: lot, decimals: quantityDecimals };
  const wrong = result.value.field;
  const value = ticket.notional();
  return (
    <section class="panel ticket" aria-label="Ticket">
      <h2>
        <span>Ticket</span>
        {now ? (
          <span class="muted">
            tick {tick} · lot {lot}
          </span>
        ) : null}
      </h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (now) {
            void place(now.symbol);
          }
        }}
      >
        <div class="sides" role="group" aria-label="Side">
          <button
            type="button"
            id="side-buy"
            class="buy"
            aria-pressed={isBuy}
            onClick={() => (ticket.side.value = "BUY")}
          >
            Buy
          </button>
          <button
            type="button"
            id="side-sell"
            class="sell"
            aria-pressed={!isBuy}
            onClick={() => (ticket.side.value = "SELL")}
          >
            Sell
          </button>
        </div>
        <div class="pair">
          <Choice id="type" label="Type" of={ticket.kind} from={ticket.KINDS} />
          <Choice id="tif" label="Time in force" of={ticket.timeInForce} from={ticket.TIMES} disabled={!rests} />
        </div>
        <div class="pair">
          <Entry
            id="price"
            label="Price"
            of={ticket.price}
            {...inQuote}
            disabled={!rests}
            empty={rests ? "" : "market"}
            wrong={wrong === "price"}
          />
          <Entry
            id="trigger"
            label={kind === "TRAILING_STOP" ? "Trail by" : "Trigger"}
            of={ticket.trigger}
            {...inQuote}
            disabled={!ticket.hasTrigger(kind)}
            empty={ticket.hasTrigger(kind) ? "" : "none"}
            wrong={wrong === "stop_price" || wrong === "trailing_delta"}
          />
        </div>
        <div class="pair">
          <Entry
            id="quantity"
            label={byQuote ? "Amount" : "Quantity"}
            of={ticket.quantity}
            {...(byQuote ? inQuote : inBase)}
            wrong={wrong === "quantity" || wrong === "quote_quantity"}
          />
          <div class="checks">
            <label>
              <input
                id="post-only"
                type="checkbox"
                checked={ticket.postOnly.value}
                disabled={!rests}
                onChange={(event) => (ticket.postOnly.value = event.currentTarget.checked)}
              />
              Post-only
            </label>
            <label>
              <input
                id="by-quote"
                type="checkbox"
                checked={ticket.byQuote.value}
                disabled={kind !== "MARKET"}
                onChange={(event) => (ticket.byQuote.value = event.currentTarget.checked)}
              />
              By amount
            </label>
          </div>
        </div>
        <details class="more">
          <summary>Iceberg, minimum, expiry, self-trade, name</summary>
          <div class="pair">
            <Entry
              id="display"
              label="Show at once"
              of={ticket.display}
              {...inBase}
              disabled={!rests}
              wrong={wrong === "display_quantity"}
            />
            <Entry
              id="minimum"
              label="Minimum"
              of={ticket.minimum}
              {...inBase}
              disabled={ticket.hasTrigger(kind)}
              wrong={wrong === "min_quantity"}
            />
          </div>
          <div class="pair">
            <Entry
              id="expire"
              label="Expires after"
              unit="s"
              of={ticket.expireIn}
              step="1"
              decimals={0}
              disabled={ticket.timeInForce.value !== "GTD"}
              wrong={wrong === "expire_at"}
            />
            <Choice id="prevention" label="Self-trade" of={ticket.prevention} from={ticket.PREVENTIONS} />
          </div>
          <Entry id="name" label="client_order_id" unit="" of={ticket.name} wrong={wrong === "client_order_id"} text />
        </details>
        <button
          type="submit"
          id="place"
          class={`place ${isBuy ? "buy" : "sell"}`}
          disabled={!now || result.value.kind === "busy"}
        >
          {isBuy ? "Buy" : "Sell"} {ticket.quantity.value} {byQuote ? `for ${quote}` : base}
          {rests && ticket.price.value ? ` at ${ticket.price.value}` : ""}
        </button>
        <p class={`result ${result.value.kind}`} id="result" role="status">
          {result.value.words || (value ? `Value ${grouped(value)} ${quote}` : "")}
        </p>
      </form>
      {now ? (
        <AsProgram order={ticket.body(now.symbol, account.value, Date.now())} url={apiUrl("orders/").href} />
      ) : null}
    </section>
  );
}
