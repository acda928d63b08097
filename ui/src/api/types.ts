// The service's answers: those of its routes are generated from its schema, the socket's messages stand here.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Order = Schemas["OrderAnswer"];
export type Fill = Schemas["Fill"];
export type Trade = Schemas["TradeView"];
export type Candle = Schemas["CandleView"];
export type Ticker = Schemas["TickerView"];
export type Market = Schemas["MarketAnswer"];
export type Explanation = Schemas["Explanation"];
export type OrderPage = Schemas["OrderPage"];
export type Symbols = Schemas["Symbols"];
export type Trades = Schemas["Trades"];
export type Candles = Schemas["Candles"];
export type CommittedOrder = Schemas["CommittedOrder"];
export type Phase = Schemas["PhaseName"];
export type Session = Schemas["SessionState"];
export type Engine = Schemas["EnginePanel"];
export type AccountState = Schemas["AccountState"];
export type AdminHealth = Schemas["AdminHealth"];
export type LogRow = Schemas["LogRow"];
export type LogPage = Schemas["LogPage"];
export type LogDetail = Schemas["LogRowDetail"];
export type BookLevel = Schemas["LevelThen"];
export type BookAt = Schemas["LevelsThen"];
export type SnapshotRow = Schemas["SnapshotView"];
export type SnapshotList = Schemas["SnapshotList"];
export type SnapshotDifference = Schemas["SnapshotDifference"];
export type Verified = Schemas["Verification"];

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
