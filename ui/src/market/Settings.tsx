import { Appearance } from "../lib/Appearance";
import { Dialog } from "../lib/Dialog";
import { Choice } from "../lib/inputs";
import { shortcuts } from "../lib/preferences";
import { SignIn } from "../lib/SignIn";
import { PageLinks } from "./Header";
import { settingsOpen } from "./dialogs";
import { KEYS } from "./keys";

export function Settings() {
  return (
    <Dialog open={settingsOpen.value} title="Settings" close={() => (settingsOpen.value = false)}>
      <Appearance />
      <h3>Keys</h3>
      <Choice id="shortcuts" label="Single keys, outside of entries" of={shortcuts} from={["on", "off"]} />
      <dl class="keys">
        {KEYS.map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>↑</kbd> <kbd>↓</kbd>
          </dt>
          <dd>in an entry: a tick or a lot, ten with Shift; in the book: from row to row, Enter takes it over</dd>
        </div>
      </dl>
      <div class="narrow-only">
        <h3>Pages</h3>
        <nav class="links" aria-label="Other pages">
          <PageLinks />
        </nav>
      </div>
      <h3>Sign in</h3>
      <SignIn />
    </Dialog>
  );
}
