// How pictures that draw themselves live in components.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";
import { look } from "../lib/preferences";
import { market } from "../store/page";
import type { MarketStore } from "../store/market";

interface Drawn {
  end(): void;
}

/** Makes a picture of the current market in the element, anew for each market; `make` says when it ends. */
export function useDrawn<E extends HTMLElement>(
  make: (host: E, market: MarketStore) => Drawn | Drawn[],
): RefObject<E | null> {
  const host = useRef<E>(null);
  useEffect(
    () =>
      effect(() => {
        const now = market.value;
        const element = host.current;
        if (!now || !element) {
          return undefined;
        }
        const made = [make(element, now)].flat();
        return () => {
          made.forEach((drawn) => drawn.end());
          element.replaceChildren();
        };
      }),
    [],
  );
  return host;
}

/** Calls back whenever the page's colours have changed. */
export function onLook(paint: () => void): Drawn {
  return {
    end: effect(() => {
      if (look.value !== "") {
        paint();
      }
    }),
  };
}

/** Calls back whenever the digits of the market's figures have changed. */
export function onDigits(market: MarketStore, draw: () => void): Drawn {
  return {
    end: effect(() => {
      if (market.digits.value.price >= 0) {
        draw();
      }
    }),
  };
}

/** The height of a row, which the style sheet decides. */
export function rowHeight(): number {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 20;
}
