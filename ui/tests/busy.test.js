import { after, before, test } from "node:test";
import { launch } from "./browser.js";
import { busy } from "./busy.js";
import { Service } from "./service.js";

const SECONDS = Number(process.env.BUSY_SECONDS ?? 10);
const SEED = Number(process.env.SEED ?? 1);

let browser;
let service;

before(async () => {
  service = await Service.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.end();
});

test(`1,000 orders a second for ${SECONDS} s: no task over 50 ms, and no memory is kept`, () =>
  busy(browser, service, SECONDS, SEED));
