// A row of the log: the command, what came of it, what it wrote to Redis, and the book as it was here.

import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { readBook, readRow } from "../api/admin";
import { wordsOf } from "../api/client";
import type { BookAt, BookLevel, LogDetail } from "../api/types";
import { dateTime } from "../lib/format";
import { Heads } from "../lib/Heads";
import { Json } from "./Json";

export function LogRowDetail({ seq, close }: { seq: number; close: () => void }) {
  const found = useMemo(() => signal<LogDetail | string | null>(null), [seq]);
  useEffect(() => {
    readRow(seq).then(
      (row) => (found.value = row),
      (error: unknown) => (found.value = wordsOf(error)),
    );
  }, [seq]);
  const row = found.value;
  return (
    <section class="panel detail" id="detail" aria-label={`Row ${seq}`}>
      <h2>
        <span>Row {seq}</span>
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </h2>
      <div class="scroll padded" tabIndex={0} role="region" aria-label="The row">
        {row === null ? <p class="muted">asking …</p> : typeof row === "string" ? <p>{row}</p> : <Detail row={row} />}
      </div>
    </section>
  );
}

function Detail({ row }: { row: LogDetail }) {
  return (
    <>
      <dl class="fields">
        <div>
          <dt>time</dt>
          <dd>{dateTime(row.time)} UTC</dd>
        </div>
        <div>
          <dt>epoch</dt>
          <dd>{row.epoch}</dd>
        </div>
        <div>
          <dt>chain</dt>
          <dd>
            <code>{row.chain}</code>
          </dd>
        </div>
        {row.state_hash ? (
          <div>
            <dt>state hash</dt>
            <dd>
              <code>{row.state_hash}</code>
            </dd>
          </div>
        ) : null}
      </dl>
      <h3>Command: {row.kind}</h3>
      <Json of={row.command} label="Command" />
      <h3>Events</h3>
      <Json of={row.events} label="Events" />
      <h3>Writes to Redis</h3>
      {row.redis.length > 0 ? (
        <pre class="json" id="redis" tabIndex={0} aria-label="Writes to Redis">
          {row.redis.join("\n")}
        </pre>
      ) : (
        <p class="muted">None.</p>
      )}
      {row.symbol ? <BookHere symbol={row.symbol} seq={row.seq} /> : null}
    </>
  );
}

function BookHere({ symbol, seq }: { symbol: string; seq: number }) {
  const found = useMemo(() => signal<BookAt | string | null>(null), [symbol, seq]);
  const book = found.value;
  const ask = () =>
    readBook(symbol, seq).then(
      (book) => (found.value = book),
      (error: unknown) => (found.value = wordsOf(error)),
    );
  return (
    <>
      <h3>The book of {symbol} as it was here</h3>
      {book === null ? (
        <button type="button" id="book-here" class="quiet" onClick={() => void ask()}>
          Show it
        </button>
      ) : typeof book === "string" ? (
        <p>{book}</p>
      ) : (
        <>
          <p class="muted">
            after row {book.seq}, phase {book.phase}
          </p>
          <div class="sides-of-book" id="book-at">
            <Levels title="Bids" levels={book.bids} className="buy" />
            <Levels title="Asks" levels={book.asks} className="sell" />
          </div>
        </>
      )}
    </>
  );
}

const NUMBERS = new Set(["Quantity", "Orders"]);

function Levels({ title, levels, className }: { title: string; levels: BookLevel[]; className: string }) {
  return (
    <table>
      <caption class="hidden">{title}</caption>
      <Heads of={[title, "Quantity", "Orders"]} numbers={NUMBERS} />
      <tbody>
        {levels.map((level) => (
          <tr key={level.price}>
            <td class={className}>{level.price}</td>
            <td class="number">{level.quantity}</td>
            <td class="number">{level.orders}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
