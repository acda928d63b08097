// Who the reader is to the service.

import { computed, effect, signal } from "@preact/signals";
import { carry, get, onUnknown, post, remove, wordsOf } from "./client";
import type { Session } from "./types";

/** How long (ms) after a failure the service is asked again. */
const RETRY = 1000;

/** Null until the service has said it. */
export const session = signal<Session | null>(null);
/** Whether a program that sends an order has to say who it is. */
export const needsToken = computed(() => session.value?.debug === false);
/** Why it has not said it yet. */
export const unanswered = signal("");

async function loadSession(): Promise<void> {
  const now = await get<Session>("session/");
  carry(now);
  if (JSON.stringify(now) !== JSON.stringify(session.peek())) {
    session.value = now;
  }
}

/** Asks until the service has said it, and again when it does not know the reader any more. */
export function knowSession() {
  const ask = () => {
    loadSession().then(
      () => (unanswered.value = ""),
      (error: unknown) => {
        unanswered.value = wordsOf(error);
        setTimeout(ask, RETRY);
      },
    );
  };
  ask();
  onUnknown(() => {
    // Whoever is nobody is told so each time.
    if (session.peek()?.csrf) {
      loadSession().catch(() => undefined);
    }
  });
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

export async function signIn(token: string): Promise<void> {
  await post("session/", { token });
  await loadSession();
}

export async function signOut(): Promise<void> {
  await remove("session/");
  await loadSession();
}
