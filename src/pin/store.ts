import type { StoredGrant } from '../sessions/store.ts';

/** Grants as PIN entry needs them. */
export interface PinGrantStore {
  /** The grant, if it belongs to this session. */
  grantOf(grantId: string, thumbprint: string): Promise<StoredGrant | null>;
  /**
   * Marks that the pad was shown for this grant, when and how; false where it was before: a KSN enciphers one PIN block,
   * once.
   */
  beginPinEntry(grantId: string, shown: PadShown): Promise<boolean>;
}

/** How the pad was shown: kept for auditors, who ask who entered a PIN on a keypad that is not shuffled. */
export interface PadShown {
  readonly at: Date;
  readonly layout: 'shuffled' | 'usual';
}

/** A PIN block that was accepted: enciphered, held until the grant expires, never in SQL. */
export interface HeldPinBlock {
  readonly grantId: string;
  readonly pinGrantId: string;
  /** SHA-256 of the enciphered block. */
  readonly hash: Buffer;
  readonly block: Buffer;
  readonly accountDataHash: Buffer;
  readonly heldUntil: Date;
}
