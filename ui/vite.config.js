// Two pages, and the files that they load, named by their content. Addresses are relative: the pages also work behind a
// proxy's prefix.
import { resolve } from "node:path";
import { defineConfig } from "vite";

const here = import.meta.dirname;

export default defineConfig({
  root: here,
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    // The pages' policy takes no data: addresses for scripts, styles or fonts.
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: { market: resolve(here, "index.html"), admin: resolve(here, "admin/index.html") },
    },
  },
});
