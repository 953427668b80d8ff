import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import type { SignedBytes, SigningContext } from '../encoding/signed.ts';

/** Some minutes of grants of a busy installation; about 2 MB. */
const MOST = 16_384;

const own = new Set<string>();

/** Over everything that a verification looks at: context, key, bytes, signature. */
function nameOf(context: SigningContext, { payload, signature, keyId }: SignedBytes): string {
  return sha256(canonicalBytes(context, keyId, payload, signature)).toString('base64');
}

/**
 * Notes what this process has just signed with a service key. A payment comes back with its grant within minutes; to find
 * it here takes a hash in the place of an ECDSA verification. Whether the key still counts is asked each time.
 */
export function rememberOwn(context: SigningContext, signed: SignedBytes): void {
  own.add(nameOf(context, signed));
  if (own.size <= MOST) return;
  const [oldest] = own;
  if (oldest !== undefined) own.delete(oldest);
}

/** True where exactly these bytes, under this context and key id, are a signature of this process. */
export function isRemembered(context: SigningContext, signed: SignedBytes): boolean {
  return own.has(nameOf(context, signed));
}
