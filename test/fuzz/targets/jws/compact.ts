import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { invariant, type Reader } from '../target.ts';

/** What compact JWS and their claims are made of. */
export const JWS_TOKENS: readonly Uint8Array[] = [
  '.',
  '..',
  '=',
  'e30',
  'eyJ',
  '-',
  '_',
  '+',
  '/',
  '\n',
  ' ',
  '"alg":"none"',
  '"alg":"ES256"',
  '"typ"',
  '"kid"',
  '"crit":[]',
  '"exp":',
  '"iat":',
  '"aud":[',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '""',
  'null',
  'true',
  '1e999',
  '-1',
  '9007199254740993',
  '1.5',
  '"__proto__":{',
  '"toString":',
  '\\u0000',
  '\\ud800',
].map((text) => Buffer.from(text));

/** Names the key in every JWS of the fuzzer. */
export const KEY_ID = 'key-1';

/** A signing key as it is kept with a finding. */
export function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'der' }).toString('hex');
}

/** A key that signs, and the same as verifiers know it. */
export interface JwsKey {
  readonly privateKey: KeyObject;
  readonly known: ReadonlyMap<string, KeyObject>;
}

export function openKey(hex: string): JwsKey {
  const privateKey = createPrivateKey({ key: Buffer.from(hex, 'hex'), format: 'der', type: 'pkcs8' });
  return { privateKey, known: new Map([[KEY_ID, createPublicKey(privateKey)]]) };
}

/** Signs a header and claims, whatever they are, as a compact JWS. */
export function signCompact(header: Uint8Array, claims: Uint8Array, key: KeyObject): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** The header that issuers write. */
export const headerOf = (type: string): Buffer => Buffer.from(JSON.stringify({ alg: 'ES256', kid: KEY_ID, typ: type }));

/** Three readers of one kind of JWS: the compact text, headers and claims under a good signature. */
export function jwsReaders(
  type: string,
  claims: readonly object[],
  key: JwsKey,
  accepts: (compact: string) => boolean,
): readonly Reader[] {
  const honest = claims.map((one) => Buffer.from(JSON.stringify(one)));
  const genuine = new Set(honest.map((one) => signCompact(headerOf(type), one, key.privateKey)));
  const [first = Buffer.alloc(0)] = honest;
  const common = { maximumBytes: 2048, tokens: JWS_TOKENS } as const;
  return [
    {
      name: 'compact',
      weight: 2,
      ...common,
      seeds: [...genuine].map((compact) => Buffer.from(compact)),
      read: (input) => {
        const compact = Buffer.from(input).toString('latin1');
        if (!accepts(compact)) return false;
        invariant(genuine.has(compact), `a JWS that nobody issued is accepted: ${compact}`);
        return true;
      },
    },
    {
      name: 'header',
      weight: 1,
      ...common,
      seeds: [headerOf(type)],
      read: (input) => {
        if (!accepts(signCompact(input, first, key.privateKey))) return false;
        const header = JSON.parse(Buffer.from(input).toString()) as Record<string, unknown>;
        const { alg, typ, kid, ...others } = header;
        const known = alg === 'ES256' && typ === type && kid === KEY_ID && Object.keys(others).length === 0;
        invariant(known, `a header that issuers do not write is accepted: ${Buffer.from(input).toString()}`);
        return true;
      },
    },
    {
      name: 'claims',
      weight: 2,
      ...common,
      seeds: honest,
      read: (input) => accepts(signCompact(headerOf(type), input, key.privateKey)),
    },
  ];
}
