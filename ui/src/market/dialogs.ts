// Which dialogs are open.

import { signal } from "@preact/signals";

export const settingsOpen = signal(false);
/** The order that is explained; null: none. */
export const explained = signal<number | null>(null);
