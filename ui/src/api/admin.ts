// The administrator's routes: what they answer, and how they are asked.

import { apiUrl, get, post, Refusal } from "./client";

/** A row of the event log. Command and events are JSON, as they stand in the log. */
export interface LogRow {
  seq: number;
  time: number;
  epoch: number;
  symbol: string | null;
  kind: string;
  order_id: number | null;
  command: unknown;
  events: unknown;
  chain: string;
}

export interface LogPage {
  rows: LogRow[];
  next_cursor?: string | number | null;
  seq: number;
}

export interface LogDetail extends LogRow {
  redis?: string[] | null;
  state_hash?: string | null;
}

export interface LogFilter {
  symbol: string;
  order_id: string;
  kind: string;
  from_time: string;
  to_time: string;
  from_seq: string;
  to_seq: string;
}

export interface BookLevel {
  price: string;
  quantity: string;
  orders: number;
}

export interface BookAt {
  symbol: string;
  seq: number;
  bids: BookLevel[];
  asks: BookLevel[];
  phase: string;
}

export interface SnapshotRow {
  at_seq: number;
  created_at: number;
  size_bytes: number;
  state_hash: string;
  engine_version: string;
  verified_at: number | null;
  age_s: number;
}

export interface Verified {
  at_seq: number;
  ok: boolean;
  state_hash: string;
  replayed_hash: string;
  rows: number;
  took_ms: number;
}

const PAGE = 100;

export const readLog = (filter: Record<string, string>, cursor: string | number | null = null) =>
  get<LogPage>("admin/log/", { ...filter, cursor, limit: PAGE });
export const logLines = (filter: Record<string, string>) => apiUrl("admin/log/", { ...filter, format: "jsonl" });
export const readRow = (seq: number) => get<LogDetail>(`admin/log/${seq}/`);
export const readBook = (symbol: string, seq: number) => get<BookAt>(`admin/books/${symbol}/`, { at_seq: seq });
export const readSnapshots = () => get<{ snapshots: SnapshotRow[] }>("admin/snapshots/");
export const takeSnapshot = () => post<SnapshotRow>("admin/snapshots/");
export const verifySnapshot = (seq: number) => post<Verified>(`admin/snapshots/${seq}/verify/`);
export const compareSnapshots = (a: number, b: number) =>
  get<Record<string, unknown>>("admin/snapshots/compare/", { a, b });
export const readHealth = () => get<Record<string, unknown>>("admin/health/");

/** What went wrong, in words; a service that has no such route is no error. */
export function trouble(error: unknown): string {
  if (error instanceof Refusal && error.isMissing) {
    return "Not available: this service has no such route.";
  }
  return error instanceof Error ? error.message : String(error);
}
