// What the market page is about: the markets, the one that is shown, the reader's orders, the engine.

import { effect, signal } from "@preact/signals";
import { get, Refusal } from "../api/client";
import { onOtherSession } from "../api/session";
import type { Engine, Market, Order, OrderChange, OrderPage, Symbols, Trades } from "../api/types";
import { Listeners } from "../draw/listeners";
import { FeedSocket, type Handler } from "../feed/socket";
import { every } from "../lib/every";
import { Latest } from "../lib/latest";
import { account, interval, symbol } from "../lib/preferences";
import { MarketStore } from "./market";
import { ownFill, OwnOrders, type OwnFill } from "./orders";

/** How often (ms) the list of markets and the engine are asked for. */
const MARKETS_EVERY = 3000;
const ENGINE_EVERY = 1000;
/** Ended orders that are looked up when an account is opened. */
const PAST_ORDERS = 100;
const PAST_TRADES = 1000;

export const socket = new FeedSocket();
export const markets = signal<string[] | null>(null);
export const market = signal<MarketStore | null>(null);
/** Whether the service tells the market only to those who have signed in. */
export const locked = signal(false);

/** The account's orders as of the last frame. */
export const own = signal<{ open: Order[]; ended: Order[]; fills: OwnFill[] }>({ open: [], ended: [], fills: [] });
export const ownOrders = new OwnOrders();
export const ownChanged = new Listeners();

/** What the engine says of itself. */
export const engine = signal<Engine | null>(null);

async function readMarkets(): Promise<Symbols> {
  try {
    const found = await get<Symbols>("symbols/");
    locked.value = false;
    return found;
  } catch (error) {
    locked.value = error instanceof Refusal && (error.status === 401 || error.status === 403);
    if (locked.value) {
      hide();
    }
    throw error;
  }
}

/** Nothing of what only others may see stays on the page. */
function hide() {
  instruments.forget();
  market.peek()?.end();
  market.value = null;
  markets.value = null;
  engine.value = null;
}

async function loadMarkets() {
  const { symbols } = await readMarkets();
  const names = symbols.map((ticker) => ticker.symbol);
  if (names.join() !== markets.peek()?.join()) {
    markets.value = names;
  }
  const alive = symbols.find((ticker) => ticker.last_price != null)?.symbol;
  const wanted = names.includes(symbol.peek()) ? symbol.peek() : (alive ?? names[0]);
  if (wanted !== undefined && market.peek()?.symbol !== wanted) {
    await show(wanted);
  }
}

const instruments = new Latest();

function show(name: string) {
  return instruments.ask(
    get<Market>(`symbols/${name}/`),
    (instrument) => {
      market.peek()?.end();
      symbol.value = name;
      market.value = new MarketStore(instrument, socket);
      market.value.showInterval(interval.peek());
    },
    // It is asked for again when the list of markets is.
    () => undefined,
  );
}

/** The reader's choice of a market. */
export function choose(name: string) {
  symbol.value = name;
  void show(name);
}

/** Candles of another length. */
export function showInterval(wanted: string) {
  interval.value = wanted;
  market.peek()?.showInterval(wanted);
}

async function loadEngine() {
  if (!locked.peek()) {
    engine.value = await get<Engine>("engine/");
  }
}

const showOwn = () => {
  own.value = { open: ownOrders.newestFirst(), ended: ownOrders.ended, fills: ownOrders.fills };
};

/** The times of fills come with the trades of the tape: before them or behind them. */
function timeFills(market: MarketStore) {
  let found = false;
  for (const fill of ownOrders.fills) {
    if (fill.time === null && fill.symbol === market.symbol) {
      fill.time = market.trades.find((trade) => trade.trade_id === fill.trade_id)?.time ?? null;
      found ||= fill.time !== null;
    }
  }
  if (found) {
    showOwn();
  }
}

/** The orders and fills of before, for as long as `wanted` says that they are the shown account's. */
async function loadPast(name: string, wanted: () => boolean) {
  const { orders } = await get<OrderPage>("orders/", { account: name, limit: PAST_ORDERS });
  if (!wanted()) {
    return;
  }
  ownOrders.remember(orders);
  ownChanged.changed();
  const byId = new Map(orders.map((order) => [order.order_id, order]));
  for (const market of new Set(orders.map((order) => order.symbol))) {
    const { trades } = await get<Trades>(`symbols/${market}/trades/`, { limit: PAST_TRADES });
    if (!wanted()) {
      return;
    }
    const fills = trades.flatMap((trade) =>
      [trade.maker_order_id, trade.taker_order_id].flatMap((id) => {
        const order = byId.get(id);
        return order ? [ownFill(order, trade)] : [];
      }),
    );
    ownOrders.addFills(fills);
    ownChanged.changed();
  }
}

/** Follows an account's orders, until another's are wanted. */
function followAccount(name: string) {
  let snapshots = 0;
  ownOrders.clear();
  ownChanged.changed();
  const handler = {
    snapshot: (orders: Order[]) => {
      ownOrders.snapshot(orders);
      ownChanged.changed();
      const mine = ++snapshots;
      // What ended while nobody listened.
      loadPast(name, () => mine === snapshots).catch(() => undefined);
    },
    update: (changes: OrderChange[]) => {
      ownOrders.update(changes);
      ownChanged.changed();
    },
  };
  const end = socket.follow(`orders:${name}`, handler as Handler);
  return () => {
    snapshots += 1;
    end();
  };
}

/** Whoever reads now may see other things than whoever read before. */
function beginAnew() {
  ownOrders.clear();
  ownChanged.changed();
  socket.reopen();
  loadMarkets().catch(() => undefined);
}

/** Begins to follow everything. */
export function start() {
  onOtherSession(beginAnew);
  every(MARKETS_EVERY, loadMarkets);
  every(ENGINE_EVERY, loadEngine);
  ownChanged.add(showOwn);
  effect(() => {
    const now = market.value;
    const time = () => now && timeFills(now);
    const ends = [ownChanged.add(time), now?.tradesChanged.add(time)];
    return () => ends.forEach((end) => end?.());
  });
  effect(() => followAccount(account.value));
}
