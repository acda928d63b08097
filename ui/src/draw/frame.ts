// Drawing happens at most once a frame, whatever comes meanwhile.

const due = new Set<() => void>();
let asked = false;

function run() {
  asked = false;
  const now = [...due];
  due.clear();
  for (const draw of now) {
    draw();
  }
}

/** Draws in the next frame; the same function once, however often it is asked for. */
export function nextFrame(draw: () => void) {
  due.add(draw);
  if (!asked) {
    asked = true;
    requestAnimationFrame(run);
  }
}

/** It is not drawn any more. */
export function forget(draw: () => void) {
  due.delete(draw);
}
