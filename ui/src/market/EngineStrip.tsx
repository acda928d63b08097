// The engine in a line: how fast it is, how far it has come, and up to where it is proven right.

import { age, figure, whole } from "../lib/format";
import { engine } from "../store/page";

const MISSING = "This service does not tell it.";

export function EngineStrip() {
  const { engine: now, seq, verifiedSeq } = engine.value;
  const micros = (p50: number | null, p99: number | null) =>
    p50 === null || p99 === null ? "–" : `${figure(p50)} / ${figure(p99)} µs`;
  const millis = (p50: number | null, p99: number | null) =>
    p50 === null || p99 === null ? "–" : `${figure(p50)} / ${figure(p99)} ms`;
  const snapshot = now?.last_snapshot
    ? `row ${whole(now.last_snapshot.at_seq)}, ${age(now.last_snapshot.age_s)} ago`
    : "–";
  return (
    <footer class="engine" aria-label="Engine">
      <dl>
        <Item name="Orders/s" of={now && figure(now.orders_per_second)} />
        <Item name="Queue lag" of={now && whole(now.queue_lag)} />
        <Item name="Match p50 / p99" of={now && micros(now.match_p50_us, now.match_p99_us)} />
        <Item name="Commit p50 / p99" of={now && millis(now.commit_p50_ms, now.commit_p99_ms)} />
        <Item name="Log position" of={seq === null ? null : whole(seq)} id="log-position" />
        <Item name="Last snapshot" of={now && snapshot} />
        <Item name="Mode" of={now && now.mode} />
        <Item name="Proven right as of seq" of={verifiedSeq === null ? null : whole(verifiedSeq)} id="proven" proven />
      </dl>
    </footer>
  );
}

function Item({ name, of, id, proven }: { name: string; of: string | null; id?: string; proven?: boolean }) {
  return (
    <div class={proven ? "proven" : ""}>
      <dt>{name}</dt>
      <dd id={id} title={of === null ? MISSING : undefined}>
        {of ?? "–"}
      </dd>
    </div>
  );
}
