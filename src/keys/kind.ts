/** How keys of a kind live. */
export interface KindRule {
  /**
   * `signing`: published before it signs. `derivation`: phones move from one to the next by injection. `zone`: shared
   * with one acquirer. `ceremony`: made and brought into use in ceremonies on the vault's own machine only.
   */
  readonly family: 'signing' | 'derivation' | 'zone' | 'ceremony';
  /** Fewest slots in state `active`; the most is one. */
  readonly leastActive: 0 | 1;
}

const RULES = {
  kek: { family: 'ceremony', leastActive: 1 },
  'bdk-pin': { family: 'derivation', leastActive: 1 },
  'bdk-account-data': { family: 'derivation', leastActive: 1 },
  'zone-kek': { family: 'ceremony', leastActive: 0 },
  'zone-kek-tdea': { family: 'ceremony', leastActive: 0 },
  'zone-pin': { family: 'zone', leastActive: 0 },
  'zone-data': { family: 'zone', leastActive: 0 },
  anchor: { family: 'ceremony', leastActive: 1 },
  'device-token': { family: 'signing', leastActive: 1 },
  receipt: { family: 'signing', leastActive: 1 },
  grant: { family: 'signing', leastActive: 1 },
  'card-reference': { family: 'ceremony', leastActive: 1 },
  'derivation-ledger': { family: 'ceremony', leastActive: 1 },
  audit: { family: 'signing', leastActive: 0 },
  'tr34-device': { family: 'ceremony', leastActive: 0 },
  'tr34-host': { family: 'ceremony', leastActive: 0 },
} as const satisfies Record<string, KindRule>;

/** What a slot's key is for. Zone and TR-34 kinds have one series of slots an acquirer, the others one in all. */
export type SlotKind = keyof typeof RULES;

/** Every kind. */
export const SLOT_KINDS = Object.keys(RULES) as [SlotKind, ...SlotKind[]];

/** The rule of a kind. */
export function ruleOf(kind: SlotKind): KindRule {
  return RULES[kind];
}

/** True where the text names a kind. */
export function isSlotKind(text: string): text is SlotKind {
  return Object.hasOwn(RULES, text);
}

/** True for kinds whose slots belong to one acquirer. */
export function isOfAcquirer(kind: SlotKind): boolean {
  return kind.startsWith('zone-') || kind.startsWith('tr34-');
}
