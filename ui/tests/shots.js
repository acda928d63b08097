// Pictures of the demo market and the admin pages, at a desk, on a small screen and on a telephone: the README's into
// docs/images, the others into target/screenshots. With ALL=1 every part of them.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { launch, live } from "./browser.js";
import { call } from "./load.js";
import { Service, until } from "./service.js";

const ROOT = resolve(import.meta.dirname, "../..");
/** The pictures that the README shows; the others are to be looked at. */
const SHOWN = ["market-desk-dark", "market-desk-light"];
const IMAGES = join(ROOT, "docs/images");
const LOOKED_AT = join(ROOT, "target/screenshots");
const SIZES = {
  desk: { width: 1440, height: 900 },
  small: { width: 1024, height: 768 },
  phone: { width: 390, height: 844 },
};
const ACCOUNT = "desk";
/** The demo has traded for a while by then. */
const ROWS = 400;

/** Some orders of the reader's own, so that they are seen. */
async function ownOrders(base, symbol) {
  const { bids, asks } = await call(base, "GET", `/api/symbols/${symbol}/depth/`);
  const place = (fields) => call(base, "POST", "/api/orders/?ack=committed", { symbol, account: ACCOUNT, ...fields });
  for (const [index, side, levels] of [
    [2, "BUY", bids],
    [5, "BUY", bids],
    [3, "SELL", asks],
  ]) {
    await place({ side, price: levels[index][0], quantity: "0.25" });
  }
  await place({ side: "BUY", type: "MARKET", quantity: "0.08" });
  await place({ side: "SELL", type: "STOP", stop_price: bids.at(-1)[0], quantity: "0.1" });
}

async function shot(browser, base, name, path, viewport, theme, act = async () => undefined) {
  const isPhone = viewport.width < 500;
  const context = await browser.newContext({
    viewport,
    colorScheme: theme,
    deviceScaleFactor: isPhone ? 2 : 1,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  await page.goto(base + path);
  await act(page);
  await page.screenshot({ path: join(SHOWN.includes(name) ? IMAGES : LOOKED_AT, `${name}.png`) });
  await context.close();
}

async function ready(page) {
  await live(page);
  await page.waitForSelector("#ladder .bids .level:not(.empty)", { state: "attached" });
  await until("the chart is drawn", () =>
    page.evaluate(() => /^O /.test(document.querySelector(".legend")?.textContent ?? "")),
  );
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

mkdirSync(LOOKED_AT, { recursive: true });
const service = await Service.start({}, ["--demo"]);
const browser = await launch();
try {
  const { seq } = await call(service.base, "GET", "/api/symbols/");
  await until(
    "the demo has traded",
    async () => (await call(service.base, "GET", "/api/symbols/")).seq > seq + ROWS,
    120_000,
  );
  const { symbols } = await call(service.base, "GET", "/api/symbols/");
  const symbol = symbols.find((ticker) => ticker.last_price).symbol;
  await ownOrders(service.base, symbol);
  await call(service.base, "POST", "/api/admin/snapshots/");
  for (const theme of ["dark", "light"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await shot(browser, service.base, `market-${size}-${theme}`, "/", viewport, theme, ready);
      await shot(browser, service.base, `admin-${size}-${theme}`, "/admin/#log", viewport, theme, async (page) => {
        await page.click("#log tbody tr:nth-child(4)");
        await page.click("#book-here");
        await page.waitForSelector("#book-at");
      });
    }
    if (process.env.ALL !== "1") {
      continue;
    }
    for (const view of ["Book", "Trade", "Orders", "Engine", "Tape"]) {
      await shot(
        browser,
        service.base,
        `market-phone-${view.toLowerCase()}-${theme}`,
        "/",
        SIZES.phone,
        theme,
        async (page) => {
          await ready(page);
          await page.click(`.views button:text-is("${view}")`);
          await page.waitForFunction(() => document.querySelector(".page").dataset.view !== "Chart");
        },
      );
    }
    await shot(
      browser,
      service.base,
      `admin-snapshots-${theme}`,
      "/admin/#snapshots",
      SIZES.desk,
      theme,
      async (page) => {
        await page.locator("[data-verify]").first().click();
        await page.waitForSelector("#snapshots .good");
      },
    );
    await shot(browser, service.base, `admin-markets-${theme}`, "/admin/#markets", SIZES.desk, theme, (page) =>
      page.click(`[data-market=${symbol}]`),
    );
    await shot(browser, service.base, `admin-health-${theme}`, "/admin/#health", SIZES.desk, theme, (page) =>
      page.waitForSelector("#health dd"),
    );
  }
} finally {
  await browser.close();
  await service.end();
}
