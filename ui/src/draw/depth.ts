// The depth chart: what has gathered on each side up to each price around the middle.

import { fixed, grouped } from "../lib/decimal";
import type { Level } from "../store/book";
import type { MarketStore } from "../store/market";
import { colours, FONT } from "./colours";
import { watchSize } from "./dom";
import { forget, nextFrame } from "./frame";

/** Levels of a side that are looked at: what is farther out flattens the picture. */
const LEVELS = 250;
const LABELS = 16;

interface Side {
  points: { price: number; total: number; exact: bigint }[];
  colour: string;
  soft: string;
}

export class DepthChart {
  private width = 0;
  private height = 0;
  private pointer: number | null = null;
  private readonly endWatch: () => void;
  private colours = colours();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly market: MarketStore,
  ) {
    canvas.onpointermove = (event) => this.hover(event.offsetX);
    canvas.onpointerleave = () => this.hover(null);
    this.endWatch = watchSize(canvas.parentElement as HTMLElement, (width, height) => {
      [this.width, this.height] = [Math.floor(width), Math.floor(height)];
      canvas.width = this.width * devicePixelRatio;
      canvas.height = this.height * devicePixelRatio;
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${this.height}px`;
      this.draw();
    });
  }

  private readonly drawAgain = () => this.draw();

  end() {
    forget(this.drawAgain);
    this.endWatch();
    this.canvas.width = 0;
  }

  paint() {
    this.colours = colours();
    this.draw();
  }

  private hover(x: number | null) {
    this.pointer = x;
    nextFrame(this.drawAgain);
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { bids, asks } = this.market.book;
    const [bid, ask] = [bids.levels[0], asks.levels[0]];
    if (!context || this.width === 0) {
      return;
    }
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    if (!bid || !ask) {
      return;
    }
    const { up, down, upSoft, downSoft } = this.colours;
    const sides: Side[] = [
      { points: gathered(bids.levels), colour: up, soft: upSoft },
      { points: gathered(asks.levels), colour: down, soft: downSoft },
    ];
    const middle = (bid.price + ask.price) / 2;
    const reach = Math.max(...sides.map((side) => Math.abs((side.points.at(-1)?.price ?? middle) - middle)), 1);
    const most = Math.max(...sides.map((side) => side.points.at(-1)?.total ?? 0));
    const x = (price: number) => (this.width / 2) * (1 + (price - middle) / reach);
    const y = (total: number) => this.height - LABELS - (total / most) * (this.height - LABELS - 8);
    for (const side of sides) {
      this.area(context, side, x, y);
    }
    this.labels(context, middle, reach);
    if (this.pointer !== null) {
      this.readout(context, sides, x, middle + ((this.pointer / this.width) * 2 - 1) * reach);
    }
  }

  private area(
    context: CanvasRenderingContext2D,
    side: Side,
    x: (price: number) => number,
    y: (total: number) => number,
  ) {
    const first = side.points[0];
    const last = side.points.at(-1);
    if (!first || !last) {
      return;
    }
    const floor = this.height - LABELS;
    const edge = x(last.price) < this.width / 2 ? 0 : this.width;
    context.beginPath();
    context.moveTo(x(first.price), floor);
    let total = 0;
    for (const point of side.points) {
      context.lineTo(x(point.price), y(total));
      context.lineTo(x(point.price), y(point.total));
      total = point.total;
    }
    context.lineTo(edge, y(total));
    context.strokeStyle = side.colour;
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(edge, floor);
    context.fillStyle = side.soft;
    context.fill();
  }

  private labels(context: CanvasRenderingContext2D, middle: number, reach: number) {
    const { price_decimals: decimals } = this.market.instrument;
    const digits = this.market.digits.peek().price;
    const text = (price: number) => grouped(fixed(Math.max(0, Math.round(price)), decimals, digits));
    context.font = `11px ${FONT}`;
    context.fillStyle = this.colours.muted;
    const line = this.height - 4;
    for (const [part, align] of [
      [-1, "left"],
      [-0.5, "center"],
      [0, "center"],
      [0.5, "center"],
      [1, "right"],
    ] as const) {
      if (this.width > 420 || part === -1 || part === 0 || part === 1) {
        context.textAlign = align;
        const at = (this.width / 2) * (1 + part) + (part === -1 ? 8 : part === 1 ? -8 : 0);
        context.fillText(text(middle + part * reach), at, line);
      }
    }
  }

  private readout(context: CanvasRenderingContext2D, sides: Side[], x: (price: number) => number, price: number) {
    const [bids, asks] = sides as [Side, Side];
    const isBid = x(price) < this.width / 2;
    const point = (isBid ? bids : asks).points.findLast((point) =>
      isBid ? point.price >= price : point.price <= price,
    );
    context.strokeStyle = this.colours.muted;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.round(x(price)) + 0.5, 0);
    context.lineTo(Math.round(x(price)) + 0.5, this.height - LABELS);
    context.stroke();
    if (point) {
      const { quantity_decimals: decimals, price_decimals: priceDecimals } = this.market.instrument;
      const digits = this.market.digits.peek();
      const words = `${grouped(fixed(point.exact, decimals, digits.quantity))} up to ${grouped(fixed(point.price, priceDecimals, digits.price))}`;
      context.fillStyle = this.colours.text;
      context.textAlign = isBid ? "left" : "right";
      context.fillText(words, x(price) + (isBid ? 6 : -6), 12);
    }
  }
}

function gathered(levels: Level[]): Side["points"] {
  let exact = 0n;
  return levels.slice(0, LEVELS).map((level) => {
    exact += level.quantity;
    return { price: level.price, total: Number(exact), exact };
  });
}
