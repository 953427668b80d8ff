import { type KeyObject, sign } from 'node:crypto';
import type { Posture } from '../../devices/posture.ts';
import { type SignedBytes, type SigningContext, signingInput } from '../../encoding/signed.ts';
import type { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import type { GeneratedKey, KeyMint } from '../keymint/keymint.ts';
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

/** The registers of one injection, a domain each. */
export interface PhoneKeys {
  readonly pin: DukptRegisters;
  readonly accountData: DukptRegisters;
}

/** Everything that a virtual phone is and knows. */
export interface PhoneMemory {
  readonly keymint: KeyMint;
  readonly packageName: string;
  readonly appVersion: number;
  readonly sdkLevel: number;
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
  keys: PhoneKeys | null;
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
