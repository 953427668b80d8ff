import { es256Header } from '../encoding/jws.ts';
import { type CONTEXT, type SignedBytes, type SigningContext, signingInput, verifySigned } from '../encoding/signed.ts';
import type { SignedMessage } from '../gen/tapgate/v1/signed.ts';
import { useOf } from '../keys/state.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { signedFromWire } from '../wire/signed.ts';
import type { KeyUse, VaultKeys } from './keys.ts';
import type { SigningKey } from './keystore/signing-key.ts';
import { isRemembered, rememberOwn } from './own-signatures.ts';
import type { VaultPorts } from './ports.ts';

/** What the service key signs for phones. */
type ServiceContext = Extract<SigningContext, (typeof CONTEXT)['grant' | 'pinGrant' | 'keyOffer']>;

const INTEGER_BYTES = 32;

/** Signs a payload with the service key. Refuses with SERVICE_KEY_EXPIRED after the time that its endorsement names. */
export function signAsService(
  context: ServiceContext,
  payload: Buffer,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'SERVICE_KEY_EXPIRED'> {
  const { grant } = keys;
  if (ports.clock.now().getTime() > grant.notAfter * 1000) return refuse('SERVICE_KEY_EXPIRED');
  const signed = { payload, signature: grant.sign(signingInput(context, payload)), keyId: grant.keyId };
  rememberOwn(context, signed);
  return ok(signed);
}

/** Why a message is none that the service key has signed, or none that counts any more. */
export type ServiceSignatureFault =
  | 'MALFORMED_MESSAGE'
  | 'GRANT_UNKNOWN'
  | 'GRANT_KEY_COMPROMISED'
  | 'GRANT_KEY_DESTROYED';

/**
 * Reads what the service key has signed: the one that is active, one that drains, or, for repeats alone, one that is
 * retired. Refuses with GRANT_UNKNOWN any other key, with GRANT_KEY_COMPROMISED and GRANT_KEY_DESTROYED those of which the
 * keystore says so.
 */
export function verifyAsService(
  context: ServiceContext,
  message: SignedMessage | undefined,
  keys: VaultKeys,
  field: string,
  use: KeyUse,
): Result<SignedBytes, ServiceSignatureFault> {
  const signed = signedFromWire(message, field);
  if (!signed.ok) return signed;
  const { keyId } = signed.value;
  if (keys.compromised.has(keyId)) return refuse('GRANT_KEY_COMPROMISED');
  if (keys.destroyed.has(keyId)) return refuse('GRANT_KEY_DESTROYED');
  const key = keys.publicKeys.find((candidate) => candidate.kind === 'grant' && candidate.keyId === keyId);
  const counts = key !== undefined && useOf(key.state)[use];
  const ours = counts && (isRemembered(context, signed.value) || verifySigned(context, signed.value, key.publicKey));
  return ours ? signed : refuse('GRANT_UNKNOWN');
}

/** Compact JWS, ES256, over a JSON object (RFC 7515 section 7.1). */
export function signCompact(type: string, claims: object, key: SigningKey): string {
  const input = `${es256Header(key.keyId, type)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  // The DER form is made in half the time of the raw one, and is as easily taken apart.
  const signature = rawFromDer(key.sign(Buffer.from(input)));
  return `${input}.${signature.toString('base64url')}`;
}

/** ECDSA-Sig-Value on P-256 (DER, as OpenSSL writes it) as r || s, 64 bytes (RFC 7518 section 3.4). */
function rawFromDer(der: Buffer): Buffer {
  const raw = Buffer.alloc(2 * INTEGER_BYTES);
  let at = 2;
  for (const end of [INTEGER_BYTES, 2 * INTEGER_BYTES]) {
    const length = der.readUInt8(at + 1);
    const integer = der.subarray(at + 2, at + 2 + length);
    const significant = integer.subarray(Math.max(0, length - INTEGER_BYTES));
    significant.copy(raw, end - significant.length);
    at += 2 + length;
  }
  return raw;
}
