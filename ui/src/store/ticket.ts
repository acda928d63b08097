// The order that is being written: its fields as texts, what they come to as a request, and the same as a program's lines.

import { signal } from "@preact/signals";
import { fixed, shortest, toUnits } from "../lib/decimal";

export const KINDS = [
  "LIMIT",
  "MARKET",
  "STOP",
  "STOP_LIMIT",
  "TAKE_PROFIT",
  "TAKE_PROFIT_LIMIT",
  "TRAILING_STOP",
] as const;
export const TIMES = ["GTC", "IOC", "FOK", "GTD", "DAY"] as const;
export const PREVENTIONS = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"] as const;
export type Kind = (typeof KINDS)[number];

export const side = signal<"BUY" | "SELL">("BUY");
export const kind = signal<Kind>("LIMIT");
export const timeInForce = signal<(typeof TIMES)[number]>("GTC");
export const prevention = signal<(typeof PREVENTIONS)[number]>("NONE");
export const postOnly = signal(false);
/** Whether a market order says how much of the quote it spends. */
export const byQuote = signal(false);
export const price = signal("");
export const quantity = signal("");
export const trigger = signal("");
export const display = signal("");
export const minimum = signal("");
export const expireIn = signal("60");
export const name = signal("");

export const hasPrice = (kind: Kind) => kind === "LIMIT" || kind.endsWith("_LIMIT");
export const hasTrigger = (kind: Kind) => kind !== "LIMIT" && kind !== "MARKET";

const MILLIS = 1000;

/** The request, field by field; what is empty is not sent. `now` is in milliseconds since 1970. */
export function body(symbol: string, account: string, now: number): Record<string, unknown> {
  const chosen = kind.value;
  const order: Record<string, unknown> = { symbol, side: side.value };
  const put = (name: string, value: string, wanted: boolean) => {
    if (wanted && value.trim() !== "") {
      order[name] = value.trim();
    }
  };
  put("type", chosen, chosen !== "LIMIT");
  put(chosen === "TRAILING_STOP" ? "trailing_delta" : "stop_price", trigger.value, hasTrigger(chosen));
  put("price", price.value, hasPrice(chosen));
  put(chosen === "MARKET" && byQuote.value ? "quote_quantity" : "quantity", quantity.value, true);
  put("time_in_force", timeInForce.value, hasPrice(chosen) && timeInForce.value !== "GTC");
  if (order.time_in_force === "GTD") {
    order.expire_at = Math.floor(now / MILLIS) + Number(expireIn.value || "0");
  }
  if (postOnly.value && hasPrice(chosen)) {
    order.post_only = true;
  }
  put("display_quantity", display.value, hasPrice(chosen));
  put("min_quantity", minimum.value, !hasTrigger(chosen));
  put("self_trade_prevention", prevention.value, prevention.value !== "NONE");
  put("account", account, true);
  put("client_order_id", name.value, true);
  return order;
}

/** The order as a line of a shell; where the service asks who sends it, with the token of the shell's environment. */
export function asCurl(order: object, url: string, needsToken: boolean): string {
  const json = JSON.stringify(order).replaceAll("'", "'\\''");
  const token = needsToken ? `-H "Authorization: Bearer $TOKEN" \\\n  ` : "";
  return `curl ${token}-H 'Content-Type: application/json' \\\n  '${url}' \\\n  -d '${json}'`;
}

/** The order as a program in Python; where the service asks who sends it, with the token of the environment. */
export function asPython(order: Record<string, unknown>, url: string, needsToken: boolean): string {
  const literal = (value: unknown) => (value === true ? "True" : value === false ? "False" : JSON.stringify(value));
  const fields = Object.entries(order).map(([name, value]) => `    "${name}": ${literal(value)},`);
  return [
    ...(needsToken ? ["import os"] : []),
    "import requests",
    "",
    `answer = requests.post("${url}", json={`,
    ...fields,
    needsToken ? `}, headers={"Authorization": "Bearer " + os.environ["TOKEN"]})` : "})",
    "print(answer.json())",
  ].join("\n");
}

/** Price times quantity, exact; null while either is missing. */
export function notional(): string | null {
  const [a, b] = [toUnits(price.value, 8), toUnits(quantity.value, 8)];
  return hasPrice(kind.value) && a !== null && b !== null ? shortest(fixed(a * b, 16, 16)) : null;
}
