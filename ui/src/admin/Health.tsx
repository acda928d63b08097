// What the service says of itself: what `pricetime status` says.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { readHealth } from "../api/admin";
import { wordsOf } from "../api/client";
import type { AdminHealth } from "../api/types";
import { every } from "../lib/every";
import { Fields } from "./Json";

const EVERY_MS = 1000;
const health = signal<AdminHealth | null>(null);
const note = signal("");

async function load() {
  try {
    health.value = await readHealth();
    note.value = "";
  } catch (error) {
    note.value = wordsOf(error);
  }
}

export function Health() {
  useEffect(() => every(EVERY_MS, load), []);
  return (
    <section class="panel" aria-label="Health">
      <h2>
        <span>Health</span>
        <span class="said bad" role="status">
          {note.value}
        </span>
      </h2>
      <div class="scroll padded" id="health" tabIndex={0} role="region" aria-label="What the service says of itself">
        {health.value ? <Fields of={health.value} /> : null}
      </div>
    </section>
  );
}
