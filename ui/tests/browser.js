// Debian's chromium, and pages that are watched: for errors, and for requests to anybody but the service.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESK = { width: 1440, height: 900 };

export function launch(options = []) {
  const program = process.env.CHROMIUM ?? PROGRAMS.find((program) => existsSync(program));
  assert.ok(program, "there is no chromium: run `make prepare`");
  return chromium.launch({ executablePath: program, args: options });
}

/** A page that is opened and watched; `forgiven` are errors that the test makes itself. */
export class Watched {
  static async open(
    browser,
    base,
    path,
    { viewport = DESK, theme = "dark", forgiven = [], before = () => undefined, ...more } = {},
  ) {
    const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: "reduce", ...more });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const watched = new Watched(page, base, forgiven);
    await before(page);
    await page.goto(base + path);
    return watched;
  }

  constructor(page, base, forgiven) {
    Object.assign(this, { page, base, forgiven, errors: [], foreign: [], sockets: [] });
    const note = (text) => this.forgiven.some((known) => known.test(text)) || this.errors.push(text);
    page.on(
      "console",
      (message) => message.type() === "error" && note(`${message.text()} (${message.location().url})`),
    );
    page.on("pageerror", (error) => note(String(error)));
    page.on("request", (request) => this.check(request.url()));
    page.on("websocket", (socket) => {
      this.sockets.push(socket);
      this.check(socket.url().replace("ws:", "http:"));
    });
  }

  check(url) {
    if (!url.startsWith(this.base) && !url.startsWith("data:") && !url.startsWith("blob:")) {
      this.foreign.push(url);
    }
  }

  /** What axe finds against WCAG 2 A and AA, in a line each. */
  async accessibility() {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() =>
      globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }),
    );
    return violations.flatMap(({ id, impact, nodes }) =>
      nodes.map(
        ({ target, any }) => `${impact} ${id}: ${target.join(" ")} ${any.map((check) => check.message).join("; ")}`,
      ),
    );
  }

  /** Closes the page, and holds that nothing was wrong with it. */
  async done() {
    await this.page.context().close();
    assert.deepEqual(this.errors, [], "errors on the page's console");
    assert.deepEqual(this.foreign, [], "requests to other hosts");
  }
}

/** The page says that it is up to date. */
export function live(page) {
  return page.waitForSelector(".connection[data-state=live]");
}
