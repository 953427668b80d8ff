import type { DurableStores } from '../stores.ts';

/** Stores under test, and what only an operator's hand does to them. */
export interface StoresUnderTest extends DurableStores {
  suspend(deviceId: string): Promise<void>;
  revoke(deviceId: string): Promise<void>;
  devicesOf(merchant: string): Promise<readonly { readonly id: string }[]>;
}

/** The stores, once they are open. A second call gives other handles of the same database, as another replica has. */
export type OpenStores = () => StoresUnderTest;

/** How many of the answers are of this value. */
export const countOf = <T>(answers: readonly T[], value: T): number =>
  answers.filter((answer) => answer === value).length;

/** Runs the work so many times at once. */
export const atOnce = <T>(times: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, index) => work(index)));

/** What became of each. */
export const outcomes = <T extends { readonly outcome: string }>(answers: readonly T[]): string[] =>
  answers.map(({ outcome }) => outcome);
