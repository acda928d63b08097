// What is asked for again and again.

/**
 * Asks now, and again so long (ms) after each answer; what failed may be better the next time. Nobody is asked while the page
 * is hidden. The answer ends it.
 */
export function every(milliseconds: number, ask: () => Promise<unknown>): () => void {
  let ended = false;
  let timer = 0;
  const again = () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", again, { once: true });
      return;
    }
    ask()
      .catch(() => undefined)
      .finally(() => {
        if (!ended) {
          timer = setTimeout(again, milliseconds);
        }
      });
  };
  again();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", again);
  };
}
