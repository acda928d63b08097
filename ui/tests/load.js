// A market of its own making, through the public API: a maker around a price that walks, and takers. The same seed gives
// the same orders.

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export async function call(base, method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(`${base}${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  }
  return text === "" ? undefined : JSON.parse(text);
}

/** Lists a market with a tick of 0.5 and a lot of 0.001. */
export function list(base, symbol, tick = "0.5") {
  return call(base, "PUT", `/api/symbols/${symbol}/`, { tick, lot: "0.001" });
}

export class Market {
  constructor(base, symbol, seed, { price = 67_000, tick = 0.5, account = "maker" } = {}) {
    Object.assign(this, { base, symbol, tick, account, middle: price, random: random(seed), placed: [] });
  }

  quantity(most) {
    return (Math.ceil(this.random() ** 2 * most * 1000) / 1000).toFixed(3);
  }

  price(away) {
    return (Math.round((this.middle + away) / this.tick) * this.tick).toFixed(2);
  }

  order(side, away, most, fields = {}) {
    return {
      op: "place",
      symbol: this.symbol,
      side,
      price: this.price(away),
      quantity: this.quantity(most),
      account: this.account,
      ...fields,
    };
  }

  /** Orders on both sides, the deeper the larger. */
  opening(levels) {
    const items = [];
    for (let level = 1; level <= levels; level += 1) {
      for (const side of ["BUY", "SELL"]) {
        const away = (side === "BUY" ? -1 : 1) * level * this.tick * (1 + Math.floor(this.random() * 1.4));
        items.push(this.order(side, away, 0.4 + level * 0.05));
      }
    }
    return this.batch(items);
  }

  /** `count` commands: some rest, some take, some cancels. */
  step(count) {
    const items = [];
    for (let index = 0; index < count; index += 1) {
      this.middle += (this.random() - 0.5) * this.tick * 2;
      const what = this.random();
      const side = this.random() < 0.5 ? "BUY" : "SELL";
      const out = side === "BUY" ? -1 : 1;
      if (what < 0.55) {
        items.push(this.order(side, out * this.tick * (1 + Math.floor(this.random() ** 2 * 60)), 1.5));
      } else if (what < 0.75 || this.placed.length < 50) {
        items.push(this.order(side, -out * this.tick * 4, 0.6, { time_in_force: "IOC", account: "taker" }));
      } else {
        const at = Math.floor(this.random() * this.placed.length);
        items.push({ op: "cancel", order_id: this.placed.splice(at, 1)[0] });
      }
    }
    return this.batch(items);
  }

  async batch(items) {
    for (let first = 0; first < items.length; first += 500) {
      const { results } = await call(this.base, "POST", "/api/orders/batch/?ack=committed", {
        items: items.slice(first, first + 500),
      });
      this.placed.push(...results.filter((result) => result.status === "OPEN").map((result) => result.order_id));
    }
  }
}
