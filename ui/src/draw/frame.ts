// A frame draws one picture. Several at once would be one long task; what waits is drawn in the frames that follow, in turn.

const due = new Set<() => void>();
let asked = false;

function ask() {
  if (!asked && due.size > 0) {
    asked = true;
    requestAnimationFrame(run);
  }
}

function run() {
  asked = false;
  const [draw] = due;
  if (draw) {
    due.delete(draw);
    ask();
    draw();
  }
}

/** Draws in one of the next frames; the same function once, however often it is asked for meanwhile. */
export function nextFrame(draw: () => void) {
  due.add(draw);
  ask();
}

/** It is not drawn any more. */
export function forget(draw: () => void) {
  due.delete(draw);
}
