// The market at a glance, and how fresh everything on the page is.

import { session } from "../api/session";
import { ConnectionState } from "../lib/ConnectionState";
import { decimalsOf, priceUnits, shownAs } from "../lib/decimal";
import { ARROWS, compact, whole } from "../lib/format";
import { Brand } from "../lib/Brand";
import { symbol } from "../lib/preferences";
import { choose, market, markets } from "../store/page";
import { settingsOpen } from "./dialogs";

export function Header() {
  const demo = session.value?.demo;
  return (
    <header class="top">
      <Brand />
      {demo ? (
        <span class="badge demo" title="The orders on this page are made by the demo market">
          DEMO
        </span>
      ) : null}
      <SymbolSwitch />
      <Figures />
      <span class="grow" />
      <ConnectionState />
      <nav class="links" aria-label="Pages">
        <PageLinks />
      </nav>
      <button type="button" class="quiet" onClick={() => (settingsOpen.value = true)} aria-haspopup="dialog">
        Settings
      </button>
    </header>
  );
}

/** The other pages. A narrow screen has them among the settings only. */
export function PageLinks() {
  return (
    <>
      <a href="api/docs/">API</a>
      <a href="admin/">Admin</a>
    </>
  );
}

function SymbolSwitch() {
  const all = markets.value ?? [];
  const now = all.includes(symbol.value) ? symbol.value : (market.value?.symbol ?? "");
  return (
    <label class="switch">
      <span class="hidden">Market</span>
      <select
        id="symbol"
        value={now}
        disabled={all.length === 0}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {all.length === 0 ? <option value="">no market</option> : null}
        {all.map((name) => (
          <option key={name} value={name}>
            {name.replace("_", " / ")}
          </option>
        ))}
      </select>
    </label>
  );
}

function Figures() {
  const now = market.value;
  const ticker = now?.ticker.value;
  const digits = now?.digits.value.price ?? 2;
  const last = ticker?.last_price;
  const open = ticker?.open_24h;
  const change = last && open ? (Number(last) / Number(open) - 1) * 100 : null;
  const way = change === null || change === 0 ? "" : change > 0 ? "up" : "down";
  // As in the order book: the last price has one direction on the page.
  const direction = now?.direction.value ?? "";
  return (
    <dl class="figures">
      <div class="lastprice">
        <dt class="hidden">Last price</dt>
        <dd class={`big ${direction}`}>
          {shownAs(last, digits)} <i aria-hidden="true">{ARROWS[direction]}</i>
        </dd>
      </div>
      <div class="change">
        <dt>24 h change</dt>
        <dd class={way}>{change === null ? "–" : `${change > 0 ? "+" : ""}${change.toFixed(2)} %`}</dd>
      </div>
      <Figure name="24 h high" of={shownAs(ticker?.high_24h, digits)} />
      <Figure name="24 h low" of={shownAs(ticker?.low_24h, digits)} />
      <Figure name={`24 h volume ${now?.names.base ?? ""}`} of={ticker ? compact(ticker.volume_24h) : "–"} />
      <Figure name={`24 h value ${now?.names.quote ?? ""}`} of={ticker ? compact(ticker.quote_volume_24h) : "–"} />
      <Figure name="24 h trades" of={ticker ? whole(ticker.trades_24h) : "–"} />
      <Figure name="Spread" of={spread(ticker?.bid, ticker?.ask, digits)} />
      <div class={ticker && ticker.phase !== "CONTINUOUS" ? "phase warn" : "phase"}>
        <dt>Phase</dt>
        <dd>{ticker?.phase ?? "–"}</dd>
      </div>
      {ticker?.auction ? (
        <Figure name="Auction" of={`${compact(ticker.auction.volume)} at ${shownAs(ticker.auction.price, digits)}`} />
      ) : null}
    </dl>
  );
}

function Figure({ name, of }: { name: string; of: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{of}</dd>
    </div>
  );
}

type Best = (string | number)[] | null | undefined;

function spread(bid: Best, ask: Best, digits: number): string {
  if (!bid || !ask) {
    return "–";
  }
  const decimals = Math.max(decimalsOf(String(bid[0])), decimalsOf(String(ask[0])), digits);
  const units = priceUnits(String(ask[0]), decimals) - priceUnits(String(bid[0]), decimals);
  return shownAs((units / 10 ** decimals).toFixed(decimals), digits);
}
