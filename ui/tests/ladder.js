// What the ladder shows, and what it should: two ways to the same rows that share nothing.
import { call } from "./load.js";
import { until } from "./service.js";

/** The rows of the page: price, size, total; best first. */
export function shown(page) {
  return page.evaluate(() => {
    const rows = (side) =>
      [...document.querySelectorAll(`#ladder .${side} .level:not(.empty)`)].map((row) =>
        ["price", "size", "total"]
          .map((cell) => row.querySelector(`.${cell}`).textContent.replaceAll(",", ""))
          .join(" "),
      );
    const room = document.querySelectorAll("#ladder .bids .level").length;
    return { asks: rows("asks").reverse(), bids: rows("bids"), room };
  });
}

const SCALE = 8;
const units = (text) => {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(SCALE, "0"));
};
const text = (value, digits) => {
  const all = value.toString().padStart(SCALE + 1, "0");
  return digits === 0
    ? all.slice(0, -SCALE)
    : `${all.slice(0, -SCALE)}.${all.slice(-SCALE, -SCALE + digits || undefined)}`;
};

/** The rows of one side of a depth that the service answered, put together by a step. */
export function expected(levels, side, step, digits, count) {
  const by = units(step);
  const sums = new Map();
  for (const [price, quantity] of levels) {
    const at = units(price);
    const row = side === "bids" ? (at / by) * by : ((at + by - 1n) / by) * by;
    sums.set(row, (sums.get(row) ?? 0n) + units(quantity));
  }
  let total = 0n;
  return [...sums].slice(0, count).map(([price, quantity]) => {
    total += quantity;
    return `${text(price, digits.price)} ${text(quantity, digits.quantity)} ${text(total, digits.quantity)}`;
  });
}

/** What differs between the page and the service; empty: nothing. */
export async function differences(page, base, symbol, step, digits) {
  const depth = await call(base, "GET", `/api/symbols/${symbol}/depth/?limit=5000`);
  const found = await shown(page);
  const wrong = [];
  for (const side of ["asks", "bids"]) {
    const right = expected(depth[side], side, step, digits, found.room);
    if (found[side].length !== right.length) {
      wrong.push(`${side}: ${found[side].length} rows should be ${right.length}`);
    }
    right.forEach(
      (row, index) => row === found[side][index] || wrong.push(`${side}: ${found[side][index]} should be ${row}`),
    );
  }
  return wrong;
}

/** Waits until the page shows the book that the service has. */
export function untilEqual(page, base, symbol, step, digits) {
  return until("the ladder equals the depth", async () => {
    const wrong = await differences(page, base, symbol, step, digits);
    if (wrong.length > 0) {
      throw new Error(wrong.slice(0, 3).join("; "));
    }
    return true;
  });
}
