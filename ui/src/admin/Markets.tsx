// Markets: their rules and phases.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, post, put, wordsOf } from "../api/client";
import type { Market, Phase, Symbols, Ticker } from "../api/types";
import { shortest } from "../lib/decimal";
import { words } from "../lib/inputs";
import { Latest } from "../lib/latest";
import { Heads } from "../lib/Heads";

const PHASES: Phase[] = ["CONTINUOUS", "AUCTION", "POST_ONLY", "CANCEL_ONLY", "CLOSED"];
/** Rules that can be changed; scales are for ever. */
const RULES = [
  "tick",
  "lot",
  "min_quantity",
  "max_quantity",
  "min_notional",
  "max_notional",
  "price_band",
  "max_open_orders",
] as const;
/** Rules that are whole numbers and not decimals. */
const WHOLE = new Set<string>(["price_band", "max_open_orders", "price_decimals", "quantity_decimals"]);

const tickers = signal<Ticker[]>([]);
const opened = signal<Market | null>(null);
const note = signal("");

const lists = new Latest();
const markets = new Latest();

const load = () =>
  lists.ask(
    get<Symbols>("symbols/"),
    ({ symbols }) => (tickers.value = symbols),
    (words) => (note.value = words),
  );

const open = (symbol: string) =>
  markets.ask(
    get<Market>(`symbols/${symbol}/`),
    (market) => (opened.value = market),
    (words) => (note.value = words),
  );

function openNone() {
  markets.forget();
  opened.value = null;
}

/** Does it to a market, and shows what became of it, unless the reader has gone on to another market. */
async function act(done: string, what: () => Promise<unknown>, symbol: string) {
  const shown = opened.peek()?.symbol;
  try {
    await what();
    note.value = done;
  } catch (error) {
    note.value = wordsOf(error);
    return;
  }
  await Promise.all([load(), opened.peek()?.symbol === shown ? open(symbol) : undefined]);
}

/** The fields of a form that are filled in, as the service takes them. */
function instrument(form: HTMLFormElement): [string, Record<string, unknown>] {
  const { symbol = "", ...fields } = Object.fromEntries(
    [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]),
  );
  const filled = Object.entries(fields).filter(([, value]) => value !== "");
  return [symbol, Object.fromEntries(filled.map(([name, value]) => [name, WHOLE.has(name) ? Number(value) : value]))];
}

export function Markets() {
  useEffect(() => void load(), []);
  const market = opened.value;
  return (
    <div class="split">
      <section class="panel" aria-label="Markets">
        <h2>
          <span>Markets</span>
          <span class="said" role="status">
            {note.value}
          </span>
          <button type="button" class="quiet" onClick={openNone}>
            List a new one
          </button>
        </h2>
        <div class="scroll" tabIndex={0} role="region" aria-label="All markets">
          <table id="markets">
            <Heads of={["Market", "Phase", "Last", "24 h trades"]} />
            <tbody>
              {tickers.value.map((ticker) => (
                <tr key={ticker.symbol} class={ticker.symbol === market?.symbol ? "opened" : ""}>
                  <td>
                    <button
                      type="button"
                      class="link"
                      data-market={ticker.symbol}
                      onClick={() => void open(ticker.symbol)}
                    >
                      {ticker.symbol}
                    </button>
                  </td>
                  <td class={ticker.phase === "CONTINUOUS" ? "" : "warn"}>{ticker.phase}</td>
                  <td>{ticker.last_price ?? "–"}</td>
                  <td>{ticker.trades_24h}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section class="panel detail" aria-label="Rules and phase">
        <h2>{market ? market.symbol : "A new market"}</h2>
        <div class="scroll padded">
          {market ? <PhaseOf market={market} /> : null}
          <RulesOf market={market} key={market?.symbol ?? ""} />
        </div>
      </section>
    </div>
  );
}

function PhaseOf({ market }: { market: Market }) {
  return (
    <>
      <h3>Phase</h3>
      <div class="segments phases" role="group" aria-label="Phase">
        {PHASES.map((phase) => (
          <button
            key={phase}
            type="button"
            aria-pressed={market.phase === phase}
            onClick={() =>
              void act(
                `${market.symbol} is ${phase}.`,
                () => post(`symbols/${market.symbol}/phase/`, { phase }),
                market.symbol,
              )
            }
          >
            {words(phase)}
          </button>
        ))}
      </div>
    </>
  );
}

function RulesOf({ market }: { market: Market | null }) {
  const now = (market ?? {}) as Record<string, unknown>;
  const names = market ? RULES : (["price_decimals", "quantity_decimals", ...RULES] as const);
  return (
    <form
      class="rules"
      onSubmit={(event) => {
        event.preventDefault();
        const [symbol, fields] = instrument(event.currentTarget);
        const name = market?.symbol ?? symbol;
        void act(`The rules of ${name} are set.`, () => put(`symbols/${name}/`, fields), name);
      }}
    >
      <h3>Rules</h3>
      {market ? null : (
        <label class="entry">
          <span>market, such as SOL_USDT</span>
          <input class="box" name="symbol" required pattern="[A-Z0-9]+_[A-Z0-9]+" autocomplete="off" />
        </label>
      )}
      <div class="pair">
        {names.map((name) => (
          <label key={name} class="entry">
            <span>{name === "price_band" ? "price band, 1/100 %" : name.replaceAll("_", " ")}</span>
            <input
              class="box"
              name={name}
              inputMode="decimal"
              autocomplete="off"
              defaultValue={now[name] === undefined || now[name] === null ? "" : shortest(String(now[name]))}
            />
          </label>
        ))}
      </div>
      <p class="muted">What is left empty is no rule.</p>
      <button type="submit" class="primary">
        {market ? "Set the rules" : "List it"}
      </button>
    </form>
  );
}
