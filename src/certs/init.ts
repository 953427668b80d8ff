import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { CertificateFolder, type CertificateReason, fileNameOf, RESERVED_NAMES } from './folder.ts';
import {
  type CertifiedKey,
  issueClientCertificateOf,
  issueServerCertificateOf,
  newAuthority,
  serverNames,
  type Validity,
  validFor,
} from './issue.ts';
import { type CertifiedCaller, NAME_FORM, PLANES, type Plane, uriNameOf } from './uri-name.ts';

/** What a development installation needs. */
export interface CertificatesRequest {
  readonly directory: string;
  /** DNS names and IP addresses of the servers beside localhost. */
  readonly hosts: readonly string[];
  readonly acquirers: readonly string[];
  readonly admins: readonly { readonly role: string; readonly person: string }[];
  readonly now: Date;
  /** How long server and client certificates are valid. */
  readonly days: number;
}

/** Paths of the certificates that were made, and of those that were there already. */
export interface CertificatesMade {
  readonly created: readonly string[];
  readonly kept: readonly string[];
}

const AUTHORITY = 'ca';
const SERVER = 'server';
/** Longer than any certificate under it. */
const AUTHORITY_DAYS = 3650;
const HOST_FORM = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

type Outcome<T> = Result<T, CertificateReason>;

function checkDays(days: number): Outcome<null> {
  const valid = Number.isInteger(days) && days >= 1 && days <= AUTHORITY_DAYS;
  return valid ? ok(null) : refuse('NAME_INVALID', `days is 1 to ${AUTHORITY_DAYS}`);
}

function checkCaller(caller: CertifiedCaller): Outcome<null> {
  const names = caller.plane === 'processing' ? [caller.acquirer] : [caller.role, caller.person];
  const wrong = names.find((name) => !NAME_FORM.test(name));
  if (wrong !== undefined) return refuse('NAME_INVALID', wrong);
  return RESERVED_NAMES.includes(fileNameOf(caller)) ? refuse('NAME_INVALID', fileNameOf(caller)) : ok(null);
}

/** The certificate where the file holds one, and the key beside it is its own. */
function pairOf({ certificate, key }: CertifiedKey): X509Certificate | null {
  try {
    const parsed = new X509Certificate(certificate);
    return parsed.checkPrivateKey(createPrivateKey(key)) ? parsed : null;
  } catch {
    return null;
  }
}

/** Whether what is there is what would be made: under this authority, with these names. */
function fits(existing: CertifiedKey, authority: CertifiedKey, names: readonly string[]): boolean {
  const certificate = pairOf(existing);
  if (certificate === null) return false;
  const issuer = new X509Certificate(authority.certificate);
  const stated = (certificate.subjectAltName ?? '').split(', ');
  const answers = (name: string): boolean => {
    if (name.startsWith('spiffe:')) return stated.includes(`URI:${name}`);
    return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
  };
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey) && names.every(answers);
}

/** Keeps what is there and fits, makes what is missing. */
class Plan {
  readonly #created: string[] = [];
  readonly #kept: string[] = [];

