import type { TransportName } from '../../injection/policy.ts';
import type { GeneratedKey, KeyMint, KeyRequest } from '../keymint/keymint.ts';

/** Transports as the phone would have them, where the service leaves it the choice. */
export const TRANSPORTS: readonly TransportName[] = ['key-agreement', 'rsa', 'secure-import'];

/** What the phone's key store is asked for. */
export function transportKeyRequest(transport: TransportName, challenge: Buffer, rsaBits: number): KeyRequest {
  if (transport === 'key-agreement') return { purpose: 'agree', algorithm: 'EC', challenge };
  return { purpose: transport === 'rsa' ? 'decrypt' : 'wrap', algorithm: 'RSA', bits: rsaBits, challenge };
}

/** A transport key as the phone made it. */
export interface PhoneTransportKey {
  readonly transport: TransportName;
  readonly key: GeneratedKey;
}

/**
 * A key for the first transport that the phone can do. Throws RangeError where it can do none: Keymaster has no key
 * agreement.
 */
export function makeTransportKey(
  keymint: KeyMint,
  transports: readonly TransportName[],
  challenge: Buffer,
  rsaBits: number,
): PhoneTransportKey {
  let cannot = new RangeError('the service allows no transport that this phone knows');
  for (const transport of transports) {
    try {
      return { transport, key: keymint.generateKey(transportKeyRequest(transport, challenge, rsaBits)) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      cannot = error;
    }
  }
  throw cannot;
}
