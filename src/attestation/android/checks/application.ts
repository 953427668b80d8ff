import {
  type AppraisalTerms,
  attestedRule,
  type Finding,
  fail,
  NOT_ASKED,
  PASS,
  type Rule,
  skipped,
} from '../../check.ts';
import type { AttestationPolicy } from '../../policy.ts';
import type { ApplicationId, AttestedPackage } from '../application-id.ts';
import type { DescribedCertificate } from '../chain-facts.ts';

type AllowedApplication = AttestationPolicy['applications'][number];

// What Android puts there where it could not ask the package manager.
const UNKNOWN_APPLICATION = 'UnknownApplication';

const isUnknown = ({ packages }: ApplicationId): boolean =>
  packages.length === 0 || packages.some(({ name }) => name === UNKNOWN_APPLICATION);

/** The attestation names an application. */
const identified = attestedRule('APPLICATION_IDENTIFIED', ({ applicationId }, { expected }) => {
  if (expected.application === 'skip') return NOT_ASKED;
  if (applicationId === null) return fail('APP_ID_MISSING');
  if (!applicationId.ok) return fail('APP_ID_MALFORMED', applicationId.reason);
  return isUnknown(applicationId.value) ? fail('APP_ID_MISSING', UNKNOWN_APPLICATION) : PASS;
});

/** A rule about the application, where it is asked for and named. */
function applicationRule(
  code: string,
  judge: (application: ApplicationId, policy: AttestationPolicy) => Finding,
): Rule {
  return attestedRule(code, ({ applicationId }: DescribedCertificate, { expected, policy }: AppraisalTerms) => {
    if (expected.application === 'skip') return NOT_ASKED;
    if (applicationId === null || !applicationId.ok || isUnknown(applicationId.value)) return skipped('not identified');
    return judge(applicationId.value, policy);
  });
}

const allowedAs = ({ applications }: AttestationPolicy, { name }: AttestedPackage): readonly AllowedApplication[] =>
  applications.filter((application) => application.package === name);

/** Every package that shares the key is allowed. */
const allowed = applicationRule('APPLICATION_ALLOWED', ({ packages }, policy) => {
  const others = packages.filter((attested) => allowedAs(policy, attested).length === 0);
  return others.length === 0 ? PASS : fail('APP_NOT_ALLOWED', others.map(({ name }) => name).join(', '));
});

/** Every signer is one that policy allows for each of the packages. */
const signedAsAllowed = applicationRule('APPLICATION_SIGNER_ALLOWED', ({ packages, signers }, policy) => {
  const known = packages.filter((attested) => allowedAs(policy, attested).length > 0);
  if (known.length === 0) return skipped('no package is allowed');
  const foreign = signers.filter((signer) =>
    known.some((attested) => !allowedAs(policy, attested).some((application) => application.signers.includes(signer))),
  );
  if (signers.length > 0 && foreign.length === 0) return PASS;
  return fail('APP_SIGNER_NOT_ALLOWED', foreign.join(', ') || 'no signer');
});

/** No package is older than policy allows. */
const versionAllowed = applicationRule('APPLICATION_VERSION_ALLOWED', ({ packages }, policy) => {
  const old = packages.filter((attested) =>
    allowedAs(policy, attested).some(({ minimumVersion }) => attested.version < minimumVersion),
  );
  if (old.length === 0) return PASS;
  return fail('APP_VERSION_TOO_OLD', old.map(({ name, version }) => `${name} ${version}`).join(', '));
});

/** Rules about the application that holds the key. */
export const APPLICATION_RULES: readonly Rule[] = [identified, allowed, signedAsAllowed, versionAllowed];
