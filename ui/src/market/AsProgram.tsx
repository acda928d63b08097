// The order of the ticket as a shell or a program would send it.

import { signal } from "@preact/signals";
import { needsToken } from "../api/session";
import { asCurl, asPython } from "../store/ticket";

const language = signal<"curl" | "Python">("curl");
const copied = signal(false);

export function AsProgram({ order, url }: { order: Record<string, unknown>; url: string }) {
  const text = (language.value === "curl" ? asCurl : asPython)(order, url, needsToken.value);
  return (
    <div class="program">
      <div class="segments" role="group" aria-label="As a program">
        <span class="muted">as</span>
        {(["curl", "Python"] as const).map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={language.value === name}
            onClick={() => (language.value = name)}
          >
            {name}
          </button>
        ))}
        <span class="grow" />
        <button
          type="button"
          onClick={() => {
            void navigator.clipboard?.writeText(text).then(() => {
              copied.value = true;
              setTimeout(() => (copied.value = false), 1500);
            });
          }}
        >
          {copied.value ? "Copied" : "Copy"}
        </button>
      </div>
      <pre id="program" tabIndex={0} aria-label={`The order as ${language.value}`}>
        {text}
      </pre>
    </div>
  );
}