  get made(): CertificatesMade {
    return { created: this.#created, kept: this.#kept };
  }

  async authority(folder: CertificateFolder, validity: Validity): Promise<Outcome<CertifiedKey>> {
    const existing = await folder.read(AUTHORITY);
    if (!existing.ok) return existing;
    const { certificate: path } = folder.pathsOf(AUTHORITY);
    if (existing.value) {
      if (!pairOf(existing.value)?.ca) return refuse('CERTIFICATE_DIFFERS', path);
      this.#kept.push(path);
      return ok(existing.value);
    }
    const orphans = await folder.names();
    if (orphans.length > 0) return refuse('CERTIFICATES_INCOMPLETE', `${path} is missing, ${orphans[0]}.crt is there`);
    const made = newAuthority(folder.plane, validity);
    await folder.write(AUTHORITY, made);
    this.#created.push(path);
    return ok(made);
  }

  async certificate(
    folder: CertificateFolder,
    authority: CertifiedKey,
    wanted: { readonly name: string; readonly names: readonly string[]; readonly issue: () => CertifiedKey },
  ): Promise<Outcome<null>> {
    const existing = await folder.read(wanted.name);
    if (!existing.ok) return existing;
    const { certificate: path } = folder.pathsOf(wanted.name);
    if (existing.value) {
      if (!fits(existing.value, authority, wanted.names)) return refuse('CERTIFICATE_DIFFERS', path);
      this.#kept.push(path);
      return ok(null);
    }
    await folder.write(wanted.name, wanted.issue());
    this.#created.push(path);
    return ok(null);
  }
}

function callersOf(plane: Plane, request: CertificatesRequest): CertifiedCaller[] {
  if (plane === 'processing') return request.acquirers.map((acquirer) => ({ plane, acquirer }));
  if (plane === 'admin') return request.admins.map(({ role, person }) => ({ plane, role, person }));
  return [];
}

async function initPlane(plane: Plane, request: CertificatesRequest, plan: Plan): Promise<Outcome<null>> {
  const folder = new CertificateFolder(request.directory, plane);
  const authority = await plan.authority(folder, validFor(request.now, AUTHORITY_DAYS));
  if (!authority.ok) return authority;
  const validity = validFor(request.now, request.days);
  const { dns, ip } = serverNames(request.hosts);
  const server = await plan.certificate(folder, authority.value, {
    name: SERVER,
    names: [...dns, ...ip],
    issue: () => issueServerCertificateOf(plane, authority.value, validity, request.hosts),
  });
  if (!server.ok) return server;
  for (const caller of callersOf(plane, request)) {
    const client = await plan.certificate(folder, authority.value, {
      name: fileNameOf(caller),
      names: [uriNameOf(caller)],
      issue: () => issueClientCertificateOf(caller, authority.value, validity),
    });
    if (!client.ok) return client;
  }
  return ok(null);
}

/**
 * Makes the certificates of a development installation: for each plane its own authority and a server certificate, and
 * client certificates for acquirers and admins. EC P-256; keys are files of mode 0600.
 *
 * Nothing is overwritten: what is there and fits is kept, so the call can be repeated; what does not fit is refused with
 * CERTIFICATE_DIFFERS, half a pair with CERTIFICATES_INCOMPLETE. Names are checked before anything is written. For
 * development: in production the authority's key lies elsewhere.
 */
export async function initCertificates(request: CertificatesRequest): Promise<Outcome<CertificatesMade>> {
  const days = checkDays(request.days);
  if (!days.ok) return days;
  const host = request.hosts.find((each) => isIP(each) === 0 && !HOST_FORM.test(each));
  if (host !== undefined) return refuse('NAME_INVALID', host);
  for (const caller of PLANES.flatMap((plane) => callersOf(plane, request))) {
    const checked = checkCaller(caller);
    if (!checked.ok) return checked;
  }
  const plan = new Plan();
  for (const plane of PLANES) {
    const done = await initPlane(plane, request, plan);
    if (!done.ok) return done;
  }
  return ok(plan.made);
}

/**
 * Issues one more client certificate under the plane's authority; answers its paths.
 *
 * CERTIFICATE_EXISTS where there is one of this name, AUTHORITY_MISSING where the authority or its key is not there,
 * CERTIFICATE_DIFFERS where the two do not belong together.
 */
export async function issueClientCertificate(request: {
  readonly directory: string;
  readonly caller: CertifiedCaller;
  readonly now: Date;
  readonly days: number;
}): Promise<Outcome<{ readonly certificate: string; readonly key: string }>> {
  const { caller } = request;
  const days = checkDays(request.days);
  if (!days.ok) return days;
  const checked = checkCaller(caller);
  if (!checked.ok) return checked;
  const folder = new CertificateFolder(request.directory, caller.plane);
  const authority = await folder.read(AUTHORITY);
  if (!authority.ok || !authority.value) return refuse('AUTHORITY_MISSING', folder.pathsOf(AUTHORITY).key);
  if (!pairOf(authority.value)?.ca) return refuse('CERTIFICATE_DIFFERS', folder.pathsOf(AUTHORITY).certificate);
  const name = fileNameOf(caller);
  const existing = await folder.read(name);
  if (!existing.ok) return existing;
  if (existing.value) return refuse('CERTIFICATE_EXISTS', folder.pathsOf(name).certificate);
  await folder.write(name, issueClientCertificateOf(caller, authority.value, validFor(request.now, request.days)));
  return ok(folder.pathsOf(name));
}
