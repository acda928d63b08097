// Snapshots: taken, verified against the log, compared.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { compareSnapshots, readSnapshots, takeSnapshot, verifySnapshot } from "../api/admin";
import { wordsOf } from "../api/client";
import type { SnapshotDifference, SnapshotRow, Verified } from "../api/types";
import { age, bytes, dateTime, whole } from "../lib/format";
import { Heads } from "../lib/Heads";
import { Fields } from "./Json";

const snapshots = signal<SnapshotRow[]>([]);
const note = signal("");
const busy = signal("");
const verified = signal<Record<number, Verified>>({});
const chosen = signal<{ a: string; b: string }>({ a: "", b: "" });
const differences = signal<SnapshotDifference | null>(null);

async function load() {
  try {
    ({ snapshots: snapshots.value } = await readSnapshots());
    const [newest, before] = snapshots.value;
    chosen.value = { a: String((before ?? newest)?.at_seq ?? ""), b: String(newest?.at_seq ?? "") };
  } catch (error) {
    note.value = wordsOf(error);
  }
}

/** Does one thing at a time, and says what became of it. */
async function act(name: string, what: () => Promise<string>) {
  busy.value = name;
  try {
    note.value = await what();
  } catch (error) {
    note.value = wordsOf(error);
  }
  busy.value = "";
}

const take = () =>
  act("take", async () => {
    const taken = await takeSnapshot();
    await load();
    return `A snapshot was taken at row ${taken.at_seq}.`;
  });

const verify = (seq: number) =>
  act(`verify ${seq}`, async () => {
    const result = await verifySnapshot(seq);
    verified.value = { ...verified.value, [seq]: result };
    return `The snapshot at row ${seq} is ${result.ok ? "right" : "WRONG"}${result.finding ? `: ${result.finding}` : ""}.`;
  });

const compare = () =>
  act("compare", async () => {
    differences.value = await compareSnapshots(Number(chosen.value.a), Number(chosen.value.b));
    return "";
  });

export function Snapshots() {
  useEffect(() => void load(), []);
  return (
    <section class="panel" aria-label="Snapshots">
      <h2>
        <span>Snapshots</span>
        <span class="said" role="status">
          {note.value}
        </span>
        <button
          type="button"
          id="take-snapshot"
          class="primary"
          disabled={busy.value !== ""}
          onClick={() => void take()}
        >
          Take one now
        </button>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="All snapshots">
        <table id="snapshots">
          <Heads
            of={["At seq", "Created UTC", "Age", "Size", "State hash", "Engine", "Verified UTC", "Against the log"]}
          />
          <tbody>
            {snapshots.value.map((snapshot) => (
              <Row key={snapshot.at_seq} snapshot={snapshot} />
            ))}
          </tbody>
        </table>
        {snapshots.value.length === 0 ? <p class="nothing">No snapshot yet.</p> : <Compare />}
      </div>
    </section>
  );
}

function Row({ snapshot }: { snapshot: SnapshotRow }) {
  const { at_seq: seq } = snapshot;
  const result = verified.value[seq];
  return (
    <tr data-seq={seq}>
      <td>{whole(seq)}</td>
      <td>{dateTime(snapshot.created_at)}</td>
      <td>{age(snapshot.age_s)}</td>
      <td>{bytes(snapshot.size_bytes)}</td>
      <td>
        <code title={snapshot.state_hash}>{snapshot.state_hash.slice(0, 16)}</code>
      </td>
      <td>{snapshot.engine_version ?? "–"}</td>
      <td>{dateTime(snapshot.verified_at)}</td>
      <td class="do">
        {result ? <Verdict of={result} /> : null}
        <button
          type="button"
          class="quiet"
          data-verify={seq}
          disabled={busy.value !== ""}
          onClick={() => void verify(seq)}
        >
          {busy.value === `verify ${seq}` ? "verifying …" : "verify"}
        </button>
      </td>
    </tr>
  );
}

function Verdict({ of }: { of: Verified }) {
  return (
    <span class={of.ok ? "good" : "bad"} title={`state ${of.state_hash}, replayed ${of.replayed_hash ?? "none"}`}>
      {of.ok ? "right" : `WRONG: ${of.finding ?? ""}`} · {whole(of.rows)} rows in {whole(of.took_ms)} ms
    </span>
  );
}

function Compare() {
  const choice = (name: "a" | "b", label: string) => (
    <label class="inline">
      <span>{label}</span>
      <select
        id={`compare-${name}`}
        value={chosen.value[name]}
        onChange={(event) => (chosen.value = { ...chosen.value, [name]: event.currentTarget.value })}
      >
        {snapshots.value.map(({ at_seq: seq }) => (
          <option key={seq} value={String(seq)}>
            {seq}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <div class="padded">
      <h3>Compare</h3>
      <div class="buttons">
        {choice("a", "from row")}
        {choice("b", "to row")}
        <button type="button" id="compare" class="quiet" disabled={busy.value !== ""} onClick={() => void compare()}>
          Compare
        </button>
      </div>
      {differences.value ? (
        <div id="differences">
          <Fields of={differences.value} />
        </div>
      ) : null}
    </div>
  );
}
