// The licences of what the pages are made of, for the file that goes with them.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const ui = resolve(import.meta.dirname, "..");
/** In the order of their weight. ReDoc's stand beside its script. */
const SHIPPED = [
  "lightweight-charts",
  "preact",
  "@preact/signals",
  "@preact/signals-core",
  "@fontsource-variable/inter",
];

const texts = SHIPPED.map((name) => {
  const { version, license } = JSON.parse(readFileSync(`${ui}/node_modules/${name}/package.json`, "utf8"));
  return `${name} ${version} (${license})\n\n${readFileSync(`${ui}/node_modules/${name}/LICENSE`, "utf8").trim()}\n`;
});
writeFileSync(`${ui}/dist/licences.txt`, texts.join(`\n${"-".repeat(78)}\n\n`));
