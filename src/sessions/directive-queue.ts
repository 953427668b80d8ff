import type { Directive, DirectiveKind } from './directive.ts';

/** Directives that wait for a phone: of each kind the latest, so that a phone that reads slowly holds no more than these. */
export class DirectiveQueue {
  readonly #waiting = new Map<DirectiveKind, Directive>();

  put(directive: Directive): void {
    this.#waiting.set(directive.kind, directive);
  }

  /** The one that has waited longest, and no longer waits; null where there is none. */
  take(): Directive | null {
    for (const [kind, directive] of this.#waiting) {
      this.#waiting.delete(kind);
      return directive;
    }
    return null;
  }
}
