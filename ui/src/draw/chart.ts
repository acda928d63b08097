// Candles with their volume. The chart is the one place where prices become floating point: it draws pixels.

import {
  CandlestickSeries,
  ColorType,
  createChart,
  HistogramSeries,
  type CandlestickData,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Candle } from "../api/types";
import { grouped, shownAs } from "../lib/decimal";
import { compact } from "../lib/format";
import type { MarketStore } from "../store/market";
import { colours, FONT, type Colours } from "./colours";
import { Label } from "./dom";

/** Candles that are seen at first. */
const AT_FIRST = 90;
const FREE_RIGHT = 4;

export class PriceChart {
  private readonly chart: IChartApi;
  private readonly prices: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private readonly legend = new Label("legend");
  private colours: Colours = colours();
  private drawn = 0;
  private hovered: number | null = null;

  constructor(
    host: HTMLElement,
    private readonly market: MarketStore,
  ) {
    this.chart = createChart(host, {
      autoSize: true,
      layout: { attributionLogo: true, fontFamily: FONT, fontSize: 11 },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.1, bottom: 0.22 } },
      timeScale: { borderVisible: false, timeVisible: true, rightOffset: FREE_RIGHT },
      localization: { locale: "en-GB" },
    });
    this.prices = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.volumes = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    host.append(this.legend.node);
    this.chart.subscribeCrosshairMove((event) => {
      this.hovered = typeof event.time === "number" ? event.time : null;
      this.drawLegend();
    });
    this.paint();
  }

  end() {
    this.chart.remove();
    this.legend.node.remove();
  }

  /** In the page's colours of now. */
  paint() {
    const now = colours();
    this.colours = now;
    const line = { color: now.line };
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: now.panel }, textColor: now.muted },
      grid: { vertLines: line, horzLines: line },
      crosshair: {
        vertLine: { color: now.muted, labelBackgroundColor: "#3a4656" },
        horzLine: { color: now.muted, labelBackgroundColor: "#3a4656" },
      },
    });
    this.prices.applyOptions({ upColor: now.up, downColor: now.down, wickUpColor: now.up, wickDownColor: now.down });
    this.redraw();
  }

  /** Whether the axis of time needs seconds. */
  showSeconds(secondsVisible: boolean) {
    this.chart.timeScale().applyOptions({ secondsVisible });
  }

  /** With the market's digits of now. */
  showDigits() {
    const digits = this.market.digits.peek().price;
    const formatter = (price: number) => grouped(price.toFixed(digits));
    this.prices.applyOptions({ priceFormat: { type: "custom", formatter, minMove: 10 ** -digits } });
    this.drawLegend();
  }

  /** Everything anew. */
  private redraw() {
    this.market.candles.changedFrom = 0;
    this.draw();
  }

  draw() {
    const store = this.market.candles;
    const { candles } = store;
    const known = Math.min(this.drawn, candles.length);
    if (this.drawn > 0 && store.changedFrom >= known - 1 && candles.length >= this.drawn) {
      for (const candle of candles.slice(store.changedFrom)) {
        this.prices.update(bar(candle));
        this.volumes.update(this.volume(candle));
      }
    } else if (store.changedFrom < candles.length || candles.length < this.drawn) {
      this.prices.setData(candles.map(bar));
      this.volumes.setData(candles.map((candle) => this.volume(candle)));
      if (this.drawn < 2 || candles.length < this.drawn) {
        this.chart
          .timeScale()
          .setVisibleLogicalRange({ from: candles.length - AT_FIRST, to: candles.length + FREE_RIGHT });
      }
    }
    this.drawn = candles.length;
    store.changedFrom = candles.length;
    this.drawLegend();
  }

  private drawLegend() {
    const { candles } = this.market.candles;
    const hovered = this.hovered;
    const candle = hovered === null ? candles.at(-1) : candles.findLast((candle) => seconds(candle) === hovered);
    if (candle === undefined) {
      this.legend.set(candles.length === 0 ? "no trade in this interval yet" : "");
      return;
    }
    const digits = this.market.digits.peek().price;
    const [open, high, low, close] = [candle.open, candle.high, candle.low, candle.close].map((price) =>
      shownAs(price, digits),
    );
    this.legend.set(`O ${open}  H ${high}  L ${low}  C ${close}  V ${compact(candle.volume)}`);
  }

  private volume(candle: Candle) {
    const color = Number(candle.close) >= Number(candle.open) ? this.colours.upSoft : this.colours.downSoft;
    return { time: seconds(candle), value: Number(candle.volume), color };
  }
}

function seconds(candle: Candle): UTCTimestamp {
  return (candle.start / 1_000_000) as UTCTimestamp;
}

function bar(candle: Candle): CandlestickData<UTCTimestamp> {
  const { open, high, low, close } = candle;
  return { time: seconds(candle), open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
}
