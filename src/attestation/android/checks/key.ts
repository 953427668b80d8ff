import { equalBytes } from '../../../encoding/digest.ts';
import { attestedRule, type ExpectedKey, fail, NOT_ASKED, PASS, type Rule } from '../../check.ts';
import type { KeyPurpose } from '../authorization-list.ts';
import type { SubjectKey } from '../subject-key.ts';

/** Purposes that may stand beside the expected one: its public half, which anybody can do. */
const PURPOSES: Readonly<Record<NonNullable<ExpectedKey['purpose']>, readonly [KeyPurpose, ...KeyPurpose[]]>> = {
  sign: ['SIGN', 'VERIFY'],
  agree: ['AGREE_KEY'],
  decrypt: ['DECRYPT', 'ENCRYPT'],
  wrap: ['WRAP_KEY'],
};

/** KeyMint `Algorithm`. */
const RSA = 1;
const EC = 3;
/** KeyMint `EcCurve`. */
const P_256 = 1;

/** The key was made for this exchange. */
const challenge = attestedRule('CHALLENGE_MATCHES', ({ description }, { expected }) => {
  if (expected.challenge === null) return NOT_ASKED;
  const matches = expected.challenge.length > 0 && equalBytes(description.challenge, expected.challenge);
  return matches ? PASS : fail('CHALLENGE_MISMATCH');
});

/** The hardware allows the key the expected use and no other. */
const purpose = attestedRule('KEY_PURPOSE', ({ description }, { expected }) => {
  if (expected.purpose === null) return NOT_ASKED;
  const { purposes } = description.hardwareEnforced;
  const [needed, ...beside] = PURPOSES[expected.purpose];
  const others = purposes.filter((stated) => stated !== needed && !beside.includes(stated));
  if (purposes.includes(needed) && others.length === 0) return PASS;
  return fail('KEY_PROPERTIES_NOT_ALLOWED', `purposes ${purposes.join(', ') || 'none'}`);
});

/** The hardware made the key itself: nobody ever held it. */
const origin = attestedRule('KEY_ORIGIN', ({ description }, { expected }) => {
  if (expected.purpose === null) return NOT_ASKED;
  const stated = description.hardwareEnforced.origin;
  return stated === 'GENERATED' ? PASS : fail('KEY_PROPERTIES_NOT_ALLOWED', `origin ${stated ?? 'not stated'}`);
});

/** The key belongs to one application. */
const oneApplication = attestedRule('KEY_OF_ONE_APPLICATION', ({ description }, { expected }) => {
  if (expected.purpose === null) return NOT_ASKED;
  const shared = description.hardwareEnforced.allApplications || description.softwareEnforced.allApplications;
  return shared ? fail('KEY_PROPERTIES_NOT_ALLOWED', 'any application may use the key') : PASS;
});

function expectedAlgorithm({ purpose, algorithm }: ExpectedKey): 'ec-p256' | 'rsa' | 'any' | null {
  if (algorithm !== undefined) return algorithm;
  if (purpose === null) return 'any';
  return purpose === 'sign' || purpose === 'agree' ? 'ec-p256' : 'rsa';
}

/** The certified key is of the expected kind and size, and of one that this service can use. */
const algorithm = attestedRule('KEY_ALGORITHM', ({ certificate: { key } }, { expected, policy }) => {
  const wanted = expectedAlgorithm(expected);
  if (wanted === null) return NOT_ASKED;
  const isEc = key.algorithm === 'ec-p256' && wanted !== 'rsa';
  const isRsa = key.algorithm === 'rsa' && wanted !== 'ec-p256' && (key.bits ?? 0) >= policy.minimumRsaBits;
  return isEc || isRsa ? PASS : fail('KEY_PROPERTIES_NOT_ALLOWED', `${key.algorithm} ${key.bits ?? ''}`.trim());
});

function describes(
  key: SubjectKey,
  stated: { algorithm: number | null; keySize: number | null; ecCurve: number | null },
) {
  if (stated.keySize !== null && key.bits !== null && key.bits !== stated.keySize) return false;
  if (key.algorithm === 'rsa') return stated.algorithm === RSA;
  if (!key.algorithm.startsWith('ec-')) return true;
  return stated.algorithm === EC && (stated.ecCurve === null || (stated.ecCurve === P_256) === (key.bits === 256));
}

/** The certificate's key is the one that its description describes. */
const describedKey = attestedRule('KEY_AS_DESCRIBED', ({ certificate: { key }, description }, { expected }) => {
  if (expectedAlgorithm(expected) === null) return NOT_ASKED;
  const { algorithm: number, keySize, ecCurve } = description.hardwareEnforced;
  if (describes(key, description.hardwareEnforced)) return PASS;
  const stated = `algorithm ${number}, ${keySize} bits, curve ${ecCurve}`;
  return fail('KEY_PROPERTIES_NOT_ALLOWED', `${key.algorithm} described as ${stated}`);
});

/** Rules about the key. */
export const KEY_RULES: readonly Rule[] = [challenge, purpose, algorithm, describedKey, origin, oneApplication];
