// One market: everything about it that the page shows, filled by the feed.

import { signal } from "@preact/signals";
import { get } from "../api/client";
import type { BookData, Candle, Candles, Market, Ticker, Trade } from "../api/types";
import { Listeners } from "../draw/listeners";
import type { FeedSocket, Handler } from "../feed/socket";
import { decimalsOf, priceUnits } from "../lib/decimal";
import { Book } from "./book";
import { CandleStore } from "./candles";
import { lastDirection, type Direction } from "./direction";
import { Ring } from "./ring";

/** Trades that are kept: more than any tape shows. */
const TRADES = 500;
/** Candles of the past that the chart begins with. */
const PAST = 1000;
/** Markets that were listed by an order are as fine as can be; their digits are those that are used, but at least so many. */
const FINEST = 8;
const FEWEST = 2;

export class MarketStore {
  readonly book: Book;
  readonly trades = new Ring<Trade>(TRADES);
  readonly candles = new CandleStore();
  /** The price's smallest step, in units. */
  readonly tick: number;
  /** As of the last frame. */
  readonly ticker = signal<Ticker | null>(null);
  /** Which way the last price went, as of the last frame. */
  readonly direction = signal<Direction>("");
  /** Digits after the point that prices and quantities are shown with. */
  readonly digits = signal({ price: FEWEST, quantity: FEWEST });

  readonly bookChanged = new Listeners();
  readonly tradesChanged = new Listeners();
  readonly candlesChanged = new Listeners();

  private lastTicker: Ticker | null = null;
  private readonly ended: (() => void)[] = [];
  private endCandles: () => void = () => undefined;

  constructor(
    readonly instrument: Market,
    private readonly socket: FeedSocket,
  ) {
    const { price_decimals: priceDecimals, quantity_decimals: quantityDecimals } = instrument;
    this.book = new Book({ priceDecimals, quantityDecimals });
    this.tick = priceUnits(instrument.tick, priceDecimals);
    this.showDigits();
    this.follow(`book:${this.symbol}`, {
      snapshot: (data: BookData) => {
        this.book.clear();
        this.takeBook(data);
      },
      update: (data: BookData) => this.takeBook(data),
    });
    this.follow(`trades:${this.symbol}`, {
      snapshot: (data: Trade[]) => {
        this.trades.clear();
        this.takeTrades(data);
      },
      update: (data: Trade[]) => this.takeTrades(data),
    });
    const ticker = (data: Ticker) => this.takeTicker(data);
    this.follow(`ticker:${this.symbol}`, { snapshot: ticker, update: ticker });
    this.ended.push(
      this.bookChanged.add(this.showDigits),
      this.tickerShown.add(this.showTicker),
      this.tradesChanged.add(this.showDirection),
    );
  }

  get symbol(): string {
    return this.instrument.symbol;
  }

  /** The names of what is traded and of what it is paid in. */
  get names(): { base: string; quote: string } {
    const [base = "", quote = ""] = this.symbol.split("_");
    return { base, quote };
  }

  /** Shows candles of this length from now on. */
  showInterval(interval: string) {
    this.endCandles();
    this.candles.clear();
    this.candlesChanged.changed();
    let snapshots = 0;
    const end = this.socket.follow(`candles:${interval}:${this.symbol}`, {
      snapshot: (candles: Candle[]) => {
        const mine = ++snapshots;
        this.candles.replaceFrom(candles);
        this.candlesChanged.changed();
        // A snapshot has the newest; what came before them may have changed as well while nobody listened.
        this.loadPast(interval, candles[0]?.start, () => mine === snapshots).catch(() => undefined);
      },
      update: (candles: Candle[]) => {
        this.candles.merge(candles);
        this.candlesChanged.changed();
      },
    } as Handler);
    this.endCandles = () => {
      snapshots += 1;
      end();
    };
  }

  /** The candles before the first that the feed has told, for as long as `wanted` says so. */
  private async loadPast(interval: string, first: number | undefined, wanted: () => boolean) {
    const { candles } = await get<Candles>(`symbols/${this.symbol}/candles/`, { interval, limit: PAST });
    if (wanted()) {
      this.candles.replaceBefore(first ?? this.candles.candles[0]?.start ?? Infinity, candles.reverse());
      this.candlesChanged.changed();
    }
  }

  /** Nothing of it is followed any more. */
  end() {
    this.endCandles();
    for (const end of this.ended) {
      end();
    }
  }

  private readonly tickerShown = new Listeners();

  private follow(channel: string, handler: object) {
    this.ended.push(this.socket.follow(channel, handler as Handler));
  }

  private takeBook(data: BookData) {
    this.book.apply(data);
    this.bookChanged.changed();
  }

  private takeTrades(data: Trade[]) {
    this.trades.push(data);
    this.tradesChanged.changed();
  }

  private takeTicker(data: Ticker) {
    this.lastTicker = data;
    this.tickerShown.changed();
  }

  private readonly showTicker = () => {
    this.ticker.value = this.lastTicker;
  };

  private readonly showDirection = () => {
    this.direction.value = lastDirection(this.trades);
  };

  private readonly showDigits = () => {
    const { tick, lot } = this.instrument;
    const price = digits(tick, this.book.seen.priceDecimals);
    const quantity = digits(lot, this.book.seen.quantityDecimals);
    const now = this.digits.peek();
    if (now.price !== price || now.quantity !== quantity) {
      this.digits.value = { price, quantity };
    }
  };
}

function digits(step: string, seen: number): number {
  const decimals = decimalsOf(step);
  return decimals === FINEST ? Math.min(FINEST, Math.max(FEWEST, seen)) : decimals;
}
