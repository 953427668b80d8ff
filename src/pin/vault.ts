import type { SignedBytes } from '../encoding/signed.ts';
import type { Result } from '../reasons/result.ts';

/** Card data encrypted on the phone under the account data key at a counter, bound to the grant of its tap. */
export interface EncryptedAccountData {
  /** 12 bytes. */
  readonly ksn: Buffer;
  /** 12 bytes. */
  readonly initializationVector: Buffer;
  /** Ciphertext, then the tag of 16 bytes. */
  readonly ciphertext: Buffer;
}

/** What a phone is told before its pad shows. */
export interface PinGrant {
  readonly id: string;
  readonly grantId: string;
  readonly thumbprint: string;
  readonly accountDataHash: Buffer;
  readonly pinKsn: Buffer;
  /** Ten digits, each once. */
  readonly layout: string;
  /** The layout is the usual one, as the phone asked. */
  readonly accessibleLayout: boolean;
  readonly minimumLength: number;
  readonly maximumLength: number;
  readonly reportIntervalMilliseconds: number;
  readonly expiresAt: Date;
  readonly nonce: Buffer;
}

/** A PIN block with the account data that it must fit. */
export interface PinBlockCheck {
  /** As the vault signed it: grant, KSN, account data and bounds of length are taken from it. */
  readonly pinGrant: SignedBytes;
  /** ISO 9564-1 format 4, enciphered, 16 bytes. */
  readonly block: Buffer;
  readonly accountData: EncryptedAccountData;
  /** Of the PIN grant, as the vault signed it: it says under which grant the account data opens. */
  readonly grant: SignedBytes;
}

/** A PIN grant that is to be signed, and the transaction grant that it is for. */
export interface UnsignedPinGrant {
  readonly pinGrant: PinGrant;
  /** As the vault signed it. */
  readonly grant: SignedBytes;
}

/** The vault's part in PIN entry. */
export interface PinVault {
  /** A shuffled keypad from the vault's random generator. */
  shuffleLayout(): Promise<Result<string>>;
  signPinGrant(grant: UnsignedPinGrant): Promise<Result<SignedBytes>>;
  /** Form, PAN and length are checked inside the vault; nothing of the PIN comes out. */
  checkPinBlock(check: PinBlockCheck): Promise<Result<null>>;
}
