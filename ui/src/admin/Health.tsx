// What the service says of itself: what `pricetime status` says.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { readHealth, trouble } from "../api/admin";
import { get, Refusal } from "../api/client";
import { Fields } from "./Json";

const EVERY_MS = 1000;
const health = signal<Record<string, unknown>>({});
const note = signal("");

async function load() {
  try {
    health.value = await readHealth().catch((error: unknown) => {
      if (error instanceof Refusal && error.isMissing) {
        return get<Record<string, unknown>>("../readyz");
      }
      throw error;
    });
    note.value = "";
  } catch (error) {
    note.value = trouble(error);
  }
}

export function Health() {
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <section class="panel" aria-label="Health">
      <h2>
        <span>Health</span>
        <span class="said bad" role="status">
          {note.value}
        </span>
      </h2>
      <div class="scroll padded" id="health" tabIndex={0} role="region" aria-label="What the service says of itself">
        <Fields of={health.value} />
      </div>
    </section>
  );
}
