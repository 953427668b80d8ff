import { type KeyObject, sign } from 'node:crypto';
import type { Posture } from '../../devices/posture.ts';
import { type SignedBytes, type SigningContext, signingInput } from '../../encoding/signed.ts';
import type { GeneratedKey, KeyMint } from '../keymint/keymint.ts';
import type { PendingKeys, PhoneKeys, PhoneRegisters, SealedRegisters } from './registers.ts';
import type { PhoneProbe } from './stream.ts';
import type { ServiceTrust } from './trust.ts';

/** The session key that the phone has attested. */
export interface PhoneSessionKey {
  readonly key: GeneratedKey;
  readonly thumbprint: string;
}

/** The session that the phone has attested or resumed, with its token. */
export interface PhoneSession extends PhoneSessionKey {
  readonly token: string;
  readonly expiresAt: Date;
  readonly refreshAfter: Date;
}

/** Everything that a virtual phone is and knows. */
export interface PhoneMemory {
  readonly keymint: KeyMint;
  readonly packageName: string;
  readonly appVersion: number;
  readonly sdkLevel: number;
  /** Whom its payments go to: what ships in the app, else that of the first keys. No other gets a grant or keys accepted. */
  acquirer: string | null;
  readonly trust: ServiceTrust;
  posture: Posture;
  /** Told of every message; honest phones have one that does nothing. */
  probe: PhoneProbe;
  /** Asks Google Play about a transcript; null where the phone has none. */
  play: ((transcript: Buffer) => Promise<string>) | null;
  deviceKey: GeneratedKey | null;
  deviceId: string | null;
  /** In the phone's key store: it survives the end of the app's process, as the device key and the registers do. */
  sessionKey: PhoneSessionKey | null;
  session: PhoneSession | null;
  /** Why the service has switched PIN entry off in this session; null where it has not. */
  pinOff: string | null;
  keys: PhoneKeys | null;
  /** Keys that the service may know as active: told by the answer to their confirmation. */
  pending: PendingKeys | null;
  /** Where both outlive the app's process. */
  readonly registers: SealedRegisters;
}

/** Keeps the phone's registers as they are now; they may be used once this has ended. */
export function keepRegisters(memory: PhoneMemory): Promise<void> {
  return memory.registers.keep(memory);
}

/** Takes what is kept into a process that has just begun. */
export async function recallRegisters(memory: PhoneMemory): Promise<void> {
  if (memory.keys !== null || memory.pending !== null) return;
  const kept: PhoneRegisters = await memory.registers.load();
  memory.keys = kept.keys;
  memory.pending = kept.pending;
}

/** The process ends: what is not kept is gone. */
export function dropRegisters(memory: PhoneMemory): void {
  for (const keys of [memory.keys, memory.pending]) {
    keys?.pin.wipe();
    keys?.accountData.wipe();
  }
  memory.keys = null;
  memory.pending = null;
}

/** The session, which the phone must have attested first. */
export function sessionOf(memory: PhoneMemory): PhoneSession {
  if (memory.session === null) throw new Error('the phone has not attested');
  return memory.session;
}

/** Signs bytes for a purpose, as Android's SHA256withECDSA does: DER. */
export function signFor(context: SigningContext, payload: Uint8Array, key: KeyObject): SignedBytes {
  return { payload, signature: sign('sha256', signingInput(context, payload), key), keyId: '' };
}
