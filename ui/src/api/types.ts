// The service's answers. Those of the documented routes are generated from its schema; the socket's messages and the
// administrator's pages have theirs here.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Order = Schemas["OrderAnswer"];
export type Fill = Schemas["Fill"];
export type Trade = Schemas["TradeView"];
export type Candle = Schemas["CandleView"];
export type Ticker = Schemas["TickerView"];
export type Market = Schemas["MarketAnswer"];
export type Explanation = Schemas["Explanation"];
export type Readiness = Schemas["Readiness"];
export type OrderPage = Schemas["OrderPage"];
export type Symbols = Schemas["Symbols"];
export type Trades = Schemas["Trades"];
export type Candles = Schemas["Candles"];
export type CommittedOrder = Schemas["CommittedOrder"];
export type PlaceOrder = Schemas["PlaceOrder"];
export type Phase = Schemas["PhaseName"];

/** Price, quantity shown, number of orders; no orders: the level is gone. */
export type LevelChange = [price: string, quantity: string, orders: number];

export interface BookData {
  bids: LevelChange[];
  asks: LevelChange[];
}

export interface OrderChange {
  seq: number;
  events: string[];
  order: Order;
  fills?: Fill[];
}

export interface FeedMessage {
  channel: string;
  type: "snapshot" | "update";
  seq: number;
  prev: number | null;
  symbol?: string;
  data: unknown;
}

export type ServerMessage =
  | FeedMessage
  | { type: "hello"; seq: number }
  | { type: "reply"; id?: number; status: number; body?: unknown }
  | { type: "closing"; code: string };

export interface Session {
  debug: boolean;
  admin: boolean;
  demo: boolean;
  csrf: string | null;
}

export interface Engine {
  orders_per_second: number;
  queue_lag: number;
  match_p50_us: number | null;
  match_p99_us: number | null;
  commit_p50_ms: number | null;
  commit_p99_ms: number | null;
  seq: number;
  last_snapshot: { at_seq: number; age_s: number } | null;
  mode: string;
  verified_seq: number;
  demo: boolean;
}
