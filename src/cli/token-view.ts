/** A member of a token as people read it. */
export interface MemberView {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

const MEANINGS: Readonly<Record<string, string>> = {
  alg: 'signature algorithm: ES256 and no other',
  kid: 'key of the published key set',
  typ: 'kind of token',
  iss: 'issuer: the Tapgate installation',
  sub: 'device id',
  aud: 'acquirer that may rely on it',
  iat: 'issued at',
  exp: 'expires at',
  jti: 'id of this token',
  'cnf.jkt': 'thumbprint of the session key: every use needs its signature',
  eat_profile: 'form of these claims',
  'ear.verifier-id.build': 'software that appraised the phone',
  'ear.verifier-id.developer': 'who made that software',
  merchant: 'merchant that the device is enrolled for',
  'submods.phone.ear.status': 'tier of the appraisal as a whole',
  'submods.phone.ear.appraisal-policy-id': 'version of the policy that it was appraised by',
};

const VECTOR = 'submods.phone.ear.trustworthiness-vector.';

function tier(value: number): string {
  if (value >= 96 || value < -96) return 'contraindicated';
  if (value >= 32 || value < -32) return 'warning';
  return value >= 2 || value < -1 ? 'affirming' : 'no claim';
}

function instant(value: unknown): string {
  const seconds = typeof value === 'number' && Math.abs(value) < 1e11 ? value : Number.NaN;
  return Number.isNaN(seconds) ? 'no instant' : new Date(seconds * 1000).toISOString().replace('.000', '');
}

function meaningOf(name: string, value: unknown): string {
  if (name.startsWith(VECTOR)) return typeof value === 'number' ? tier(value) : 'no value of AR4SI';
  if (name === 'iat' || name === 'exp') return `${MEANINGS[name]}: ${instant(value)}`;
  return MEANINGS[name] ?? 'not a member that Tapgate gives';
}

/** Deeper members are shown as JSON. */
const MAXIMUM_DEPTH = 4;

/** The members of a header or of claims, flattened, with what each means. */
export function meaningOfClaims(members: Readonly<Record<string, unknown>>, prefix = '', depth = 1): MemberView[] {
  return Object.entries(members).flatMap(([member, value]): MemberView[] => {
    const name = `${prefix}${member}`;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isObject && depth < MAXIMUM_DEPTH) {
      return meaningOfClaims(value as Readonly<Record<string, unknown>>, `${name}.`, depth + 1);
    }
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [{ name, value: text, meaning: meaningOf(name, value) }];
  });
}
