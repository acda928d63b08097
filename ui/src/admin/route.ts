// Which part of the admin pages is shown, and with which filter: kept in the address, so that it can be linked to.

import { signal } from "@preact/signals";

export const PARTS = ["log", "snapshots", "markets", "accounts", "health"] as const;
export type Part = (typeof PARTS)[number];

export const TITLES: Record<Part, string> = {
  log: "Event log",
  snapshots: "Snapshots",
  markets: "Markets",
  accounts: "Accounts",
  health: "Health",
};

interface Route {
  part: Part;
  query: Record<string, string>;
}

function read(): Route {
  const [name = "", query = ""] = location.hash.slice(1).split("?");
  const part = PARTS.find((part) => part === name) ?? "log";
  return { part, query: Object.fromEntries(new URLSearchParams(query)) };
}

export const route = signal<Route>(read());
addEventListener("hashchange", () => (route.value = read()));

export function linkTo(part: Part, query: Record<string, string> = {}): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return text === "" ? `#${part}` : `#${part}?${text}`;
}

export function go(part: Part, query: Record<string, string> = {}) {
  location.hash = linkTo(part, query);
}
