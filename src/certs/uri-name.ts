/** The planes of callers, each with its own listener and certificate authority. */
export const PLANES = ['device', 'processing', 'admin'] as const;
export type Plane = (typeof PLANES)[number];

/** Who a client certificate stands for. */
export type CertifiedCaller =
  | { readonly plane: 'processing'; readonly acquirer: string }
  | { readonly plane: 'admin'; readonly role: string; readonly person: string };

/** Acquirers, roles and persons in certificates. */
export const NAME_FORM = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const TRUST_DOMAIN = 'spiffe://tapgate/';
// Three names at most, and what holds them together.
const MAXIMUM_URI = 256;

/** The URI name (SPIFFE ID) of a client certificate. Throws RangeError for a name that is not of NAME_FORM. */
export function uriNameOf(caller: CertifiedCaller): string {
  const names = caller.plane === 'processing' ? [caller.acquirer] : [caller.role, caller.person];
  if (!names.every((name) => NAME_FORM.test(name))) {
    throw new RangeError('a name in a certificate is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit');
  }
  return `${TRUST_DOMAIN}${caller.plane}/${names.join('/')}`;
}

/** Reads `spiffe://tapgate/processing/<acquirer>` or `spiffe://tapgate/admin/<role>/<person>`; null for anything else. */
export function parseUriName(uri: string): CertifiedCaller | null {
  if (uri.length > MAXIMUM_URI || !uri.startsWith(TRUST_DOMAIN)) return null;
  const [plane, ...names] = uri.slice(TRUST_DOMAIN.length).split('/');
  if (!names.every((name) => NAME_FORM.test(name))) return null;
  const [first, second] = names;
  if (plane === 'processing' && names.length === 1) return { plane, acquirer: first! };
  if (plane === 'admin' && names.length === 2) return { plane, role: first!, person: second! };
  return null;
}
