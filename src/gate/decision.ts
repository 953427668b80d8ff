import type { Reason } from '../reasons/catalogue.ts';

/** Card data under the acquirer's zone data key, AES-GCM. */
export interface AcquirerAccountData {
  readonly keyId: string;
  /** 12 bytes. */
  readonly initializationVector: Buffer;
  /** Ciphertext, then the tag of 16 bytes. */
  readonly ciphertext: Buffer;
}

/** ISO 9564-1 format 4 under the acquirer's zone PIN key. */
export interface AcquirerPinBlock {
  readonly keyId: string;
  readonly block: Buffer;
}

/** What the gate answers. REFUSED is a decision; UNAVAILABLE is none: ask again. */
export type GateAnswer =
  | {
      readonly outcome: 'approved';
      readonly receipt: string;
      /** Null where it is lost. */
      readonly accountData: AcquirerAccountData | null;
      readonly pinBlock: AcquirerPinBlock | null;
      /** A PIN was entered and approved, but its block is no longer held. */
      readonly pinLost: boolean;
      /** Why the vault gives account data of this approval to nobody any more, for ever; else null. */
      readonly accountDataLost: Reason | null;
    }
  | {
      readonly outcome: 'refused';
      readonly reasons: readonly Reason[];
      /** Compact JWS of a refusal that is kept; empty where nothing was kept. */
      readonly receipt: string;
    }
  | { readonly outcome: 'unavailable'; readonly reason: Reason };

/** A decision as it is kept: the audit record of the payment. No PAN, no PIN. */
export interface Decision {
  readonly grantId: string;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  readonly outcome: 'approved' | 'refused';
  readonly reasons: readonly Reason[];
  /** Compact JWS. Empty for refusals of before they had one, and of grants whose key is compromised. */
  readonly receipt: string;
  readonly pinEntered: boolean;
}
