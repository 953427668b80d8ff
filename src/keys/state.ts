/** States of a key slot, in the order of a key's life; `compromised` ends it from anywhere. */
export const SLOT_STATES = ['prepared', 'active', 'draining', 'retired', 'destroyed', 'compromised'] as const;

/** State of a key slot. */
export type SlotState = (typeof SLOT_STATES)[number];

const NEXT: Readonly<Record<SlotState, readonly SlotState[]>> = {
  prepared: ['active', 'destroyed', 'compromised'],
  active: ['draining', 'compromised'],
  draining: ['retired', 'compromised'],
  retired: ['destroyed', 'compromised'],
  // What was destroyed may turn out to have been stolen before: the record says so, though no key is left to forbid.
  destroyed: ['compromised'],
  compromised: [],
};

/** True where the state machine has this step (SP 800-57 part 1, section 7, with an overlap of two keys). */
export function mayBecome(from: SlotState, to: SlotState): boolean {
  return NEXT[from].includes(to);
}

/** What the key of a slot is good for in one state. */
export interface SlotUse {
  /** New work begins under it: tokens, grants and receipts are signed, phones get keys from it. */
  readonly begins: boolean;
  /** Work that began under it goes on: what it signed counts, phones pay with keys that came from it. */
  readonly serves: boolean;
  /** Verifiers and phones are told its public key. */
  readonly isPublished: boolean;
  /** An answer that was given is given again, where that takes a look at what the key signed. */
  readonly verifiesRepeats: boolean;
  /** The keystore has its bytes. */
  readonly isHeld: boolean;
}

const USES: Readonly<Record<SlotState, SlotUse>> = {
  prepared: { begins: false, serves: false, isPublished: true, verifiesRepeats: false, isHeld: true },
  active: { begins: true, serves: true, isPublished: true, verifiesRepeats: true, isHeld: true },
  draining: { begins: false, serves: true, isPublished: true, verifiesRepeats: true, isHeld: true },
  retired: { begins: false, serves: false, isPublished: false, verifiesRepeats: true, isHeld: true },
  destroyed: { begins: false, serves: false, isPublished: false, verifiesRepeats: false, isHeld: false },
  compromised: { begins: false, serves: false, isPublished: false, verifiesRepeats: false, isHeld: false },
};

/** What a key is good for in this state. */
export function useOf(state: SlotState): SlotUse {
  return USES[state];
}
