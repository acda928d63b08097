// What the page computes, without a browser: tables of what goes in and what must come out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { age, compact, figure, timeOfDay } from "../src/lib/format.ts";
import { fixed, grouped, shortest, shownAs, stepped, toUnits } from "../src/lib/decimal.ts";
import { judge } from "../src/feed/cursor.ts";
import { Book } from "../src/store/book.ts";
import { CandleStore } from "../src/store/candles.ts";
import { lastDirection } from "../src/store/direction.ts";
import { rounded, rows, steps } from "../src/store/ladder.ts";
import { OwnOrders, ownFill } from "../src/store/orders.ts";
import { Ring } from "../src/store/ring.ts";
import * as ticket from "../src/store/ticket.ts";
import { expected } from "./ladder.js";
import { random } from "./load.js";

test("decimals are exact, however long", () => {
  for (const [text, decimals, shown, out] of [
    ["100.5", 8, 1, "100.5"],
    ["100.5", 8, 3, "100.500"],
    ["0.00000001", 8, 8, "0.00000001"],
    ["123456789012345678.12345678", 8, 8, "123456789012345678.12345678"],
    ["7", 0, 0, "7"],
    [".5", 2, 2, "0.50"],
    ["1.999", 3, 2, "1.99"],
  ]) {
    assert.equal(fixed(toUnits(text, decimals), decimals, shown), out, text);
  }
  for (const text of ["", ".", "1e5", "-1", "1,5", "abc"]) {
    assert.equal(toUnits(text, 2), null, text);
  }
  assert.equal(grouped("1234567.8912"), "1,234,567.8912");
  assert.equal(shownAs("-1234.5", 2), "-1,234.50");
  assert.equal(shownAs(null, 2), "–");
  assert.deepEqual(["1.500", "100", "0.0"].map(shortest), ["1.5", "100", "0"]);
});

test("figures are short", () => {
  assert.equal(timeOfDay(1_732_880_000_123_456), "11:33:20.123");
  assert.deepEqual([5, 65, 3_700, 90_000].map(age), ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]);
  assert.deepEqual(["1234567", "12.5", "2500000000"].map(compact), ["1.23M", "12.50", "2.50B"]);
  assert.deepEqual([0.5, 12.34, 1234.5].map(figure), ["0.50", "12.3", "1,235"]);
});

test("messages are judged by the rules of the feed", () => {
  for (const [cursor, prev, seq, verdict] of [
    [null, null, 5, "reset"],
    [9, null, 5, "reset"],
    [null, 4, 5, "gap"],
    [5, 6, 7, "gap"],
    [5, 5, 7, "apply"],
    [5, 3, 7, "apply"],
    [5, 3, 5, "drop"],
    [5, 2, 3, "drop"],
  ]) {
    assert.equal(judge(cursor, { prev, seq }), verdict, `${cursor} ${prev} ${seq}`);
  }
});

test("a book of random changes has the levels that were said last, best first", () => {
  const next = random(7);
  const book = new Book({ priceDecimals: 2, quantityDecimals: 3 });
  const said = { bids: new Map(), asks: new Map() };
  for (let count = 0; count < 5_000; count += 1) {
    const side = next() < 0.5 ? "bids" : "asks";
    const price = (100 + Math.floor(next() * 50) / 100).toFixed(2);
    const orders = next() < 0.4 ? 0 : 1 + Math.floor(next() * 3);
    const change = [price, orders === 0 ? "0" : (next() * 10).toFixed(3), orders];
    book.apply({ bids: [], asks: [], [side]: [change] });
    if (orders === 0) {
      said[side].delete(price);
    } else {
      said[side].set(price, change);
    }
  }
  for (const side of ["bids", "asks"]) {
    const way = side === "bids" ? -1 : 1;
    const levels = [...said[side].values()].sort((a, b) => way * (Number(a[0]) - Number(b[0])));
    const found = book[side].levels.map(({ price, quantity, orders }) => [
      fixed(price, 2, 2),
      fixed(quantity, 3, 3),
      orders,
    ]);
    assert.deepEqual(found, levels);
    for (const step of ["0.01", "0.05", "0.1", "1"]) {
      const all = rows(book[side], Number(toUnits(step, 2)), 8);
      const shown = all.map((row) =>
        [fixed(row.price, 2, 2), fixed(row.quantity, 3, 3), fixed(row.total, 3, 3)].join(" "),
      );
      assert.deepEqual(shown, expected(levels, side, step, { price: 2, quantity: 3 }, 8), `${side} by ${step}`);
    }
  }
  assert.deepEqual(book.seen, { priceDecimals: 2, quantityDecimals: 3 });
});

test("prices are rounded away from the other side, and steps begin with the tick", () => {
  assert.deepEqual(
    [rounded("bids", 1234, 100), rounded("asks", 1234, 100), rounded("asks", 1200, 100)],
    [1200, 1300, 1200],
  );
  assert.deepEqual(steps(50, 6_700_000).slice(0, 4), [50, 100, 250, 500]);
});

test("a ring keeps the newest", () => {
  const ring = new Ring(3);
  for (let item = 1; item <= 20; item += 1) {
    ring.push([item]);
  }
  assert.deepEqual([ring.length, ring.at(0), ring.at(2), ring.at(3)], [3, 20, 18, undefined]);
});

