// Accounts: who has open orders, and the switch that blocks an account and cancels all its orders.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { setBlocked } from "../api/admin";
import { get, wordsOf } from "../api/client";
import type { AccountState, OrderPage } from "../api/types";
import { Heads } from "../lib/Heads";
import { Latest } from "../lib/latest";
import { linkTo } from "./route";

const PAGE = 1000;
const counts = signal<[string, number][]>([]);
const partial = signal(false);
const states = signal<Record<string, AccountState>>({});
const wanted = signal("");
const note = signal("");

const latest = new Latest();

const load = () =>
  latest.ask(
    get<OrderPage>("orders/", { status: "open", limit: PAGE }),
    (page) => {
      const found = new Map<string, number>();
      for (const order of page.orders) {
        const name = order.account ?? "";
        found.set(name, (found.get(name) ?? 0) + 1);
      }
      counts.value = [...found].sort(([, a], [, b]) => b - a);
      partial.value = page.next_cursor != null;
    },
    (words) => (note.value = words),
  );

async function set(account: string, blocked: boolean) {
  try {
    const state = await setBlocked(account, blocked);
    states.value = { ...states.value, [account]: state };
    note.value = blocked
      ? `${account} is blocked; ${state.cancelled} of its orders were cancelled.`
      : `${account} is unblocked.`;
    await load();
  } catch (error) {
    note.value = wordsOf(error);
  }
}

export function Accounts() {
  useEffect(() => void load(), []);
  const known = new Map(counts.value);
  for (const name of Object.keys(states.value)) {
    known.set(name, known.get(name) ?? 0);
  }
  return (
    <section class="panel" aria-label="Accounts">
      <h2>
        <span>Accounts</span>
        <span class="said" role="status">
          {note.value}
        </span>
      </h2>
      <form class="filter" aria-label="Block an account" onSubmit={(event) => event.preventDefault()}>
        <label class="entry">
          <span>Account</span>
          <input
            class="box"
            id="account-name"
            value={wanted.value}
            maxLength={64}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => (wanted.value = event.currentTarget.value)}
          />
        </label>
        <div class="buttons">
          <button
            type="button"
            id="block"
            class="quiet danger"
            disabled={wanted.value === ""}
            onClick={() => void set(wanted.value, true)}
          >
            Block, and cancel all its orders
          </button>
          <button
            type="button"
            id="unblock"
            class="quiet"
            disabled={wanted.value === ""}
            onClick={() => void set(wanted.value, false)}
          >
            Unblock
          </button>
        </div>
      </form>
      <div class="scroll" tabIndex={0} role="region" aria-label="Accounts with open orders">
        <table id="accounts">
          <Heads of={["Account", "Open orders", "State", "Do"]} />
          <tbody>
            {[...known].map(([name, count]) => (
              <tr key={name}>
                <td>{name || <span class="muted">without an account</span>}</td>
                <td>{count}</td>
                <td>{states.value[name]?.blocked ? <span class="bad">blocked</span> : ""}</td>
                <td class="do">
                  {name ? (
                    <button type="button" class="quiet" onClick={() => (wanted.value = name)}>
                      choose
                    </button>
                  ) : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="nothing">
          Blocks of before this visit are not listed here:{" "}
          <a href={linkTo("log", { kind: "BlockAccount" })}>all blocks</a> and{" "}
          <a href={linkTo("log", { kind: "UnblockAccount" })}>their ends</a> are in the log.
        </p>
        {partial.value ? <p class="nothing">Of the newest {PAGE} open orders.</p> : null}
        {known.size === 0 ? <p class="nothing">No open orders.</p> : null}
      </div>
    </section>
  );
}
