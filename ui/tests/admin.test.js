// The admin pages in a real browser, on a real service.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Watched } from "./browser.js";
import { call, list, Market } from "./load.js";
import { Service, until } from "./service.js";

const SYMBOL = "BTC_USDT";

let browser;
let service;

before(async () => {
  service = await Service.start();
  browser = await launch();
  await list(service.base, SYMBOL);
  const market = new Market(service.base, SYMBOL, 3);
  await market.opening(20);
  for (let count = 0; count < 5; count += 1) {
    await market.step(60);
  }
});

after(async () => {
  await browser?.close();
  await service?.end();
});

const open = (hash, options) => Watched.open(browser, service.base, `/admin/#${hash}`, options);
const order = (fields) => call(service.base, "POST", "/api/orders/?ack=committed", { symbol: SYMBOL, ...fields });

test("the log lists, follows, filters and exports", async () => {
  const watched = await open("log");
  const { page } = watched;
  await page.waitForSelector("#log tbody tr");
  const { seq, order_id: id } = await order({ side: "BUY", price: "1000", quantity: "1", account: "seen" });
  await page.waitForSelector(`#log tr[data-seq="${seq}"]`);
  // The log is drawn again with each new row: what is typed meanwhile stays.
  await page.selectOption("#kind", "NewOrder");
  await page.fill("#order_id", String(id));
  await page.fill("#from_time", "2020-01-01T00:00:00");
  const { seq: next } = await order({ side: "BUY", price: "1000", quantity: "1", account: "seen" });
  await page.waitForSelector(`#log tr[data-seq="${next}"]`);
  assert.equal(await page.inputValue("#kind"), "NewOrder");
  assert.equal(await page.inputValue("#order_id"), String(id));
  assert.equal(await page.inputValue("#from_time"), "2020-01-01T00:00");
  await page.press("#order_id", "Enter");
  await until("only that order's rows are left", async () => (await page.locator("#log tbody tr").count()) === 1);
  await page.selectOption("#kind", "CancelOrder");
  await page.click("#filter");
  await page.waitForSelector("text=No row of the log is like that.");
  await page.click("text=Clear");
  await until("the fields are empty", async () => (await page.inputValue("#order_id")) === "");
  assert.equal(await page.inputValue("#kind"), "");
  await page.fill("#symbol", "typed");
  await page.click("text=Clear");
  assert.equal(await page.inputValue("#symbol"), "", "what was typed and is no filter yet is cleared too");
  await page.selectOption("#kind", "NewOrder");
  await page.fill("#symbol", SYMBOL);
  await page.fill("#to_seq", String(seq - 1));
  await page.fill("#from_time", "2020-01-01T00:00:00");
  await page.click("#filter");
  await until("the filter holds", async () => (await page.textContent("#log tbody tr")).startsWith(String(seq - 1)));
  const before = await page.locator("#log tbody tr").count();
  if (await page.isVisible("#older")) {
    await page.click("#older");
    await until("older rows have come", async () => (await page.locator("#log tbody tr").count()) > before);
  }
  const answer = await fetch(await page.getAttribute("#jsonl", "href"));
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.ok(lines.length > 50 && lines.every((row) => row.kind === "NewOrder" && row.seq < seq));
  await watched.done();
});

