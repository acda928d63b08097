// The market page in a real browser, on a real service.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, live, Watched } from "./browser.js";
import { differences, shown, untilEqual } from "./ladder.js";
import { call, list, Market } from "./load.js";
import { Service, until } from "./service.js";

const SYMBOL = "BTC_USDT";
const STEP = "0.5";
const DIGITS = { price: 1, quantity: 3 };
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let browser;
let service;
let market;

before(async () => {
  console.log(`SEED=${SEED}`);
  service = await Service.start();
  browser = await launch();
  await list(service.base, SYMBOL, STEP);
  market = new Market(service.base, SYMBOL, SEED);
  await market.opening(40);
});

after(async () => {
  await browser?.close();
  await service?.end();
});

const open = (options) => Watched.open(browser, service.base, "/", options);
const equal = (page) => untilEqual(page, service.base, SYMBOL, STEP, DIGITS);
const order = (fields) => call(service.base, "POST", "/api/orders/?ack=committed", { symbol: SYMBOL, ...fields });

test("the ladder equals the depth after 500 random orders, however it is put together", async () => {
  const watched = await open();
  const { page } = watched;
  await live(page);
  for (let count = 0; count < 500; count += 25) {
    await market.step(25);
  }
  await equal(page);
  assert.ok((await shown(page)).bids.length >= 10, "few rows: that shows little");
  for (const step of ["5", "50"]) {
    await page.selectOption("#grouping", { label: step });
    await untilEqual(page, service.base, SYMBOL, step, DIGITS);
  }
  await watched.done();
});

test("a page that shows something else is found out", async () => {
  const before = (page) =>
    page.routeWebSocket(/\/api\/ws\//, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const told = JSON.parse(message);
        if (told.channel === `book:${SYMBOL}` && told.type === "snapshot") {
          told.data.bids[0][1] = "123.456";
        }
        socket.send(JSON.stringify(told));
      });
    });
  const { page } = await open({ before });
  await live(page);
  await page.waitForSelector("#ladder .bids .level:not(.empty)");
  const wrong = await differences(page, service.base, SYMBOL, STEP, DIGITS);
  assert.match(wrong.join("; "), /123\.456/);
  await page.context().close();
});

test("a message that is missing is noticed, and the book is right again", async () => {
  let dropped = 0;
  const before = (page) =>
    page.routeWebSocket(/\/api\/ws\//, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const isUpdate = message.includes(`"channel":"book:${SYMBOL}","type":"update"`);
        if (isUpdate && dropped === 0) {
          dropped += 1;
        } else {
          socket.send(message);
        }
      });
    });
  const watched = await open({ before });
  await live(watched.page);
  await market.step(10);
  await until("a message was dropped", () => dropped === 1);
  for (let count = 0; count < 5; count += 1) {
    await market.step(10);
  }
  await equal(watched.page);
  await live(watched.page);
  await watched.done();
});

