import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE, type DeviceTokenClaims } from '../../../src/tokens/claims.ts';
import { verifyDeviceToken, verifyTokenOfAnyAge } from '../../../src/tokens/verify.ts';
import { APPRAISED_CLAIMS } from '../../support/tokens.ts';
import { type JwsKey, jwsReaders, makeKey, openKey } from './jws/compact.ts';
import { invariant, type Target } from './target.ts';

const NOW = new Date('2026-06-15T12:00:00Z');
const SECONDS = NOW.getTime() / 1000;
const ISSUER = 'https://tapgate.example';
const ACQUIRER = 'acquirer-a';

const CLAIMS: DeviceTokenClaims = {
  iss: ISSUER,
  sub: 'device-1',
  aud: ACQUIRER,
  iat: SECONDS - 10,
  exp: SECONDS + 300,
  jti: 'token-1',
  cnf: { jkt: 'A'.repeat(43) },
  eat_profile: DEVICE_TOKEN_PROFILE,
  merchant: 'shop',
  ...APPRAISED_CLAIMS,
};

const isText = (value: unknown): boolean => typeof value === 'string' && value.length > 0 && value.length <= 256;

/** Every accepted token is this acquirer's, in force, and names what its readers rely on. */
function accepts(compact: string, { known }: JwsKey): boolean {
  const expected = { issuer: ISSUER, keys: known, audience: ACQUIRER };
  const verified = verifyDeviceToken(compact, { ...expected, now: NOW });
  if (!verified.ok) return false;
  const ofAnyAge = verifyTokenOfAnyAge(compact, expected);
  const { iss, aud, iat, exp, sub, jti, cnf, merchant } = verified.value;
  invariant(ofAnyAge.ok, 'a token in force is refused where its age does not matter');
  invariant(iss === ISSUER && aud === ACQUIRER, `the token of another: ${iss}, ${aud}`);
  invariant(Number.isSafeInteger(iat) && iat <= SECONDS + 1, `issued in the future: ${iat}`);
  invariant(Number.isSafeInteger(exp) && exp > SECONDS, `expired: ${exp}`);
  invariant([sub, jti, merchant].every(isText) && cnf.jkt.length === 43, 'a claim of another form');
  return true;
}

/** Device tokens as processing verifies them. */
export const TOKEN: Target = {
  prepare: async () => makeKey(),
  open: (prepared) => {
    const key = openKey(prepared);
    return jwsReaders(DEVICE_TOKEN_TYPE, [CLAIMS, { ...CLAIMS, extra: 1 }], key, (compact) => accepts(compact, key));
  },
};
