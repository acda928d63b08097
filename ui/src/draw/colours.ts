// The page's colours for whoever paints on a canvas. They stand in the style sheet.

export interface Colours {
  text: string;
  muted: string;
  line: string;
  panel: string;
  up: string;
  down: string;
  upSoft: string;
  downSoft: string;
}

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"),
    muted: of("muted"),
    line: of("grid"),
    panel: of("panel"),
    up: of("up"),
    down: of("down"),
    upSoft: of("up-soft"),
    downSoft: of("down-soft"),
  };
}

/** The page's font, at the size of labels. */
export const FONT = '"Inter Variable", system-ui, sans-serif';
