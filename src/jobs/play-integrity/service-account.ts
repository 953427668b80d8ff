import { createPrivateKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** A Google service account that may decode integrity tokens: who it is, and the key that it proves that with. */
export interface ServiceAccount {
  /** `client_email`. */
  readonly email: string;
  /** `private_key_id`. */
  readonly keyId: string;
  /** RSA, 2048 to 4096 bits. */
  readonly key: KeyObject;
}

/** What is wrong with a key file; none of its text is repeated. */
export type ServiceAccountFailure =
  | 'SERVICE_ACCOUNT_TOO_LARGE'
  /** Not the JSON that the Google Cloud console gives for a service account. */
  | 'SERVICE_ACCOUNT_MALFORMED'
  /** No private key in plain PKCS #8, or not RSA of 2048 to 4096 bits. */
  | 'SERVICE_ACCOUNT_KEY_INVALID';

/** RFC 7468 §10. */
const PKCS8_LABEL = 'PRIVATE KEY';
const MAXIMUM_CHARACTERS = 16_384;
const MINIMUM_BITS = 2048;
const MAXIMUM_BITS = 4096;

const accountSchema = z.looseObject({
  type: z.literal('service_account'),
  client_email: z
    .string()
    .max(320)
    .regex(/^[\x21-\x3f\x41-\x7e]+@[\x21-\x3f\x41-\x7e]+$/),
  private_key_id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/),
  private_key: z.string().startsWith(`-----BEGIN ${PKCS8_LABEL}-----\n`),
});

function privateKeyOf(pem: string): KeyObject | null {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // What OpenSSL says of it may repeat parts of the key.
    return null;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return key.asymmetricKeyType === 'rsa' && bits >= MINIMUM_BITS && bits <= MAXIMUM_BITS ? key : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message would quote the file.
    return null;
  }
}

/**
 * Reads a service account's JSON key. Its `token_uri` is passed over: where tokens are fetched is for the configuration
 * to say, not for a file that came by other ways.
 */
export function parseServiceAccount(text: string): Result<ServiceAccount, ServiceAccountFailure> {
  if (text.length > MAXIMUM_CHARACTERS) return refuse('SERVICE_ACCOUNT_TOO_LARGE');
  const parsed = accountSchema.safeParse(parseJson(text));
  if (!parsed.success) return refuse('SERVICE_ACCOUNT_MALFORMED');
  const { client_email: email, private_key_id: keyId, private_key: pem } = parsed.data;
  const key = privateKeyOf(pem);
  return key === null ? refuse('SERVICE_ACCOUNT_KEY_INVALID') : ok({ email, keyId, key });
}
