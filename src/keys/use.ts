import type { SlotKind } from './kind.ts';
import type { KeySlot } from './slots.ts';

/** A base derivation key as the identifiers of initial keys name it. */
export interface NamedBdk {
  readonly domain: 'pin' | 'account-data';
  /** 8 hexadecimal digits. */
  readonly bdkId: string;
}

/** What of the phones still rests on one base derivation key. */
export interface KeySetsResting {
  /** Key sets that phones pay with: proven, not replaced, not expired, on devices that are not revoked. */
  readonly live: number;
  /** Key sets that were offered, replaced or expired so lately that a proof or a payment of theirs may still come. */
  readonly unsettled: number;
}

/** Base derivation keys that new initial keys come from, 4 bytes each. */
export interface BdksInUse {
  readonly pin: Uint8Array;
  readonly accountData: Uint8Array;
}

/** Says what rests on base derivation keys: counts and identifiers, no keys. */
export interface KeyUse {
  /** Counts the key sets that rest on a base derivation key, at this instant. */
  restingOn(bdk: NamedBdk, now: Date): Promise<KeySetsResting>;
  /**
   * Those of these devices (at most 1 000) whose live key set came from a base derivation key that is no longer in use,
   * of either domain: they are to inject new keys. One indexed read, fit for the opening of a session.
   */
  keySetsOnDraining(deviceIds: readonly string[], inUse: BdksInUse, now: Date): Promise<ReadonlySet<string>>;
}

const DOMAINS: Partial<Readonly<Record<SlotKind, NamedBdk['domain']>>> = {
  'bdk-pin': 'pin',
  'bdk-account-data': 'account-data',
};

/** The base derivation key of a slot that drains, whose progress can be told; null of any other slot. */
export function drainingBdkOf(slot: KeySlot & { readonly bdkId: string }): NamedBdk | null {
  const domain = DOMAINS[slot.kind];
  return domain === undefined || slot.state !== 'draining' ? null : { domain, bdkId: slot.bdkId };
}
