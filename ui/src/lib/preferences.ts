// What the reader chose, kept in the browser.

import { effect, signal, type Signal } from "@preact/signals";

type Theme = "system" | "dark" | "light";
type Palette = "green-red" | "blue-orange";

const PREFIX = "pricetime.";

function kept<T extends string>(name: string, otherwise: T, allowed?: readonly T[]): Signal<T> {
  const chosen = signal<T>(otherwise);
  try {
    const found = localStorage.getItem(PREFIX + name) as T | null;
    if (found !== null && (allowed === undefined || allowed.includes(found))) {
      chosen.value = found;
    }
  } catch {
    // A browser may keep nothing; then every visit begins anew.
  }
  effect(() => {
    const value = chosen.value;
    try {
      localStorage.setItem(PREFIX + name, value);
    } catch {
      // As above.
    }
  });
  return chosen;
}

export const theme = kept<Theme>("theme", "system", ["system", "dark", "light"]);
export const palette = kept<Palette>("palette", "green-red", ["green-red", "blue-orange"]);
export const shortcuts = kept<"on" | "off">("shortcuts", "on", ["on", "off"]);
export const account = kept<string>("account", "desk");
export const symbol = kept<string>("symbol", "");
export const interval = kept<string>("interval", "1m");

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = signal(systemDark.matches);
systemDark.addEventListener("change", () => (systemTheme.value = systemDark.matches));

/** Whether the page is dark now. */
function isDark(): boolean {
  return theme.value === "system" ? systemTheme.value : theme.value === "dark";
}

/** Changes with everything that changes colours; whoever paints on a canvas listens. */
export const look = signal("");

effect(() => {
  const root = document.documentElement;
  root.dataset.theme = isDark() ? "dark" : "light";
  root.dataset.palette = palette.value;
  look.value = `${root.dataset.theme} ${palette.value}`;
});
