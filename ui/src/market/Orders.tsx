// The account's orders: open ones to cancel, ended ones, fills; and of each the question why.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { post, remove, wordsOf } from "../api/client";
import type { Order } from "../api/types";
import { shownAs } from "../lib/decimal";
import { dateTime, timeOfDay } from "../lib/format";
import { account } from "../lib/preferences";
import { market, own } from "../store/page";
import type { OwnFill } from "../store/orders";
import { explained } from "./dialogs";
import { Heads } from "../lib/Heads";
import { words } from "../lib/inputs";

type Tab = "open" | "history" | "fills";
const tab = signal<Tab>("open");
const said = signal("");
/** Rows that a table has at most: more than anybody reads, and few enough to draw in a frame. */
const SHOWN = 100;

async function cancel(order: Order) {
  try {
    await post(`orders/${order.order_id}/cancel/`, { reason: "from the market page" });
    said.value = `Order ${order.order_id} is cancelled.`;
  } catch (error) {
    said.value = wordsOf(error);
  }
}

async function cancelAll() {
  try {
    const answer = await remove<{ cancelled: number }>("orders/", { account: account.value });
    said.value = `${answer.cancelled} orders are cancelled.`;
  } catch (error) {
    said.value = wordsOf(error);
  }
}

export function Orders() {
  const { open, ended, fills } = own.value;
  const tabs: [Tab, string][] = [
    ["open", `Open orders ${open.length}`],
    ["history", "History"],
    ["fills", "Fills"],
  ];
  return (
    <section class="panel orders" aria-label="Own orders">
      <h2>
        <div
          class="tabs"
          role="tablist"
          aria-label="Own orders"
          onKeyDown={(event) =>
            turn(
              event,
              tabs.map(([name]) => name),
            )
          }
        >
          {tabs.map(([name, label]) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-controls="own-table"
              aria-selected={tab.value === name}
              tabIndex={tab.value === name ? 0 : -1}
              onClick={() => (tab.value = name)}
            >
              {label}
            </button>
          ))}
        </div>
        <span class="said" role="status">
          {said.value}
        </span>
        <label class="inline">
          <span>Account</span>
          <input
            id="account"
            aria-label="Account"
            defaultValue={account.value}
            spellcheck={false}
            autocomplete="off"
            maxLength={64}
            onChange={(event) => {
              account.value = event.currentTarget.value.replace(/[^A-Za-z0-9._:-]/g, "") || "desk";
              event.currentTarget.value = account.value;
            }}
          />
        </label>
        <button
          type="button"
          id="cancel-all"
          class="quiet"
          disabled={open.length === 0}
          onClick={() => void cancelAll()}
        >
          Cancel all
        </button>
      </h2>
      <div class="scroll" id="own-table" role="tabpanel" aria-labelledby={`tab-${tab.value}`} tabIndex={0}>
        {tab.value === "open" ? (
          <OpenOrders orders={open} />
        ) : tab.value === "history" ? (
          <History orders={ended} />
        ) : (
          <Fills fills={fills} />
        )}
      </div>
    </section>
  );
}

function turn(event: KeyboardEvent, names: Tab[]) {
  const way = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  if (way !== 0) {
    const next = names[(names.indexOf(tab.value) + way + names.length) % names.length] as Tab;
    tab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  }
}

function Table({
  heads,
  empty,
  children,
  more,
}: {
  heads: string[];
  empty: string;
  children: ComponentChildren[];
  more: number;
}) {
  if (children.length === 0) {
    return <p class="nothing">{empty}</p>;
  }
  return (
    <table>
      <Heads of={heads} numbers={NUMBERS} />
      <tbody>{children}</tbody>
      {more > 0 ? <caption>and {more} more, not shown</caption> : null}
    </table>
  );
}

const NUMBERS = new Set(["Price", "Quantity", "Filled", "Remaining", "Average", "Value"]);

function Side({ side }: { side: string }) {
  return <td class={side === "BUY" ? "buy" : "sell"}>{side === "BUY" ? "Buy" : "Sell"}</td>;
}

