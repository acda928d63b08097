// The newest of a stream, no more than so many.

export class Ring<T> {
  private items: T[] = [];

  constructor(private readonly limit: number) {}

  /** Puts the newest in, oldest of them first. */
  push(newest: readonly T[]) {
    this.items.push(...newest);
    // Cut in large pieces, so that a long stream does not move everything each time.
    if (this.items.length > this.limit * 2) {
      this.items = this.items.slice(-this.limit);
    }
  }

  clear() {
    this.items = [];
  }

  get length(): number {
    return Math.min(this.items.length, this.limit);
  }

  /** The newest is 0. */
  at(index: number): T | undefined {
    return index < this.limit ? this.items[this.items.length - 1 - index] : undefined;
  }

  find(wanted: (item: T) => boolean): T | undefined {
    return this.items.findLast(wanted);
  }
}
