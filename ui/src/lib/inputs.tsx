// Entries of forms: a decimal that the arrow keys step, and a choice.

import type { Signal } from "@preact/signals";
import { stepped } from "./decimal";

interface EntryProps {
  id: string;
  label: string;
  unit: string;
  of: Signal<string>;
  step?: string;
  decimals?: number;
  disabled?: boolean;
  empty?: string;
  wrong?: boolean;
  text?: boolean;
}

/** Steps that the arrow keys make with Shift. */
const MANY = 10;

export function Entry({
  id,
  label,
  unit,
  of,
  step = "1",
  decimals = 0,
  disabled = false,
  empty = "",
  wrong = false,
  text = false,
}: EntryProps) {
  return (
    <label class="entry">
      <span>{label}</span>
      <span class={wrong ? "box wrong" : "box"}>
        <input
          id={id}
          inputMode={text ? "text" : "decimal"}
          autocomplete="off"
          spellcheck={false}
          value={disabled ? "" : of.value}
          placeholder={empty}
          disabled={disabled}
          aria-invalid={wrong}
          onInput={(event) =>
            (of.value = text ? event.currentTarget.value : event.currentTarget.value.replaceAll(",", ""))
          }
          onKeyDown={(event) => {
            const way = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
            if (way !== 0 && !text) {
              event.preventDefault();
              of.value = stepped(of.value, step, way * (event.shiftKey ? MANY : 1), decimals);
            }
          }}
        />
        {unit ? <i>{unit}</i> : null}
      </span>
    </label>
  );
}

interface ChoiceProps<T extends string> {
  id: string;
  label: string;
  of: Signal<T>;
  from: readonly T[];
  disabled?: boolean;
}

export function Choice<T extends string>({ id, label, of, from, disabled = false }: ChoiceProps<T>) {
  return (
    <label class="entry">
      <span>{label}</span>
      <select
        id={id}
        value={of.value}
        disabled={disabled}
        onChange={(event) => (of.value = event.currentTarget.value as T)}
      >
        {from.map((value) => (
          <option key={value} value={value}>
            {words(value)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** TAKE_PROFIT_LIMIT is Take profit limit; short ones are names. */
export function words(value: string): string {
  return value.length <= 3 ? value : value[0] + value.slice(1).toLowerCase().replaceAll("_", " ");
}
