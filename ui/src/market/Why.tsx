// Why an order filled or did not: its life, row by row of the log.

import { effect, signal } from "@preact/signals";
import { get, wordsOf } from "../api/client";
import type { Explanation } from "../api/types";
import { Dialog } from "../lib/Dialog";
import { dateTime } from "../lib/format";
import { words } from "../lib/inputs";
import { explained } from "./dialogs";

const found = signal<Explanation | string | null>(null);

effect(() => {
  const id = explained.value;
  found.value = null;
  if (id !== null) {
    get<Explanation>(`orders/${id}/explain/`).then(
      (explanation) => explained.peek() === id && (found.value = explanation),
      (error: unknown) => explained.peek() === id && (found.value = wordsOf(error)),
    );
  }
});

export function Why() {
  const now = found.value;
  return (
    <Dialog
      open={explained.value !== null}
      title={`Order ${explained.value ?? ""}`}
      close={() => (explained.value = null)}
    >
      {now === null ? (
        <p class="muted">asking …</p>
      ) : typeof now === "string" ? (
        <p class="bad">{now}</p>
      ) : (
        <Life of={now} />
      )}
    </Dialog>
  );
}

function Life({ of }: { of: Explanation }) {
  const { order } = of;
  return (
    <>
      <p class="lead">
        <b class={order.side === "BUY" ? "buy" : "sell"}>{words(order.side)}</b> {order.quantity} {order.symbol} ·{" "}
        {words(order.type)}
        {order.price ? ` at ${order.price}` : ""} · {order.time_in_force} · {words(order.status)}
      </p>
      <p>{of.summary}</p>
      <ol class="life">
        {of.life.map((step) => (
          <li key={step.seq}>
            <span class="muted">
              row {step.seq} · {dateTime(step.sequenced_at)} · {step.kind}
            </span>
            {step.words.map((line, index) => (
              <p key={index}>{line}</p>
            ))}
          </li>
        ))}
      </ol>
      {of.complete ? null : (
        <p class="muted">This is not all of its life: it is older than this process, or longer than what is told.</p>
      )}
    </>
  );
}
