import { X509Certificate } from 'node:crypto';
import type { ServerHttp2Session } from 'node:http2';
import type { ServerUnaryCall } from '@grpc/grpc-js';
import { type CertifiedCaller, type Plane, parseUriName } from '../../certs/uri-name.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { streamBeneath } from './http2-stream.ts';
import { CallRefused } from './refused.ts';

/** Who calls. Phones prove themselves inside the messages, the others by their client certificate. */
export type Caller = { readonly plane: 'device' } | CertifiedCaller;

const URI_PREFIX = 'URI:';

/**
 * The caller that a verified client certificate (DER) names for this plane.
 *
 * The certificate carries exactly one URI name. CALLER_NOT_AUTHENTICATED for any other certificate.
 */
export function callerFromCertificate(
  plane: CertifiedCaller['plane'],
  certificate: Uint8Array,
): Result<CertifiedCaller, 'CALLER_NOT_AUTHENTICATED'> {
  const names = new X509Certificate(certificate).subjectAltName ?? '';
  // Node quotes a name that could be mistaken for two; none of ours needs that.
  if (names.includes('"')) return refuse('CALLER_NOT_AUTHENTICATED', 'a subjectAltName needs quoting');
  const uris = names.split(', ').filter((name) => name.startsWith(URI_PREFIX));
  if (uris.length !== 1) return refuse('CALLER_NOT_AUTHENTICATED', `${uris.length} URI names`);
  const caller = parseUriName(uris[0]!.slice(URI_PREFIX.length));
  if (caller?.plane !== plane) return refuse('CALLER_NOT_AUTHENTICATED', 'the URI name is none of this plane');
  return ok(caller);
}

const DEVICE: Result<Caller> = ok({ plane: 'device' });
const known = new WeakMap<ServerHttp2Session, Result<Caller>>();

/** Who makes this call on a listener of the plane. A connection's certificate is read once. */
export function callerOf(
  plane: Plane,
  call: Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'>,
): Result<Caller> {
  if (plane === 'device') return DEVICE;
  const session = streamBeneath(call)?.session as ServerHttp2Session | undefined;
  const before = session && known.get(session);
  if (before) return before;
  // grpc-js answers an empty context where the certificate did not verify.
  const certificate = call.getAuthContext().sslPeerCertificate?.raw;
  if (!certificate) return refuse('CALLER_NOT_AUTHENTICATED', 'no verified client certificate');
  const caller = callerFromCertificate(plane, certificate);
  if (session) known.set(session, caller);
  return caller;
}

/** The acquirer that calls; throws CallRefused where the caller is none. */
export function requireAcquirer(caller: Caller): string {
  if (caller.plane !== 'processing') throw new CallRefused(['CALLER_NOT_AUTHENTICATED']);
  return caller.acquirer;
}

/** The person that calls, in one of the roles; throws CallRefused (ROLE_NOT_ALLOWED) for another role. */
export function requireRole(
  caller: Caller,
  roles: readonly string[],
): { readonly role: string; readonly person: string } {
  if (caller.plane !== 'admin') throw new CallRefused(['CALLER_NOT_AUTHENTICATED']);
  if (!roles.includes(caller.role)) throw new CallRefused(['ROLE_NOT_ALLOWED'], `${caller.person} is ${caller.role}`);
  return { role: caller.role, person: caller.person };
}
