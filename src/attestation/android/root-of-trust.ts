import type { DerReader } from '../../encoding/der.ts';
import { NO_TAG, TAG } from '../../encoding/der-tag.ts';

/** State of verified boot as the boot loader told the secure hardware. */
export type VerifiedBootState = 'VERIFIED' | 'SELF_SIGNED' | 'UNVERIFIED' | 'FAILED' | 'UNKNOWN';

/** How the phone started. Byte strings are lowercase hex. */
export interface RootOfTrust {
  readonly verifiedBootKey: string;
  readonly deviceLocked: boolean;
  readonly verifiedBootState: VerifiedBootState;
  /** Attestation version 3 and later. */
  readonly verifiedBootHash: string | null;
}

const STATES = ['VERIFIED', 'SELF_SIGNED', 'UNVERIFIED', 'FAILED'] as const;

/** Reads the next element as a RootOfTrust of the key description's schema. */
export function readRootOfTrust(der: DerReader): RootOfTrust {
  const outer = der.enter(TAG.SEQUENCE);
  const verifiedBootKey = der.content(TAG.OCTET_STRING).toString('hex');
  const deviceLocked = der.boolean();
  const verifiedBootState = STATES[der.unsigned(TAG.ENUMERATED)] ?? 'UNKNOWN';
  const verifiedBootHash = der.peek() === NO_TAG ? null : der.content(TAG.OCTET_STRING).toString('hex');
  der.leave(outer);
  return { verifiedBootKey, deviceLocked, verifiedBootState, verifiedBootHash };
}
