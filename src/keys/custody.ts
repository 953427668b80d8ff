import type { Result } from '../reasons/result.ts';
import type { KeySlot, SlotSeries } from './slots.ts';
import type { SlotState } from './state.ts';

/** Ways in which a key comes in from outside. */
export const KEY_ENTRIES = ['components', 'key-block', 'tr-34'] as const;

/** How a key came in from outside. */
export type KeyEntry = (typeof KEY_ENTRIES)[number];

/** True where the text names a way in. */
export function isEntry(text: string): text is KeyEntry {
  return KEY_ENTRIES.some((entry) => entry === text);
}

/** A slot as its custodian shows it: never the key. */
export interface ShownSlot extends KeySlot {
  /** Check value, 10 hexadecimal digits. */
  readonly keyCheckValue: string;
  /** RFC 7638 thumbprint of a signing key's public key; empty for others. */
  readonly keyId: string;
  /** BDK id of AES DUKPT, 8 hexadecimal digits; empty for others. */
  readonly bdkId: string;
  /** Absent where the key was made here. */
  readonly enteredBy?: KeyEntry | undefined;
  /** Of a key that the anchor endorses: it signs nothing from then on. Absent for others. */
  readonly expiresAt?: Date | undefined;
}

/** A slot that was made. */
export interface GeneratedSlot {
  readonly slot: ShownSlot;
  /** A zone key on its way to the acquirer: X9.143 version D under the zone KEK; empty for others. */
  readonly keyBlock: string;
}

/** A zone key on its way in, enciphered. */
export interface IncomingKey {
  readonly series: SlotSeries;
  /** A key block under the acquirer's zone KEK, or KT-KDH of TR-34, DER. */
  readonly source: { readonly keyBlock: string } | { readonly tr34KeyToken: Buffer };
  /** Departures from X9.143 or TR-34 that are tolerated, by name. */
  readonly tolerate: readonly string[];
  /** The check value that its sender states, 6 to 10 hexadecimal digits; empty where none is stated. */
  readonly keyCheckValue: string;
}

/** A key that came in. */
export interface ImportedSlot {
  readonly slot: ShownSlot;
  /** Departures that were there and were tolerated. */
  readonly tolerated: readonly string[];
}

/** What a key token of TR-34 is made for, DER each. */
export interface Tr34Destination {
  /** RT-KRD of the acquirer's device. */
  readonly randomNumberToken: Buffer;
  /** Of the authority of this side's host certificate. */
  readonly revocationList: Buffer;
  /** Of the authority of the acquirer's device; empty where there is none. */
  readonly deviceRevocationList: Buffer;
}

/** A zone key on its way out, enciphered. */
export interface ExportedKey {
  readonly slot: ShownSlot;
  /** X9.143 version D under the zone KEK, or empty. */
  readonly keyBlock: string;
  /** KT-KDH, DER, or empty. */
  readonly tr34KeyToken: Buffer;
  readonly tolerated: readonly string[];
}

/** One end of a binding of TR-34. */
export interface Tr34Bound {
  /** SHA-256 of the certificate. */
  readonly fingerprint: Buffer;
  readonly notAfter: Date;
}

/** By what an acquirer's side of TR-34 binds this one, and whom this one has bound. */
export interface Tr34Credential {
  /** CT-KRD or CT-KDH, DER. */
  readonly token: Buffer;
  readonly own: Tr34Bound;
  readonly bound: Tr34Bound;
}

/** What this side is to an acquirer: it receives keys (KRD), or distributes them (KDH). */
export type Tr34Role = 'device' | 'host';

/** A random number for one key token. */
export interface Tr34Request {
  /** RT-KRD, DER. */
  readonly randomNumberToken: Buffer;
  readonly expiresAt: Date;
}

/** Whoever holds the keys: it keeps the state machine by itself, and records who asked for what. */
export interface KeyCustody {
  listKeys(): Promise<Result<readonly ShownSlot[]>>;
  /** Makes a key in a prepared slot. */
  generateKey(series: SlotSeries, by: string): Promise<Result<GeneratedSlot>>;
  /** Takes a slot to another state, with what that takes along; answers the slots that changed. */
  changeKeyState(slotId: string, to: SlotState, by: string): Promise<Result<readonly ShownSlot[]>>;
  /** Takes a zone key that comes enciphered, into a prepared slot. */
  importKey(incoming: IncomingKey, by: string): Promise<Result<ImportedSlot>>;
  /** Gives a zone key enciphered: under the zone KEK, or where a destination is given by TR-34. */
  exportKey(
    slotId: string,
    tr34: Tr34Destination | null,
    tolerate: readonly string[],
    by: string,
  ): Promise<Result<ExportedKey>>;
  /** The credential of a role; the host's comes with a revocation list (DER), the device's without. */
  tr34Credential(acquirer: string, role: Tr34Role, revocationList: Buffer): Promise<Result<Tr34Credential>>;
  /** A new random number for one key token of the acquirer's host; the one before is forgotten. */
  requestTr34Key(acquirer: string): Promise<Result<Tr34Request>>;
}
