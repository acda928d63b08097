import { effect } from "@preact/signals";
import { PriceChart } from "../draw/chart";
import { DepthChart } from "../draw/depth";
import { interval } from "../lib/preferences";
import { market, showInterval } from "../store/page";
import { onDigits, onLook, useDrawn } from "./hooks";

const INTERVALS = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"];

export function ChartPanel() {
  const host = useDrawn<HTMLDivElement>((element, market) => {
    const chart = new PriceChart(element, market);
    const end = market.candlesChanged.add(() => chart.draw());
    const endSeconds = effect(() => chart.showSeconds(interval.value === "1s"));
    const drawn = [onLook(() => chart.paint()), onDigits(market, () => chart.showDigits())];
    return [{ end }, { end: endSeconds }, ...drawn, chart];
  });
  return (
    <section class="panel chart" aria-label="Candles">
      <h2>
        <span>Candles</span>
        <div class="segments" role="group" aria-label="Interval">
          {INTERVALS.map((name) => (
            <button key={name} type="button" aria-pressed={interval.value === name} onClick={() => showInterval(name)}>
              {name}
            </button>
          ))}
        </div>
      </h2>
      <div class="canvas" id="chart" ref={host} />
    </section>
  );
}

export function DepthPanel() {
  const host = useDrawn<HTMLCanvasElement>((canvas, market) => {
    const chart = new DepthChart(canvas, market);
    const end = market.bookChanged.add(() => chart.draw());
    return [chart, { end }, onLook(() => chart.paint())];
  });
  return (
    <section class="panel depth" aria-label="Depth">
      <h2>
        <span>Depth</span>
        <span class="muted">{market.value?.names.base} up to a price</span>
      </h2>
      <div class="canvas">
        <canvas
          id="depth"
          ref={host}
          role="img"
          aria-label="What has gathered on each side up to each price; the order book has the figures"
        />
      </div>
    </section>
  );
}
