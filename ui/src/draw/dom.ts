// Small steps of drawing that touch the document only where something differs.

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** A text that can be changed without looking for it. */
export class Label {
  private readonly text = document.createTextNode("");
  readonly node: HTMLElement;

  constructor(className: string, tag: "span" | "button" = "span") {
    this.node = element(tag, className, this.text);
  }

  set(words: string) {
    if (this.text.data !== words) {
      this.text.data = words;
    }
  }
}

export function setClass(node: HTMLElement, className: string) {
  if (node.className !== className) {
    node.className = className;
  }
}

/** Tells a height whenever it changes; the answer ends it. */
export function watchSize(node: HTMLElement, changed: (width: number, height: number) => void): () => void {
  const observer = new ResizeObserver((entries) => {
    const box = entries[0]?.contentRect;
    if (box) {
      changed(box.width, box.height);
    }
  });
  observer.observe(node);
  return () => observer.disconnect();
}
