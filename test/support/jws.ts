import { type KeyObject, sign } from 'node:crypto';

const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A compact JWS with any header and claims, signed with ECDSA P-256 whatever the header says. */
export function compactJws(header: object, claims: unknown, key: KeyObject): string {
  const input = `${segment(header)}.${segment(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
