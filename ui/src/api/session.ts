// Who the reader is to the service.

import { effect, signal } from "@preact/signals";
import { carry, get, post, Refusal, remove } from "./client";
import type { Session } from "./types";

/** A service without sessions decides each request by itself. */
const WITHOUT: Session = { debug: false, admin: true, demo: false, csrf: null };

/** Null until the service has said it. */
export const session = signal<Session | null>(null);

function is(now: Session) {
  carry(now);
  session.value = now;
}

/** Calls back whenever another session, or none, has taken the place of one that was known. */
export function onOtherSession(act: () => void) {
  let before: Session | null = null;
  effect(() => {
    const now = session.value;
    if (before !== null && now !== null && now.csrf !== before.csrf) {
      act();
    }
    before = now;
  });
}

export async function loadSession(): Promise<void> {
  try {
    is(await get<Session>("session/"));
  } catch (error) {
    if (error instanceof Refusal && error.isMissing) {
      is(WITHOUT);
    } else {
      throw error;
    }
  }
}

export async function signIn(token: string): Promise<void> {
  await post("session/", { token });
  await loadSession();
}

export async function signOut(): Promise<void> {
  await remove("session/");
  await loadSession();
}
