import { agreesWith } from '../attestation/agreement.ts';
import type { KeyFacts } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import type { ExpectedKey } from '../attestation/check.ts';
import type { AttestedSession } from '../devices/store.ts';
import { transportChallenge } from '../encoding/contexts.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Refusal, type Result, refuse } from '../reasons/result.ts';
import type { KeyPolicy, TransportName } from './policy.ts';

/** A key that a phone offers for a transport. */
export interface TransportKeyClaim {
  readonly transport: TransportName;
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
}

/** A transport key of this phone, held by its hardware, made for this session and nonce, and good for its transport. */
export interface ProvenTransportKey {
  readonly transport: TransportName;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
}

/** What a transport key is judged against. */
export interface TransportKeyTerms {
  readonly session: AttestedSession;
  readonly nonce: Uint8Array;
  readonly policy: Pick<KeyPolicy, 'transports' | 'minimumRsaBits'>;
  readonly appraiser: Appraiser;
  readonly at: Date;
}

const PURPOSES = {
  'key-agreement': 'agree',
  rsa: 'decrypt',
  'secure-import': 'wrap',
} as const satisfies Record<TransportName, ExpectedKey['purpose']>;

/** KeyMint `Digest`. */
const SHA1 = 2;
const SHA256 = 4;
/** KeyMint `PaddingMode`: RSA_OAEP. */
const OAEP = 2;

/**
 * Refusals that say what a key is not, of a phone that may have a better one. Any other, such as a revoked chain or a key of
 * another phone, speaks against the whole request.
 */
const UNFIT: ReadonlySet<Reason> = new Set([
  'ATTESTATION_SOFTWARE',
  'KEY_PROPERTIES_NOT_ALLOWED',
  'TRANSPORT_KEY_TOO_WEAK',
]);

/**
 * The key to send initial keys to: of the transports that policy names, strongest first, the first one whose key the
 * attestation proves. Refuses with TRANSPORT_NOT_SUPPORTED where no offered transport is allowed, else with what is
 * wrong with the strongest offered key.
 */
export function chooseTransportKey(
  claims: readonly TransportKeyClaim[],
  terms: TransportKeyTerms,
): Result<ProvenTransportKey> {
  let refusal: Refusal | null = null;
  for (const transport of terms.policy.transports) {
    const claim = claims.find((offered) => offered.transport === transport);
    if (claim === undefined) continue;
    const proven = prove(claim, terms);
    if (proven.ok || !UNFIT.has(proven.reason)) return proven;
    refusal ??= proven;
  }
  return refusal ?? refuse('TRANSPORT_NOT_SUPPORTED');
}

function prove(
  { transport, chain }: TransportKeyClaim,
  { session, nonce, policy, appraiser, at }: TransportKeyTerms,
): Result<ProvenTransportKey> {
  const challenge = transportChallenge(session.publicKey, nonce);
  const appraisal = appraiser.appraise({ chain, at, expected: { challenge, purpose: PURPOSES[transport] } });
  if (appraisal.verdict === 'refused') {
    const [reason] = appraisal.reasons;
    return refuse(reason === 'CHALLENGE_MISMATCH' ? 'TRANSPORT_KEY_NOT_BOUND' : reason, appraisal.reasons.join(','));
  }
  const { facts } = appraisal;
  const difference = agreesWith(session.platform, facts);
  if (difference !== null) return refuse('TRANSPORT_KEY_DISAGREES', difference);
  const unfit = transport === 'key-agreement' ? null : unfitForOaep(facts, policy.minimumRsaBits);
  return unfit ?? ok({ transport, publicKey: facts.publicKey });
}

/** What keeps a key from taking RSA-OAEP as Android does it: SHA-256, MGF1 with SHA-1. Null where nothing does. */
function unfitForOaep(facts: KeyFacts, minimumBits: number): Refusal | null {
  const { keySize, paddings, digests, mgfDigests } = facts;
  if (keySize === null || keySize < minimumBits)
    return refuse('TRANSPORT_KEY_TOO_WEAK', `${keySize ?? 'unknown'} bits`);
  // Any other padding beside it would make the hardware an oracle for what was sent under OAEP.
  if (paddings.length === 0 || paddings.some((padding) => padding !== OAEP))
    return refuse('KEY_PROPERTIES_NOT_ALLOWED', `paddings ${paddings.join(', ') || 'none'}`);
  if (!digests.includes(SHA256)) return refuse('KEY_PROPERTIES_NOT_ALLOWED', `digests ${digests.join(', ') || 'none'}`);
  if (mgfDigests.length > 0 && !mgfDigests.includes(SHA1))
    return refuse('KEY_PROPERTIES_NOT_ALLOWED', `MGF1 digests ${mgfDigests.join(', ')}`);
  return null;
}
