// The market page.

import "./styles/base.css";
import "./styles/market.css";
import "./styles/narrow.css";

import { signal } from "@preact/signals";
import { render } from "preact";
import { apiUrl } from "./api/client";
import { knowSession, needsToken } from "./api/session";
import { asCurl } from "./store/ticket";
import { locked, markets, socket, start } from "./store/page";
import { SignIn } from "./lib/SignIn";
import { BookPanel } from "./market/BookPanel";
import { ChartPanel, DepthPanel } from "./market/ChartPanel";
import { EngineStrip } from "./market/EngineStrip";
import { Header } from "./market/Header";
import { listenToKeys } from "./market/keys";
import { Orders } from "./market/Orders";
import { Settings } from "./market/Settings";
import { TapePanel } from "./market/TapePanel";
import { Ticket } from "./market/Ticket";
import { Why } from "./market/Why";

/** What a narrow screen shows of the page. */
const VIEWS = ["Chart", "Book", "Trade", "Tape", "Orders", "Engine"] as const;
const view = signal<(typeof VIEWS)[number]>("Chart");

function Page() {
  return (
    <div class="page" data-view={view.value} data-connection={socket.connection.value.state}>
      <a class="skip" href="#ticket">
        To the ticket
      </a>
      <Header />
      <main>
        <h1 class="hidden">Market</h1>
        <ChartPanel />
        <DepthPanel />
        <BookPanel />
        <div class="side-column">
          <div class="ticket-column" id="ticket" tabIndex={-1}>
            <Ticket />
          </div>
          <TapePanel />
        </div>
        <Orders />
        {locked.value ? <Locked /> : markets.value?.length === 0 ? <NoMarket /> : null}
      </main>
      <EngineStrip />
      <nav class="views" aria-label="Parts of the page">
        {VIEWS.map((name) => (
          <button key={name} type="button" aria-pressed={view.value === name} onClick={() => (view.value = name)}>
            {name}
          </button>
        ))}
      </nav>
      <Settings />
      <Why />
    </div>
  );
}

/** What is shown where the service tells the market only to those whom it knows. */
function Locked() {
  return (
    <section class="panel nomarket" aria-label="Sign in">
      <h2>Sign in</h2>
      <div>
        <SignIn />
      </div>
    </section>
  );
}

function NoMarket() {
  const order = { symbol: "BTC_USDT", side: "BUY", price: "100", quantity: "1" };
  return (
    <section class="panel nomarket" aria-label="No market yet">
      <h2>No market yet</h2>
      <p>The first order lists its market, where the service lets it (AUTO_LIST_SYMBOLS). It appears here by itself.</p>
      <pre tabIndex={0}>{asCurl(order, apiUrl("orders/").href, needsToken.value)}</pre>
      <p>
        Or start the service with its demo market: <code>pricetime serve --demo</code>
      </p>
    </section>
  );
}

const app = document.getElementById("app");
if (app) {
  app.replaceChildren();
  knowSession();
  listenToKeys();
  start();
  render(<Page />, app);
}
