// The event log, newest first: filtered, followed, exported; each row opens.

import { computed, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { logLines, readLog } from "../api/admin";
import type { LogRow } from "../api/types";
import { every } from "../lib/every";
import { Latest } from "../lib/latest";
import { timeOfDay, dateTime } from "../lib/format";
import { Heads } from "../lib/Heads";
import { go, route } from "./route";
import { LogRowDetail } from "./LogRow";

const KINDS = [
  "NewOrder",
  "CancelOrder",
  "AmendOrder",
  "CancelByKey",
  "MassCancel",
  "SetCancelAfter",
  "BlockAccount",
  "UnblockAccount",
  "ListInstrument",
  "UpdateInstrument",
  "SetPhase",
  "AdvanceTime",
  "RefuseEntry",
];
/** How often the newest rows are asked for while they are followed. */
const FOLLOW_MS = 1000;
/** Rows that a page of the log grows to. */
const MOST = 2000;

const rows = signal<LogRow[]>([]);
const cursor = signal<string | null>(null);
const note = signal("");
const following = signal(true);

/** The filter as the address has it; what opens a row is no part of it. */
function filter(): Record<string, string> {
  const { row: _, ...filter } = route.value.query;
  return filter;
}

const latest = new Latest();

const load = () =>
  latest.ask(
    readLog(apiFilter(filter())),
    (page) => {
      rows.value = page.rows;
      cursor.value = page.next_cursor ?? null;
      note.value = page.rows.length === 0 ? "No row of the log is like that." : "";
    },
    (words) => {
      rows.value = [];
      cursor.value = null;
      note.value = words;
    },
  );

function older() {
  following.value = false;
  return latest.ask(
    readLog(apiFilter(filter()), cursor.value),
    (page) => {
      rows.value = [...rows.value, ...page.rows].slice(0, MOST);
      cursor.value = rows.value.length < MOST ? (page.next_cursor ?? null) : null;
    },
    (words) => (note.value = words),
  );
}

/** Times are written as dates and asked for in microseconds. */
function apiFilter(filter: Record<string, string>): Record<string, string> {
  const asked = { ...filter };
  for (const name of ["from_time", "to_time"]) {
    const time = asked[name] ? Date.parse(`${asked[name]}Z`) : NaN;
    if (Number.isNaN(time)) {
      delete asked[name];
    } else {
      asked[name] = String(time * 1000);
    }
  }
  return asked;
}

/** Loads whenever the filter changes, and follows while nobody looks at older rows; the answer ends it. */
function followLog(): () => void {
  let endFollowing = () => {};
  const endFilter = computed(() => JSON.stringify(filter())).subscribe(() => {
    endFollowing();
    following.value = true;
    endFollowing = every(FOLLOW_MS, async () => {
      if (following.value) {
        await load();
      }
    });
  });
  return () => {
    endFilter();
    endFollowing();
  };
}

export function Log() {
  useEffect(followLog, []);
  const opened = route.value.query.row;
  return (
    <div class={opened ? "split covering" : "whole"}>
      <section class="panel" aria-label="Event log">
        <Filter />
        <div class="scroll" tabIndex={0} role="region" aria-label="Rows of the log">
          <table id="log">
            <Heads of={["Seq", "Time UTC", "Kind", "Market", "Order", "Events", "Chain"]} />
            <tbody>
              {rows.value.map((row) => (
                <Row key={row.seq} row={row} opened={opened === String(row.seq)} />
              ))}
            </tbody>
          </table>
          {note.value ? <p class="nothing">{note.value}</p> : null}
          {cursor.value === null ? null : (
            <p class="nothing">
              <button type="button" id="older" class="quiet" onClick={() => void older()}>
                Older rows
              </button>
            </p>
          )}
        </div>
      </section>
      {opened ? <LogRowDetail key={opened} seq={Number(opened)} close={() => go("log", filter())} /> : null}
    </div>
  );
}

function Row({ row, opened }: { row: LogRow; opened: boolean }) {
  const open = () => go("log", { ...filter(), row: String(row.seq) });
  return (
    <tr class={opened ? "opened" : ""} data-seq={row.seq} onClick={open}>
      <td>
        <button type="button" class="link" onClick={open} aria-label={`Row ${row.seq}`}>
          {row.seq}
        </button>
      </td>
      <td title={dateTime(row.time)}>{timeOfDay(row.time)}</td>
      <td>{row.kind}</td>
      <td>{row.symbol ?? ""}</td>
      <td>{row.order_id ?? ""}</td>
      <td>{eventNames(row.events)}</td>
      <td class="muted">
        <code>{row.chain.slice(0, 12)}</code>
      </td>
    </tr>
  );
}

/** What came of the command, each kind of event once. */
function eventNames(events: LogRow["events"]): string {
  const counts = new Map<string, number>();
  for (const { type } of events as { type?: string }[]) {
    counts.set(type ?? "", (counts.get(type ?? "") ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name)).join(", ");
}

function Filter() {
  const now = filter();
  const form = useRef<HTMLFormElement>(null);
  const kinds = useRef<HTMLSelectElement>(null);
  // What is typed stays until the filter becomes another one; the focus stays even then.
  useLayoutEffect(() => {
    form.current?.reset();
    if (kinds.current) {
      kinds.current.value = now.kind ?? "";
    }
  }, [JSON.stringify(now)]);
  const field = (name: string, label: string, inputMode: "text" | "numeric" = "text") => (
    <label class="entry">
      <span>{label}</span>
      <input
        class="box"
        id={name}
        name={name}
        type="text"
        inputMode={inputMode}
        defaultValue={now[name] ?? ""}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
  const time = (name: string, label: string) => (
    <label class="entry">
      <span>{label}</span>
      <input class="box" id={name} name={name} type="datetime-local" step="0.001" defaultValue={now[name] ?? ""} />
    </label>
  );
  return (
    <form
      ref={form}
      class="filter"
      aria-label="Filter"
      onSubmit={(event) => {
        event.preventDefault();
        const fields = new FormData(event.currentTarget);
        go("log", Object.fromEntries([...fields].map(([name, value]) => [name, String(value).trim()])));
      }}
    >
      {field("symbol", "Market")}
      {field("order_id", "Order id", "numeric")}
      <label class="entry">
        <span>Kind</span>
        <select ref={kinds} id="kind" name="kind">
          <option value="">any</option>
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
        </select>
      </label>
      {time("from_time", "From, UTC")}
      {time("to_time", "To, UTC")}
      {field("from_seq", "From seq", "numeric")}
      {field("to_seq", "To seq", "numeric")}
      <div class="buttons">
        <button type="submit" id="filter" class="primary">
          Filter
        </button>
        <button type="reset" class="quiet" onClick={() => go("log")}>
          Clear
        </button>
        <button
          type="button"
          class="quiet"
          id="follow"
          aria-pressed={following.value}
          onClick={() => (following.value = !following.value)}
        >
          {following.value ? "Following" : "Follow"}
        </button>
        <a class="quiet" id="jsonl" href={logLines(apiFilter(now)).href} download="pricetime-log.jsonl">
          JSON Lines
        </a>
      </div>
    </form>
  );
}
