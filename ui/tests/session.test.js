// Who may see and do what, without DEBUG.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { after, before, test } from "node:test";
import { launch, Watched } from "./browser.js";
import { Service, until } from "./service.js";

const TOKEN = "0123456789abcdef0123456789abcdef";

let browser;
let service;

before(async () => {
  service = await Service.start({ DEBUG: "false", ADMIN_TOKEN: TOKEN, SECRET_KEY: TOKEN.replaceAll("0", "z") });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.end();
});

test("the admin pages ask for the administrator's token", async () => {
  const watched = await Watched.open(browser, service.base, "/admin/", { theme: "light", forgiven: [/40[13]/] });
  const { page } = watched;
  await page.fill("#token", "wrong");
  await page.click("#sign-in");
  await until("it is refused", async () => (await page.textContent(".signin .bad")) !== "");
  assert.deepEqual(await watched.accessibility(), []);
  await page.fill("#token", TOKEN);
  await page.click("#sign-in");
  await page.waitForSelector("#log tbody tr");
  // What changes something carries the session's CSRF token.
  await page.click("nav >> text=Snapshots");
  await page.click("#take-snapshot");
  await page.waitForSelector("#snapshots tbody tr");
  await page.click("text=Settings");
  await page.click("text=Sign out");
  await page.waitForSelector("main #token");
  await watched.done();
});

test("the market page asks for it too, then shows the market and trades", async () => {
  const watched = await Watched.open(browser, service.base, "/", { forgiven: [/40[13]/] });
  const { page } = watched;
  await page.waitForSelector(".connection >> text=not signed in");
  await page.fill("#token", TOKEN);
  await page.click("#sign-in");
  await page.waitForSelector(".connection[data-state=live]");
  await page.selectOption("#symbol", "ETH_USDT");
  await page.fill("#price", "9");
  await page.fill("#quantity", "2");
  // What a program would send says who it is, and is taken.
  const line = await page.textContent("#program");
  const { stdout } = await promisify(execFile)("sh", ["-c", line], { env: { ...process.env, TOKEN } });
  assert.equal(JSON.parse(stdout).status, "ENQUEUED", line);
  await page.click("#place");
  await page.waitForSelector("#own-table tbody tr");
  await page.waitForSelector("#ladder .bids .level:not(.empty)");
  const [before] = watched.sockets;
  await page.click("#cancel-all");
  await page.waitForSelector("#own-table .nothing");
  // Whoever signs out leaves no socket behind that is the administrator's, and nothing of the market on the page.
  await page.click("text=Settings");
  await page.click("text=Sign out");
  await page.keyboard.press("Escape");
  await until("the socket is closed", () => before.isClosed());
  await page.waitForSelector("main #token");
  await page.waitForSelector("#ladder .level:not(.empty)", { state: "detached" });
  await watched.done();
});

test("a session that ended elsewhere is noticed, on either page", async () => {
  const watched = await Watched.open(browser, service.base, "/admin/#health", { forgiven: [/40[13]/] });
  const { page } = watched;
  await page.fill("#token", TOKEN);
  await page.click("#sign-in");
  await page.waitForSelector("#health dd");
  const market = await page.context().newPage();
  await market.goto(service.base);
  await market.waitForSelector(".connection[data-state=live]");
  await page.evaluate(async () => {
    const { csrf } = await (await fetch("/api/session/")).json();
    await fetch("/api/session/", { method: "DELETE", headers: { "X-CSRF-Token": csrf } });
  });
  await page.waitForSelector("main #token");
  await market.waitForSelector("main #token");
  await watched.done();
});

test("a service that does not tell at first who the reader is, is asked again", async () => {
  let refused = 0;
  const before = (page) =>
    page.route("**/api/session/", (route) =>
      refused < 2 ? ((refused += 1), route.fulfill({ status: 503, json: { detail: "not yet" } })) : route.continue(),
    );
  for (const path of ["/", "/admin/"]) {
    refused = 0;
    const watched = await Watched.open(browser, service.base, path, { before, forgiven: [/40[13]|503/] });
    await watched.page.waitForSelector("text=not yet");
    await watched.page.waitForSelector("main #token");
    await watched.done();
  }
});