test("what is asked for again and again is asked for again when it was answered, and not while nobody looks", async () => {
  for (const [hash, path] of [
    ["log", "/api/admin/log/"],
    ["health", "/api/admin/health/"],
  ]) {
    let [open, asked, most] = [0, 0, 0];
    let pass = () => {};
    const held = new Promise((resolve) => (pass = resolve));
    const before = async (page) => {
      await page.clock.install();
      await page.route(
        (url) => url.pathname === path,
        async (route) => {
          [open, asked] = [open + 1, asked + 1];
          most = Math.max(most, open);
          await held;
          open -= 1;
          await route.continue();
        },
      );
    };
    const watched = await Watched.open(browser, service.base, `/admin/#${hash}`, { before });
    const { page } = watched;
    await until("it is asked for", () => asked > 0);
    await page.clock.runFor(10_000);
    assert.deepEqual([asked, most], [1, 1], `${hash}, while nobody answers`);
    pass();
    await until("it is asked for again", async () => (await page.clock.runFor(1_500), asked > 2));
    assert.equal(most, 1, hash);
    await page.evaluate(() => Object.defineProperty(document, "hidden", { value: true, configurable: true }));
    await page.clock.runFor(3_000);
    await until("the last one is answered", () => open === 0);
    await page.clock.runFor(3_000);
    const then = asked;
    await page.clock.runFor(10_000);
    assert.equal(asked, then, `${hash}, while nobody looks`);
    await page.evaluate(() => {
      delete document.hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await until("it is asked for at once", () => asked > then);
    await watched.done();
  }
});

test("a row opens its command, its events, what it wrote, and the book as it was", async () => {
  const { seq } = await order({ side: "BUY", price: "1001", quantity: "2", account: "seen" });
  const then = await call(service.base, "GET", `/api/symbols/${SYMBOL}/depth/?limit=5000`);
  await order({ side: "BUY", price: "1002", quantity: "3" });
  const watched = await open(`log?row=${seq}`);
  const { page } = watched;
  await page.waitForSelector("#detail pre");
  assert.match(await page.textContent("[aria-label=Command]"), /"price": "1001"/);
  assert.match(await page.textContent("[aria-label=Events]"), /OrderAccepted/);
  assert.match(await page.textContent("#redis"), /book:BTC_USDT:bids/);
  await page.click("#book-here");
  await page.waitForSelector("#book-at tbody tr");
  const found = await page.evaluate(() =>
    [...document.querySelectorAll("#book-at table:first-child tbody tr")].map((row) =>
      [...row.cells].map((cell) => cell.textContent).join(" "),
    ),
  );
  assert.deepEqual(
    found,
    then.bids.map((level) => level.join(" ")),
  );
  assert.deepEqual(await watched.accessibility(), []);
  await watched.done();
});

test("a snapshot is taken, verified and compared", async () => {
  const watched = await open("snapshots");
  const { page } = watched;
  await page.click("#take-snapshot");
  await page.waitForSelector("#snapshots tbody tr");
  await order({ side: "BUY", price: "1003", quantity: "4" });
  await page.click("#take-snapshot");
  await until("there are two", async () => (await page.locator("#snapshots tbody tr").count()) === 2);
  await page.locator("[data-verify]").first().click();
  await page.waitForSelector("#snapshots .good");
  const finding = "row 7 does not follow";
  await page.route("**/verify/", async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, ok: false, finding, replayed_hash: null } });
  });
  await page.locator("[data-verify]").last().click();
  await page.waitForSelector(`#snapshots .bad >> text=${finding}`);
  await page.click("#compare");
  await page.waitForSelector("#differences >> text=BTC_USDT");
  assert.deepEqual(await watched.accessibility(), []);
  await watched.done();
});

test("markets change their phase and rules, accounts are blocked, and health is told", async () => {
  const watched = await open("markets");
  const { page } = watched;
  await page.click(`[data-market=${SYMBOL}]`);
  await page.click(".phases >> text=Auction");
  await page.waitForSelector("text=BTC_USDT is AUCTION.");
  assert.equal((await call(service.base, "GET", `/api/symbols/${SYMBOL}/`)).phase, "AUCTION");
  // The market is read again behind each change: what is typed meanwhile stays.
  const path = `/api/symbols/${SYMBOL}/`;
  let pass = () => {};
  const held = new Promise((resolve) => (pass = resolve));
  await page.route(`**${path}`, (route) => held.then(() => route.continue()));
  const again = page.waitForResponse((response) => new URL(response.url()).pathname === path);
  await page.click(".phases >> text=Continuous");
  await page.waitForSelector("text=BTC_USDT is CONTINUOUS.");
  await page.fill("[name=min_notional]", "7");
  pass();
  await (await again).finished();
  await page.waitForSelector(".phases [aria-pressed=true] >> text=Continuous");
  await page.unroute(`**${path}`);
  await page.click("text=Set the rules");
  await page.waitForSelector("text=The rules of BTC_USDT are set.");
  assert.equal((await call(service.base, "GET", `/api/symbols/${SYMBOL}/`)).min_notional, "7");
  assert.deepEqual(await watched.accessibility(), []);

  await page.click("nav >> text=Accounts");
  await page.fill("#account-name", "seen");
  await page.click("#block");
  await page.waitForSelector("#accounts .bad");
  await page.click("#unblock");
  await page.waitForSelector("#accounts .bad", { state: "detached" });
  assert.deepEqual(await watched.accessibility(), []);

  await page.click("nav >> text=Health");
  await page.waitForSelector("#health >> text=embedded");
  assert.deepEqual(await watched.accessibility(), []);
  await watched.done();
});
