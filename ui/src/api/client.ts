// Requests to the service, and how they fail.

import type { Session } from "./types";

/** Where the API is: beside the page, wherever a proxy has put that. */
const ROOT = new URL(document.documentElement.dataset.root ?? "./", location.href);

/** The address of a path below /api/. */
export function apiUrl(path: string, query: Record<string, string | number | null | undefined> = {}): URL {
  const url = new URL(`api/${path}`, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") {
      url.searchParams.set(name, String(value));
    }
  }
  return url;
}

/** The address of a page or of a path beside /api/. */
export function pageUrl(path: string): URL {
  return new URL(path, ROOT);
}

/** A request that was refused, or that nobody answered (status 0). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly field: string | null = null,
  ) {
    super(detail);
  }
}

let csrf: string | null = null;

/** Requests that change something carry this from now on. */
export function carry(session: Session) {
  csrf = session.csrf ?? null;
}

let unknown: () => void = () => undefined;

/** Calls back whenever the service says that it does not know who asks. */
export function onUnknown(act: () => void) {
  unknown = act;
}

async function refusal(answer: Response): Promise<Refusal> {
  const text = await answer.text();
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; title?: string; field?: string };
    const detail = problem.detail ?? problem.title ?? answer.statusText;
    return new Refusal(answer.status, problem.code ?? String(answer.status), detail, problem.field ?? null);
  } catch {
    return new Refusal(answer.status, String(answer.status), answer.statusText);
  }
}

export async function request<T>(method: string, url: URL, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (method !== "GET" && csrf !== null) {
    headers["X-CSRF-Token"] = csrf;
  }
  let answer: Response;
  try {
    answer = await fetch(url, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new Refusal(0, "NO_ANSWER", "the service does not answer");
  }
  if (!answer.ok) {
    const refused = await refusal(answer);
    if (refused.status === 401 || refused.code === "CSRF_TOKEN") {
      unknown();
    }
    throw refused;
  }
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export const get = <T>(path: string, query?: Record<string, string | number | null | undefined>) =>
  request<T>("GET", apiUrl(path, query));
export const post = <T>(path: string, body?: unknown, query?: Record<string, string | number | null | undefined>) =>
  request<T>("POST", apiUrl(path, query), body);
export const put = <T>(path: string, body: unknown) => request<T>("PUT", apiUrl(path), body);
export const remove = <T>(path: string, query?: Record<string, string | number | null | undefined>) =>
  request<T>("DELETE", apiUrl(path, query));

/** The words of whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
