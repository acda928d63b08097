// The rules of docs/feed.md, "Gaps and cursors": what to do with a message of a channel.

export type Verdict = "reset" | "apply" | "drop" | "gap";

export interface Place {
  seq: number;
  prev: number | null;
}

/** What to do with a message, given the cursor of its channel; null is no cursor yet. */
export function judge(cursor: number | null, message: Place): Verdict {
  if (message.prev === null) {
    return "reset";
  }
  if (cursor === null || message.prev > cursor) {
    return "gap";
  }
  return message.seq <= cursor ? "drop" : "apply";
}