/** Digits of the market that is shown; of others, what was sent. */
function show(symbol: string, text: string | null | undefined, what: "price" | "quantity"): string {
  const now = market.value;
  return text && now?.symbol === symbol ? shownAs(text, now.digits.value[what]) : (text ?? "–");
}

function priceOf(order: Order): string {
  const trigger = order.stop_price ?? order.trailing_delta;
  const price = order.price ? show(order.symbol, order.price, "price") : "market";
  return trigger
    ? `${price} · ${order.trailing_delta ? "trail" : "at"} ${show(order.symbol, trigger, "price")}`
    : price;
}

const Why = ({ id }: { id: number }) => (
  <button type="button" class="quiet" onClick={() => (explained.value = id)} aria-label={`Why? Order ${id}`}>
    why?
  </button>
);

/** What matters most comes first: a narrow screen shows the beginning. */
function OpenOrders({ orders }: { orders: Order[] }) {
  return (
    <Table
      heads={["Side", "Price", "Quantity", "Filled", "Type", "Status", "Time UTC", "Id", "Market", "Do"]}
      empty="No open orders of this account."
      more={orders.length - SHOWN}
    >
      {orders.slice(0, SHOWN).map((order) => (
        <tr key={order.order_id} data-order={order.order_id}>
          <Amounts order={order} />
          <td>
            {words(order.type)} {order.time_in_force === "GTC" ? "" : order.time_in_force}
          </td>
          <td>{words(order.status)}</td>
          <Origin order={order} />
          <td class="do">
            <button
              type="button"
              class="quiet"
              data-cancel={order.order_id}
              onClick={() => void cancel(order)}
              aria-label={`Cancel order ${order.order_id}`}
            >
              cancel
            </button>
            <Why id={order.order_id} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function History({ orders }: { orders: Order[] }) {
  return (
    <Table
      heads={["Side", "Price", "Quantity", "Filled", "Average", "Status", "Type", "Time UTC", "Id", "Market", "Do"]}
      empty="No order of this account has ended yet."
      more={orders.length - SHOWN}
    >
      {orders.slice(0, SHOWN).map((order) => (
        <tr key={order.order_id} data-order={order.order_id}>
          <Amounts order={order} />
          <td class="number">{show(order.symbol, order.average_price, "price")}</td>
          <td title={order.reason_code ?? ""}>{words(order.status)}</td>
          <td>{words(order.type)}</td>
          <Origin order={order} />
          <td class="do">
            <Why id={order.order_id} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Amounts({ order }: { order: Order }) {
  return (
    <>
      <Side side={order.side} />
      <td class="number">{priceOf(order)}</td>
      <td class="number">{show(order.symbol, order.quantity, "quantity")}</td>
      <td class="number">{show(order.symbol, order.filled, "quantity")}</td>
    </>
  );
}

function Origin({ order }: { order: Order }) {
  return (
    <>
      <td title={dateTime(order.received_at)}>{timeOfDay(order.received_at)}</td>
      <td>{order.order_id}</td>
      <td>{order.symbol}</td>
    </>
  );
}

function Fills({ fills }: { fills: OwnFill[] }) {
  return (
    <Table
      heads={["Side", "Price", "Quantity", "Value", "Role", "Time UTC", "Trade", "Order", "Market", "Do"]}
      empty="No fills of this account's orders."
      more={fills.length - SHOWN}
    >
      {fills.slice(0, SHOWN).map((fill) => (
        <tr key={`${fill.trade_id} ${fill.order_id}`}>
          <Side side={fill.side} />
          <td class="number">{show(fill.symbol, fill.price, "price")}</td>
          <td class="number">{show(fill.symbol, fill.quantity, "quantity")}</td>
          <td class="number">{fill.quote_quantity}</td>
          <td>{fill.role}</td>
          <td>{fill.time ? timeOfDay(fill.time) : "–"}</td>
          <td>{fill.trade_id}</td>
          <td>{fill.order_id}</td>
          <td>{fill.symbol}</td>
          <td class="do">
            <Why id={fill.order_id} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