test("a price went where the last other price was not", () => {
  for (const [prices, direction] of [
    [[], ""],
    [["5"], ""],
    [["5", "5"], ""],
    [["5", "6"], "up"],
    [["9", "10", "10"], "up"],
    [["10", "9", "9"], "down"],
  ]) {
    const trades = new Ring(9);
    trades.push(prices.map((price) => ({ price })));
    assert.equal(lastDirection(trades), direction, prices.join());
  }
});

test("candles are in order, and only what changed is drawn again", () => {
  const store = new CandleStore();
  const candle = (start, close = "1") => ({ start, close });
  store.merge([candle(10), candle(20), candle(30)]);
  store.changedFrom = store.candles.length;
  store.merge([candle(30, "2"), candle(40)]);
  assert.deepEqual(
    [store.candles.map(({ start }) => start), store.changedFrom, store.candles[2].close],
    [[10, 20, 30, 40], 2, "2"],
  );
  store.merge([candle(5)]);
  assert.deepEqual([store.candles[0].start, store.changedFrom], [5, 0]);
  // Behind a gap: candles of which nobody was told, or that changed.
  store.replaceFrom([candle(30, "3"), candle(60)]);
  store.replaceBefore(30, [candle(10), candle(20, "4"), candle(25), candle(30, "old")]);
  assert.deepEqual(
    store.candles.map(({ start, close }) => [start, close]),
    [
      [10, "1"],
      [20, "4"],
      [25, "1"],
      [30, "3"],
      [60, "1"],
    ],
  );
  store.replaceFrom([]);
  assert.deepEqual(store.candles, []);
  store.merge(Array.from({ length: 5_000 }, (_, index) => candle(100 + index)));
  assert.equal(store.candles.length, 1_500);
});

test("an account's orders open, trade and end", () => {
  const order = (fields) => ({
    order_id: 1,
    symbol: "A_B",
    side: "BUY",
    status: "OPEN",
    price: "5",
    remaining: "2",
    received_at: 1,
    seq: 1,
    ...fields,
  });
  const own = new OwnOrders();
  own.snapshot([order({})]);
  assert.deepEqual(own.at("A_B"), [{ side: "BUY", price: "5" }]);
  own.snapshot([
    order({ order_id: 1, received_at: 3 }),
    order({ order_id: 8, received_at: 1 }),
    order({ order_id: 9 }),
  ]);
  assert.deepEqual(
    own.newestFirst().map(({ order_id: id }) => id),
    [1, 9, 8],
  );
  own.snapshot([order({})]);
  const fill = { trade_id: 3, maker_order_id: 1, taker_order_id: 2, price: "5", quantity: "1" };
  own.update([
    { seq: 2, events: ["Trade"], order: order({ status: "PARTIALLY_FILLED", remaining: "1", seq: 2 }), fills: [fill] },
  ]);
  assert.deepEqual([own.fills[0].role, own.fills[0].order_id, own.open.size], ["maker", 1, 1]);
  own.update([{ seq: 3, events: ["OrderCancelled"], order: order({ status: "CANCELLED", seq: 3 }) }]);
  assert.deepEqual([own.open.size, own.ended.map(({ status }) => status)], [0, ["CANCELLED"]]);
  own.addFills([ownFill(order({}), { ...fill, time: 9 })]);
  own.remember([order({ status: "CANCELLED", seq: 3 }), order({ order_id: 9, status: "FILLED", seq: 2 })]);
  assert.deepEqual([own.fills.length, own.ended.map(({ order_id: id }) => id)], [1, [1, 9]]);
});

test("the ticket sends what its type needs, and writes the same as a program", () => {
  const now = 1_000_000;
  const written = (fields) => {
    Object.entries({
      kind: "LIMIT",
      side: "BUY",
      timeInForce: "GTC",
      price: "",
      trigger: "",
      quantity: "1",
      byQuote: false,
      ...fields,
    }).forEach(([name, value]) => (ticket[name].value = value));
    const { symbol, account, ...rest } = ticket.body("A_B", "desk", now);
    assert.deepEqual([symbol, account], ["A_B", "desk"]);
    return rest;
  };
  assert.deepEqual(written({ price: "5" }), { side: "BUY", price: "5", quantity: "1" });
  assert.deepEqual(written({ price: "5", timeInForce: "GTD" }), {
    side: "BUY",
    price: "5",
    quantity: "1",
    time_in_force: "GTD",
    expire_at: 1060,
  });
  assert.deepEqual(written({ kind: "MARKET", price: "5", byQuote: true }), {
    side: "BUY",
    type: "MARKET",
    quote_quantity: "1",
  });
  assert.deepEqual(written({ kind: "STOP", trigger: "7", price: "5" }), {
    side: "BUY",
    type: "STOP",
    stop_price: "7",
    quantity: "1",
  });
  assert.deepEqual(written({ kind: "TRAILING_STOP", trigger: "7" }), {
    side: "BUY",
    type: "TRAILING_STOP",
    trailing_delta: "7",
    quantity: "1",
  });
  assert.match(ticket.asCurl({ metadata: "it's" }, "http://x/", false), /it'\\''s/);
  const isNamed = (text) => text.includes("Authorization");
  for (const write of [ticket.asCurl, ticket.asPython]) {
    assert.deepEqual(
      [true, false].map((needsToken) => isNamed(write({}, "http://x/", needsToken))),
      [true, false],
    );
  }
  assert.match(
    ticket.asPython({ post_only: true, price: "5" }, "http://x/", false),
    /"post_only": True,\n {4}"price": "5",/,
  );
  assert.deepEqual([stepped("5.5", "0.5", 1, 8), stepped("", "0.5", -1, 8)], ["6", "0"]);
});
