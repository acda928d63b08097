// How the page looks: for eyes that prefer dark, light, or blue and orange.

import { Choice } from "./inputs";
import { palette, theme } from "./preferences";

export function Appearance() {
  return (
    <div class="pair">
      <Choice id="theme" label="Theme" of={theme} from={["system", "dark", "light"]} />
      <Choice id="palette" label="Colours of the sides" of={palette} from={["green-red", "blue-orange"]} />
    </div>
  );
}
