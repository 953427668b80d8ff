/**
 * Runs work and watches it: a span, a clock, nothing at all. It answers what the work answers and throws what it throws.
 * `name` is one of a fixed set of the program's own; no value of a request is ever part of it.
 */
export type Around = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Watches nothing. */
export const unwatched: Around = (_name, work) => work();
