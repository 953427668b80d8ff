import { X509Certificate } from 'node:crypto';
import type { Certificate } from '../attestation/android/certificate.ts';
import type { LinkStatus } from '../attestation/android/chain.ts';
import type { ChainFacts } from '../attestation/android/chain-facts.ts';
import type { KeyAppraisal, KeyFacts } from '../attestation/appraise.ts';
import { plain, print, printTable } from './output.ts';

const LINKS: Readonly<Record<LinkStatus, string>> = {
  verified: 'signature good',
  remembered: 'signature good',
  invalid: 'SIGNATURE BAD',
  unsupported: 'not checkable',
  untried: 'not reached',
};

/** A subject for people; what Node cannot read is said to be so. */
function subjectOf(certificate: Certificate): string {
  try {
    return new X509Certificate(certificate.der).subject.replaceAll('\n', ', ');
  } catch {
    return '(unreadable)';
  }
}

function day(milliseconds: number): string {
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString().slice(0, 10) : '?';
}

function certificateRow(facts: ChainFacts, certificate: Certificate, position: number): string[] {
  const link = facts.path.links[position];
  const isRoot = position === facts.certificates.length - 1 && facts.path.carriesAnchor;
  const notes = [
    facts.attested?.position === position ? 'attested key' : '',
    facts.attestKey?.position === position ? 'attestation key of the phone' : '',
    facts.below.includes(position) ? 'BELOW THE ATTESTED KEY' : '',
  ];
  return [
    String(position),
    subjectOf(certificate),
    certificate.key.algorithm + (certificate.key.algorithm === 'rsa' ? ` ${certificate.key.bits}` : ''),
    certificate.serial.length > 20 ? `${certificate.serial.slice(0, 20)}…` : certificate.serial,
    `${day(certificate.notBefore)} … ${day(certificate.notAfter)}`,
    isRoot ? `anchor ${facts.path.anchor?.name}` : link === undefined ? '' : LINKS[link],
    notes.filter((note) => note !== '').join(', '),
  ];
}

/** Android's version out of MMmmss. */
function androidVersion(version: number | null): string {
  if (version === null) return 'not stated';
  if (version === 0) return 'unknown (0)';
  const minor = Math.floor(version / 100) % 100;
  return `Android ${Math.floor(version / 10_000)}${minor === 0 ? '' : `.${minor}`}`;
}

function factLines(facts: KeyFacts): [string, string][] {
  const { rootOfTrust: boot, patchLevels, applicationId: application } = facts;
  const ids = Object.entries(facts.deviceIds ?? {}).filter(([, value]) => value !== null);
  return [
    ['attestation', `version ${facts.attestationVersion}, ${facts.attestationSecurityLevel}`],
    [
      'key',
      `${facts.keyAlgorithm} ${facts.keySize ?? ''} in ${facts.keySecurityLevel}, KeyMint ${facts.keyMintVersion}`,
    ],
    ['use', `${facts.purposes.join(', ') || 'none'}; origin ${facts.origin ?? 'not stated'}`],
    ['challenge', facts.challenge || '(empty)'],
    ['provisioned', facts.provisioning === 'remote' ? 'remotely (RKP)' : 'in the factory'],
    [
      'boot',
      boot === null ? 'not attested' : `${boot.verifiedBootState}, ${boot.deviceLocked ? 'locked' : 'UNLOCKED'}`,
    ],
    ['boot key', boot?.verifiedBootKey ?? '-'],
    ['system', androidVersion(facts.osVersion)],
    [
      'patches',
      `system ${patchLevels.os ?? '-'}, vendor ${patchLevels.vendor ?? '-'}, boot ${patchLevels.boot ?? '-'}`,
    ],
    [
      'application',
      application?.packages.map(({ name, version }) => `${name} (${version})`).join(', ') ?? 'not stated',
    ],
    ['signed by', application?.signers.join(', ') ?? '-'],
    ['device', ids.map(([name, value]) => `${name} ${value}`).join(', ') || 'not attested'],
    ['tolerated', facts.tolerances.join(', ') || 'nothing'],
    ['unknown tags', facts.unknownTags.join(', ') || 'none'],
  ];
}

/** Prints a chain and its appraisal as a person wants to read it. */
export function printChain(file: string, facts: ChainFacts | null, appraisal: KeyAppraisal): void {
  print(`${file}: ${appraisal.verdict.toUpperCase()} ${appraisal.reasons.join(', ')}`);
  print();
  if (facts !== null) {
    printTable(
      ['#', 'subject', 'key', 'serial', 'valid', 'signed by the next', ''],
      facts.certificates.map((certificate, position) => certificateRow(facts, certificate, position)),
      'No certificates.',
    );
    print();
  }
  if (appraisal.facts !== null) {
    for (const [name, value] of factLines(appraisal.facts)) print(`  ${name.padEnd(13)} ${plain(value)}`);
    print();
  }
  const notable = appraisal.checks.filter(({ status }) => status === 'fail' || status === 'tolerated');
  printTable(
    ['check', 'status', 'detail'],
    notable.map(({ code, status, detail }) => [code, status, detail ?? '']),
    'Every check passed or was not asked for.',
  );
}
