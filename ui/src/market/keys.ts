// Single keys, for whoever trades without a mouse. They can be switched off, and do nothing inside of entries.

import { shortcuts } from "../lib/preferences";
import * as ticket from "../store/ticket";
import { nextStep } from "./BookPanel";
import { settingsOpen } from "./dialogs";

function focus(id: string) {
  document.getElementById(id)?.focus();
}

interface Key {
  key: string;
  does: string;
  act: () => void;
}

export const KEYS: Key[] = [
  { key: "b", does: "buy: to the price", act: () => ((ticket.side.value = "BUY"), focus("price")) },
  { key: "s", does: "sell: to the price", act: () => ((ticket.side.value = "SELL"), focus("price")) },
  { key: "q", does: "to the quantity", act: () => focus("quantity") },
  { key: "m", does: "to the market", act: () => focus("symbol") },
  {
    key: "l",
    does: "to the order book",
    act: () => document.querySelector<HTMLElement>("#ladder [tabindex='0']")?.focus(),
  },
  { key: "o", does: "to the own orders", act: () => focus("own-table") },
  { key: "+", does: "order book: coarser", act: () => nextStep(1) },
  { key: "-", does: "order book: finer", act: () => nextStep(-1) },
  { key: "?", does: "this page", act: () => (settingsOpen.value = true) },
];

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    const at = event.target;
    const typing =
      at instanceof HTMLInputElement || at instanceof HTMLSelectElement || at instanceof HTMLTextAreaElement;
    if (
      shortcuts.peek() === "off" ||
      typing ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      document.querySelector("dialog[open]")
    ) {
      return;
    }
    const key = KEYS.find(({ key }) => key === event.key);
    if (key) {
      event.preventDefault();
      key.act();
    }
  });
}
