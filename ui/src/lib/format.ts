// Times and figures as people read them. All times are UTC, as in the log.

import { grouped } from "./decimal";

const pad = (value: number, length = 2) => value.toString().padStart(length, "0");

/** What stands behind a price that went up or down. */
export const ARROWS = { up: "▲", down: "▼", "": "" } as const;

/** Microseconds since 1970 as a time of day, to the millisecond. */
export function timeOfDay(micros: number): string {
  const date = new Date(Math.floor(micros / 1000));
  const clock = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
  return `${clock}.${pad(date.getUTCMilliseconds(), 3)}`;
}

/** Microseconds since 1970 as a date and a time to the millisecond. */
export function dateTime(micros: number): string {
  const date = new Date(Math.floor(micros / 1000));
  return `${date.toISOString().slice(0, 10)} ${timeOfDay(micros)}`;
}

/** Seconds as the two units that matter. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  if (whole < 86_400) {
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  }
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** A whole number with marks between thousands. */
export function whole(value: number): string {
  return grouped(Math.round(value).toString());
}

/** A figure with three significant digits or so. */
export function figure(value: number): string {
  return value >= 100 ? whole(value) : value.toFixed(value >= 10 ? 1 : 2);
}

/** Bytes in the unit that fits. */
export function bytes(count: number): string {
  if (count < 1024) {
    return `${count} B`;
  }
  return count < 1_048_576 ? `${figure(count / 1024)} kB` : `${figure(count / 1_048_576)} MB`;
}

/** The amount of quote or base in few digits: 1.24M. */
export function compact(text: string): string {
  const value = Number(text);
  for (const [size, letter] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ] as const) {
    if (value >= size) {
      return `${(value / size).toFixed(2)}${letter}`;
    }
  }
  return value.toFixed(2);
}
