// Decimals as integers of a scale: nothing that the service says passes through floating point on its way to the screen.

/** Digits after the point. */
export function decimalsOf(text: string): number {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

/** A decimal in units of 10^-decimals. What is finer is cut off; null if it is no decimal. */
export function toUnits(text: string, decimals: number): bigint | null {
  const parts = /^(\d*)(?:\.(\d*))?$/.exec(text.trim());
  if (!parts || (!parts[1] && !parts[2])) {
    return null;
  }
  const fraction = (parts[2] ?? "").slice(0, decimals).padEnd(decimals, "0");
  return BigInt((parts[1] ?? "") + fraction || "0");
}

/** The same for a price, which the service keeps below 2^53 units. */
export function priceUnits(text: string, decimals: number): number {
  return Number(toUnits(text, decimals) ?? 0n);
}

/** Units of 10^-decimals as a text with `shown` digits after the point; what is finer is cut off. */
export function fixed(units: bigint | number, decimals: number, shown: number): string {
  let value = BigInt(units);
  const sign = value < 0n ? "-" : "";
  value = value < 0n ? -value : value;
  value = shown < decimals ? value / 10n ** BigInt(decimals - shown) : value * 10n ** BigInt(shown - decimals);
  if (shown === 0) {
    return sign + value.toString();
  }
  const digits = value.toString().padStart(shown + 1, "0");
  return `${sign}${digits.slice(0, -shown)}.${digits.slice(-shown)}`;
}

/** With a thin mark between thousands. */
export function grouped(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const marked = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction === undefined ? marked : `${marked}.${fraction}`;
}

/** A decimal text with exactly `shown` digits after the point, and marks between thousands. */
export function shownAs(text: string | null | undefined, shown: number): string {
  if (text === null || text === undefined) {
    return "–";
  }
  const negative = text.startsWith("-");
  const units = toUnits(negative ? text.slice(1) : text, shown);
  return units === null ? text : (negative ? "-" : "") + grouped(fixed(units, shown, shown));
}

/** Without zeros at the end. */
export function shortest(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A text a step up or down, never below zero. */
export function stepped(text: string, step: string, times: number, decimals: number): string {
  const now = toUnits(text || "0", decimals);
  const by = toUnits(step, decimals);
  if (now === null || by === null) {
    return text;
  }
  const next = now + by * BigInt(times);
  return shortest(fixed(next < 0n ? 0n : next, decimals, decimals));
}