test("a socket that is closing is not written to", async () => {
  const before = (page) =>
    page.addInitScript(() => {
      globalThis.WebSocket = class extends WebSocket {
        constructor(url) {
          super(url);
          globalThis.newest = this;
        }
      };
    });
  const watched = await open({ before });
  const { page } = watched;
  await live(page);
  // The page hears of the end only after what it does until then.
  await page.evaluate(() => {
    globalThis.newest.close();
    const symbol = document.querySelector("#symbol");
    symbol.value = "ETH_USDT";
    symbol.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await page.waitForFunction(() => globalThis.newest.readyState === WebSocket.OPEN);
  await live(page);
  await watched.done();
});

test("an order that is placed on the page appears and is cancelled there", async () => {
  const watched = await open();
  const { page } = watched;
  await live(page);
  await page.fill("#account", "tester");
  await page.press("#account", "Enter");
  // The farthest bid of the ladder: nobody trades with it.
  await page.locator("#ladder .bids .level:not(.empty)").last().click();
  const price = await page.inputValue("#price");
  assert.ok(Number(price) > 0, "the click took no price over");
  await page.click("#side-buy");
  await page.fill("#quantity", "0.25");
  assert.match(await page.textContent("#program"), /"quantity":"0.25"/);
  await page.click("#place");
  const row = page.locator("#own-table tbody tr");
  await row.first().waitFor();
  const id = await row.first().getAttribute("data-order");
  const found = await call(service.base, "GET", `/api/orders/${id}/`);
  assert.deepEqual([found.order.status, found.order.account, found.order.quantity], ["OPEN", "tester", "0.25"]);
  await page.waitForSelector("#ladder .bids .level.own");

  await page.click(`button[aria-label="Why? Order ${id}"]`);
  await page.waitForSelector("dialog[open] .life li");
  await page.keyboard.press("Escape");

  await page.click(`[data-cancel="${id}"]`);
  await row.first().waitFor({ state: "detached" });
  assert.equal((await call(service.base, "GET", `/api/orders/${id}/`)).order.status, "CANCELLED");
  await page.click("#tab-history");
  await page.waitForSelector(`#own-table tr[data-order="${id}"]`);
  await watched.done();
});

test("the account that is being typed stays while the orders of another change", async () => {
  const watched = await open();
  const { page } = watched;
  await live(page);
  await page.fill("#account", "another");
  const { order_id: id } = await order({ side: "BUY", price: "1000", quantity: "1", account: "desk" });
  await page.waitForSelector(`#own-table tr[data-order="${id}"]`);
  assert.equal(await page.inputValue("#account"), "another");
  await page.press("#account", "Enter");
  await page.waitForSelector(`#own-table tr[data-order="${id}"]`, { state: "detached" });
  await page.fill("#account", "an!other");
  await page.press("#account", "Enter");
  assert.equal(await page.inputValue("#account"), "another");
  await call(service.base, "POST", `/api/orders/${id}/cancel/`, {});
  await watched.done();
});

test("an answer that comes too late changes nothing: of a market, and of an account's past", async () => {
  const { order_id: id } = await order({ side: "BUY", price: "1000", quantity: "1", account: "slow" });
  await call(service.base, "POST", `/api/orders/${id}/cancel/`, {});
  const watched = await open();
  const { page } = watched;
  await live(page);
  await page.waitForSelector("#symbol option[value=ETH_USDT]", { state: "attached" });
  let pass = () => {};
  const held = new Promise((resolve) => (pass = resolve));
  const slow = (url) => url.pathname === "/api/symbols/ETH_USDT/" || url.searchParams.get("account") === "slow";
  await page.route(slow, (route) => held.then(() => route.continue()));
  const answered = [page.waitForResponse((response) => slow(new URL(response.url())))];
  await page.selectOption("#symbol", "ETH_USDT");
  await page.selectOption("#symbol", SYMBOL);
  await page.click("#tab-history");
  const asked = page.waitForRequest((request) => slow(new URL(request.url())));
  await page.fill("#account", "slow");
  await page.press("#account", "Enter");
  await asked;
  answered.push(page.waitForResponse((response) => new URL(response.url()).searchParams.get("account") === "slow"));
  await page.fill("#account", "empty");
  await page.press("#account", "Enter");
  pass();
  for (const answer of answered) {
    await (await answer).finished();
  }
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await equal(page);
  assert.equal(await page.inputValue("#symbol"), SYMBOL);
  assert.equal(await page.locator("#own-table tbody tr").count(), 0);
  await watched.done();
});

test("the ticket places every type of order, by the keyboard alone", async () => {
  const watched = await open();
  const { page } = watched;
  await live(page);
  const types = [
    ["LIMIT", { price: "1000", quantity: "0.1" }, /OPEN/],
    ["MARKET", { quantity: "0.001" }, /FILLED/],
    ["STOP", { trigger: "500000", quantity: "0.1" }, /UNTRIGGERED/],
    ["STOP_LIMIT", { trigger: "500000", price: "1000", quantity: "0.1" }, /UNTRIGGERED/],
    ["TAKE_PROFIT", { trigger: "1000", quantity: "0.1" }, /UNTRIGGERED/],
    ["TAKE_PROFIT_LIMIT", { trigger: "1000", price: "900", quantity: "0.1" }, /UNTRIGGERED/],
    ["TRAILING_STOP", { trigger: "5000", quantity: "0.1" }, /UNTRIGGERED/],
  ];
  for (const [type, fields, outcome] of types) {
    await page.keyboard.press("Escape");
    await page.locator("h1").evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("b");
    await page.selectOption("#type", type);
    for (const [field, value] of Object.entries(fields)) {
      await page.fill(`#${field}`, value);
    }
    await page.press("#quantity", "Enter");
    await until(`${type} is answered`, async () => outcome.test(await page.textContent("#result")));
  }
  // The time of a fill is the tape's, whichever of the two comes first.
  await page.click("#tab-fills");
  await until("the fill has its time", async () =>
    /\d\d:\d\d:\d\d\.\d{3}/.test(await page.textContent("#own-table tbody tr")),
  );
  await page.click("#tab-open");
  await page.selectOption("#type", "LIMIT");
  await page.fill("#price", "1000.3");
  await page.press("#quantity", "Enter");
  await page.waitForSelector("#price[aria-invalid=true]");
  await page.press("#price", "ArrowUp");
  assert.equal(await page.inputValue("#price"), "1000.8");
  await page.click("#cancel-all");
  await page.waitForSelector("#own-table .nothing");
  // The refusal is an error of the console, by the browser's own rule.
  watched.errors = watched.errors.filter((error) => !error.includes("400"));
  await watched.done();
});

test("a service that is killed shows stale, and one that is restarted resyncs by itself", async () => {
  const watched = await open({
    forgiven: [/WebSocket connection/, /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/, /503/],
  });
  const { page } = watched;
  await live(page);
  await service.kill();
  await page.waitForSelector(".connection[data-state=stale]");
  await until("the age of what is shown grows", async () =>
    /for [1-9]\d* s/.test(await page.textContent(".connection")),
  );
  await service.run();
  await live(page);
  await market.step(50);
  await equal(page);
  await watched.done();
});

// Figures stand on the right: a longer one begins farther left, which counts as a little.
test("nothing moves when figures change, and the digits are the tick's", async () => {
  const before = (page) =>
    page.addInitScript(() => {
      globalThis.shift = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          globalThis.shift += entry.value;
          globalThis.moved = entry.sources.map(({ node }) => node?.parentElement?.className || node?.nodeName);
        }
      }).observe({ type: "layout-shift", buffered: true });
    });
  const watched = await open({ before });
  const { page } = watched;
  await live(page);
  await equal(page);
  await page.evaluate(() => (globalThis.shift = 0));
  for (let count = 0; count < 10; count += 1) {
    await market.step(20);
  }
  await equal(page);
  const { bids } = await shown(page);
  assert.ok(
    bids.every((row) => /^\d+\.\d \d+\.\d{3} \d+\.\d{3}$/.test(row)),
    bids[0],
  );
  const { shift, moved } = await page.evaluate(() => ({ shift: globalThis.shift, moved: globalThis.moved }));
  assert.ok(shift < 0.01, `the layout shifted by ${shift}: ${moved}`);
  await watched.done();
});

