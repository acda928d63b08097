// How fresh the page is: always in sight. Whoever listens to the page hears each change once, and not every second.

import { locked, socket } from "../store/page";
import type { Connection } from "../feed/socket";

const WORDS: Record<Connection["state"], string> = {
  connecting: "connecting",
  live: "live",
  resyncing: "resyncing",
  stale: "stale",
};

export function ConnectionState() {
  const now = socket.connection.value;
  if (locked.value) {
    return (
      <span class="connection" data-state="locked">
        <span role="status">not signed in</span>
      </span>
    );
  }
  return (
    <span class={`connection ${now.state}`} data-state={now.state}>
      <span role="status">{WORDS[now.state]}</span>
      {now.state === "stale" ? <span aria-hidden="true"> for {now.seconds} s</span> : null}
    </span>
  );
}
