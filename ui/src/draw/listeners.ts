// Whoever draws a thing is told that it changed, and draws it in one of the next frames.

import { forget, nextFrame } from "./frame";

export class Listeners {
  private readonly all = new Set<() => void>();

  /** Draws now and after each change; the answer ends it. */
  add(draw: () => void): () => void {
    this.all.add(draw);
    nextFrame(draw);
    return () => {
      this.all.delete(draw);
      forget(draw);
    };
  }

  changed() {
    for (const draw of this.all) {
      nextFrame(draw);
    }
  }
}
