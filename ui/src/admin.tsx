// The admin pages.

import "./styles/base.css";
import "./styles/admin.css";

import { signal } from "@preact/signals";
import { render } from "preact";
import { knowSession, session } from "./api/session";
import { Accounts } from "./admin/Accounts";
import { Health } from "./admin/Health";
import { Log } from "./admin/Log";
import { Markets } from "./admin/Markets";
import { linkTo, PARTS, route, TITLES } from "./admin/route";
import { Snapshots } from "./admin/Snapshots";
import { Appearance } from "./lib/Appearance";
import { Brand } from "./lib/Brand";
import { Dialog } from "./lib/Dialog";
import { SignIn } from "./lib/SignIn";

const SHOWN = { log: Log, snapshots: Snapshots, markets: Markets, accounts: Accounts, health: Health };
const settingsOpen = signal(false);

function Page() {
  const { part } = route.value;
  const Part = SHOWN[part];
  const now = session.value;
  return (
    <div class="page">
      <header class="top">
        <Brand />
        {now?.demo ? <span class="badge demo">DEMO</span> : null}
        <nav class="parts" aria-label="Parts">
          {PARTS.map((name) => (
            <a key={name} href={linkTo(name)} aria-current={name === part ? "page" : undefined}>
              {TITLES[name]}
            </a>
          ))}
        </nav>
        <span class="grow" />
        <nav class="links" aria-label="Pages">
          <a href="../">Market</a>
          <a href="../api/docs/">API</a>
        </nav>
        <button type="button" class="quiet" aria-haspopup="dialog" onClick={() => (settingsOpen.value = true)}>
          Settings
        </button>
      </header>
      <main>
        <h1 class="hidden">{TITLES[part]}</h1>
        {now?.admin ? <Part /> : <Door />}
      </main>
      <Dialog open={settingsOpen.value} title="Settings" close={() => (settingsOpen.value = false)}>
        <Appearance />
        <h3>Sign in</h3>
        {now?.admin ? <SignIn /> : <p class="muted">Sign in on the page.</p>}
      </Dialog>
    </div>
  );
}

/** What is shown before anybody has signed in. */
function Door() {
  return (
    <section class="panel door" aria-label="Sign in">
      <h2>Sign in</h2>
      <div class="padded">
        <SignIn />
      </div>
    </section>
  );
}

const app = document.getElementById("app");
if (app) {
  app.replaceChildren();
  knowSession();
  render(<Page />, app);
}
