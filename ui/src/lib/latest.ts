// Questions of which only the newest one's answer is wanted.

import { wordsOf } from "../api/client";

export class Latest {
  private asked = 0;

  /** Calls back with the answer, or with what went wrong in words; not at all if something newer was asked meanwhile. */
  async ask<T>(question: Promise<T>, answered: (found: T) => void, failed: (words: string) => void): Promise<void> {
    const mine = ++this.asked;
    try {
      const found = await question;
      if (mine === this.asked) {
        answered(found);
      }
    } catch (error) {
      if (mine === this.asked) {
        failed(wordsOf(error));
      }
    }
  }

  /** No answer is wanted any more. */
  forget() {
    this.asked += 1;
  }
}
