// A busy market: 1,000 orders a second, as many seconds as are wanted. The page may take no task of 50 ms and keep no memory.
//
// Tasks are measured in the processor time of the page's thread: what else the machine does meanwhile is no fault of the
// page. With WALL=1, on a quiet machine, by the clock as well.
import assert from "node:assert/strict";
import { live, Watched } from "./browser.js";
import { list, Market } from "./load.js";

const SYMBOL = "BTC_USDT";
const ORDERS_A_SECOND = 1000;
const TICKS_A_SECOND = 20;
const LONG_MS = 50;
/** Drawing anything less often than that means that the page is not live. */
const FRAMES_A_SECOND = 5;

async function heap(session) {
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize / 1e6;
}

/** Sends so many orders at that pace, or as fast as they are taken. */
async function load(market, seconds) {
  const began = Date.now();
  for (let tick = 0; tick < seconds * TICKS_A_SECOND; tick += 1) {
    await market.step(ORDERS_A_SECOND / TICKS_A_SECOND);
    const wait = began + ((tick + 1) * 1000) / TICKS_A_SECOND - Date.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
  }
  return (Date.now() - began) / 1000;
}

/** Records the tasks of the page's main thread; the answer ends it and gives their lengths in ms, longest first. */
async function recordTasks(session) {
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => {
    events.push(...value.filter(({ name }) => name === "RunTask" || name === "thread_name"));
  });
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline"] },
  });
  return async () => {
    const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
    await session.send("Tracing.end");
    await complete;
    const mains = new Set(
      events
        .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
        .map(({ pid, tid }) => `${pid} ${tid}`),
    );
    const tasks = events.filter(({ name, pid, tid }) => name === "RunTask" && mains.has(`${pid} ${tid}`));
    assert.ok(tasks.length > 100, `only ${tasks.length} tasks were recorded`);
    const sorted = (times) => times.map((time) => (time ?? 0) / 1000).sort((a, b) => b - a);
    return { processor: sorted(tasks.map(({ tdur }) => tdur)), wall: sorted(tasks.map(({ dur }) => dur)) };
  };
}

export async function busy(browser, service, seconds, seed) {
  await list(service.base, SYMBOL);
  const market = new Market(service.base, SYMBOL, seed);
  await market.opening(60);
  const before = (page) =>
    page.addInitScript(() => {
      globalThis.frames_drawn = 0;
      const count = () => {
        globalThis.frames_drawn += 1;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
  const watched = await Watched.open(browser, service.base, "/", { before });
  const { page } = watched;
  await live(page);
  const session = await page.context().newCDPSession(page);
  // The buffers fill up first: that is no growth.
  await load(market, Math.max(2, seconds / 4));
  const heapBefore = await heap(session);
  const tasksUntil = await recordTasks(session);
  const framesBefore = await page.evaluate(() => globalThis.frames_drawn);
  const took = await load(market, seconds);
  const frames = (await page.evaluate(() => globalThis.frames_drawn)) - framesBefore;
  const { processor, wall } = await tasksUntil();
  const heapAfter = await heap(session);
  await live(page);
  const found = {
    orders: seconds * ORDERS_A_SECOND,
    seconds: Number(took.toFixed(1)),
    frames,
    longest_processor_ms: Number(processor[0].toFixed(1)),
    longest_wall_ms: Number(wall[0].toFixed(1)),
    heap_before_mb: Number(heapBefore.toFixed(1)),
    heap_after_mb: Number(heapAfter.toFixed(1)),
  };
  console.log(JSON.stringify(found));
  assert.ok(processor[0] < LONG_MS, `a task took ${processor[0]} ms of the processor`);
  if (process.env.WALL === "1") {
    assert.ok(wall[0] < LONG_MS, `a task took ${wall[0]} ms`);
  }
  assert.ok(frames > FRAMES_A_SECOND * took, `only ${frames} frames in ${took} s`);
  assert.ok(heapAfter < heapBefore + 3, `the memory grew from ${heapBefore} to ${heapAfter} MB`);
  await watched.done();
}