const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

test("axe finds nothing, dark and light, in either palette", async () => {
  await order({ side: "BUY", price: "1000", quantity: "1", account: "desk" });
  for (const theme of ["dark", "light"]) {
    const watched = await open({ theme, viewport: DESK });
    const { page } = watched;
    await live(page);
    assert.deepEqual(await watched.accessibility(), [], theme);
    await page.click("text=Settings");
    await page.selectOption("#palette", "blue-orange");
    assert.deepEqual(await watched.accessibility(), [], `${theme}, settings`);
    await page.keyboard.press("Escape");
    assert.deepEqual(await watched.accessibility(), [], `${theme}, blue and orange`);
    await watched.done();
  }
});

test("every part fits a telephone, and axe finds nothing there", async () => {
  for (const [theme, views] of [
    ["dark", ["Chart", "Book", "Trade", "Tape", "Orders", "Engine"]],
    ["light", ["Book", "Trade"]],
  ]) {
    const watched = await open({ theme, viewport: PHONE });
    const { page } = watched;
    await live(page);
    for (const view of views) {
      await page.click(`.views >> text=${view}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= PHONE.width, `${view} is ${width} wide`);
      assert.deepEqual(await watched.accessibility(), [], `${theme} ${view}`);
    }
    await watched.done();
  }
});
