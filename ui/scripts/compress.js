// Compresses what the build made, once and as well as can be, and holds the pages to their size.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = resolve(import.meta.dirname, "../dist");
const TEXTS = /\.(html|js|css|svg|txt)$/;
const MADE = /\.(br|gz)$/;
/** All that the pages load, compressed; ReDoc is not theirs. */
const MOST_BYTES = 200_000;

let bytes = 0;
for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, name);
  if (MADE.test(name)) {
    rmSync(file);
  }
  if (!TEXTS.test(name)) {
    bytes += name.endsWith(".woff2") ? readFileSync(file).length : 0;
    continue;
  }
  const text = readFileSync(file);
  const brotli = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } });
  writeFileSync(`${file}.br`, brotli);
  writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
  bytes += name.startsWith("redoc.") || name === "licences.txt" ? 0 : brotli.length;
}
console.log(`ui: the pages are ${bytes} bytes, compressed, of at most ${MOST_BYTES}`);
if (bytes > MOST_BYTES) {
  process.exit(1);
}
