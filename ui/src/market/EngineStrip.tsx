// The engine in a line: how fast it is, how far it has come, and up to where it is proven right.

import { age, figure, whole } from "../lib/format";
import { engine } from "../store/page";

export function EngineStrip() {
  const now = engine.value;
  const snapshot = now?.last_snapshot
    ? `row ${whole(now.last_snapshot.at_seq)}, ${age(now.last_snapshot.age_s)} ago`
    : "–";
  return (
    <footer class="engine" aria-label="Engine">
      <dl>
        <Item name="Orders/s" of={now && figure(now.orders_per_second)} />
        <Item name="Queue lag" of={now && whole(now.queue_lag)} />
        <Item name="Match p50 / p99" of={now && both(now.match_p50_us, now.match_p99_us, "µs")} />
        <Item name="Commit p50 / p99" of={now && both(now.commit_p50_ms, now.commit_p99_ms, "ms")} />
        <Item name="Log position" of={now && whole(now.seq)} id="log-position" />
        <Item name="Last snapshot" of={now && snapshot} />
        <Item name="Mode" of={now && now.mode} />
        <Item name="Proven right as of seq" of={now && whole(now.verified_seq)} id="proven" proven />
      </dl>
    </footer>
  );
}

/** Half of the batches took less than the first, 99 of a hundred less than the second. */
function both(p50: number | null | undefined, p99: number | null | undefined, unit: string): string {
  return p50 == null || p99 == null ? "–" : `${figure(p50)} / ${figure(p99)} ${unit}`;
}

function Item({ name, of, id, proven }: { name: string; of: string | null; id?: string; proven?: boolean }) {
  return (
    <div class={proven ? "proven" : ""}>
      <dt>{name}</dt>
      <dd id={id}>{of ?? "–"}</dd>
    </div>
  );
}
