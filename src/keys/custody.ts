import type { Result } from '../reasons/result.ts';
import type { KeySlot, SlotSeries } from './slots.ts';
import type { SlotState } from './state.ts';

/** A slot as its custodian shows it: never the key. */
export interface ShownSlot extends KeySlot {
  /** Check value, 10 hexadecimal digits. */
  readonly keyCheckValue: string;
  /** RFC 7638 thumbprint of a signing key's public key; empty for others. */
  readonly keyId: string;
  /** BDK id of AES DUKPT, 8 hexadecimal digits; empty for others. */
  readonly bdkId: string;
}

/** A slot that was made. */
export interface GeneratedSlot {
  readonly slot: ShownSlot;
  /** A zone key on its way to the acquirer: X9.143 version D under the zone KEK; empty for others. */
  readonly keyBlock: string;
}

/** Whoever holds the keys: it keeps the state machine by itself, and records who asked for what. */
export interface KeyCustody {
  listKeys(): Promise<Result<readonly ShownSlot[]>>;
  /** Makes a key in a prepared slot. */
  generateKey(series: SlotSeries, by: string): Promise<Result<GeneratedSlot>>;
  /** Takes a slot to another state, with what that takes along; answers the slots that changed. */
  changeKeyState(slotId: string, to: SlotState, by: string): Promise<Result<readonly ShownSlot[]>>;
}
