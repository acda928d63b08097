// Swagger UI and ReDoc, as a browser shows them: every operation, and nobody else is asked.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, Watched } from "./browser.js";
import { call } from "./load.js";
import { Service, until } from "./service.js";

let browser;
let service;
let operations;

before(async () => {
  service = await Service.start();
  browser = await launch();
  const { paths } = await call(service.base, "GET", "/api/schema/");
  const methods = ["get", "post", "put", "patch", "delete"];
  operations = Object.values(paths)
    .flatMap((path) => methods.flatMap((method) => path[method]?.operationId ?? []))
    .sort();
  assert.ok(operations.length > 30);
});

after(async () => {
  await browser?.close();
  await service?.end();
});

for (const [name, path, find] of [
  [
    "Swagger UI",
    "/api/docs/",
    () => [...document.querySelectorAll(".opblock")].map((block) => block.id.split("-").at(-1)),
  ],
  [
    "ReDoc",
    "/api/redoc/",
    () =>
      [...document.querySelectorAll("[id]")].flatMap(
        ({ id }) => /^tag\/[^/]+\/operation\/([^/]+)$/.exec(id)?.[1] ?? [],
      ),
  ],
]) {
  test(`${name} renders all operations`, async () => {
    const watched = await Watched.open(browser, service.base, path);
    await until("all operations are there", async () => {
      const found = [...new Set(await watched.page.evaluate(find))].sort();
      assert.deepEqual(found, operations);
      return true;
    });
    await watched.done();
  });
}
