// The administrator's routes: how they are asked.

import { apiUrl, get, post } from "./client";
import type {
  AccountState,
  AdminHealth,
  BookAt,
  LogDetail,
  LogPage,
  SnapshotDifference,
  SnapshotList,
  SnapshotRow,
  Verified,
} from "./types";

const PAGE = 100;

export const readLog = (filter: Record<string, string>, cursor: string | null = null) =>
  get<LogPage>("admin/log/", { ...filter, cursor, limit: PAGE });
export const logLines = (filter: Record<string, string>) => apiUrl("admin/log/", { ...filter, format: "jsonl" });
export const readRow = (seq: number) => get<LogDetail>(`admin/log/${seq}/`);
export const readBook = (symbol: string, seq: number) => get<BookAt>(`admin/books/${symbol}/`, { at_seq: seq });
export const readSnapshots = () => get<SnapshotList>("admin/snapshots/");
export const takeSnapshot = () => post<SnapshotRow>("admin/snapshots/");
export const verifySnapshot = (seq: number) => post<Verified>(`admin/snapshots/${seq}/verify/`);
export const compareSnapshots = (a: number, b: number) => get<SnapshotDifference>("admin/snapshots/compare/", { a, b });
export const readHealth = () => get<AdminHealth>("admin/health/");
export const setBlocked = (account: string, blocked: boolean) =>
  post<AccountState>(`accounts/${encodeURIComponent(account)}/${blocked ? "block" : "unblock"}/`);
