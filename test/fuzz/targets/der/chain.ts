import { type AnchorSet, anchorFromCertificate, createAnchorSet } from '../../../../src/attestation/android/anchors.ts';
import { parseCertificate } from '../../../../src/attestation/android/certificate.ts';
import { createVerifiedIssuers } from '../../../../src/attestation/android/verified-issuers.ts';
import { appraiseKey, CHECK_CODES, type KeyAppraisal } from '../../../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../../../src/attestation/policy.ts';
import { invariant, type Reader } from '../target.ts';
import { AT, type Chain } from './chains.ts';
import { DER_TOKENS } from './tokens.ts';

const MAXIMUM_CHAIN = 16_384;

/** As lenient as policy can be: what is trusted in spite of it is all the more a finding. */
const POLICY = attestationPolicySchema.parse({
  attestKeyChains: true,
  statusList: { required: false },
  verifiedBoot: { deviceLocked: false },
});

const EXPECTED = { challenge: null, purpose: null, algorithm: null, application: 'skip', patches: 'skip' } as const;

/** Cuts bytes where a DER SEQUENCE says that it ends; what is left over is the last part. */
function cut(input: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < input.length) {
    const long = input[at + 1] === 0x82;
    const length = long ? 4 + (input[at + 2] ?? 0) * 256 + (input[at + 3] ?? 0) : 2 + (input[at + 1] ?? 0);
    parts.push(input.subarray(at, at + length));
    at += length;
  }
  return parts;
}

const same = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && Buffer.compare(a, b) === 0;

/** The chains that a phone made: a seed, and, where one attested key certifies another, the upper one's own. */
function madeByPhones(seeds: readonly Chain[]): readonly Chain[] {
  return seeds.flatMap((seed) =>
    seed.flatMap((der, position) => {
      const certificate = parseCertificate(der, MAXIMUM_CHAIN);
      return certificate.ok && certificate.value.keyDescription !== null ? [seed.slice(position)] : [];
    }),
  );
}

/**
 * Whether a chain is one of these, byte by byte. The last root may be left out, and is nobody's word beyond its name and
 * key, so it is not compared; below it the root that signed itself may stand any number of times.
 */
function isOneOf(chain: readonly Uint8Array[], made: readonly Chain[]): boolean {
  return made.some((own) => {
    const below = own.slice(0, -1);
    const repeated = chain.slice(below.length, -1);
    return (
      chain.length >= below.length &&
      below.every((certificate, position) => same(certificate, chain[position])) &&
      repeated.every((certificate) => made.some((other) => same(certificate, other.at(-1))))
    );
  });
}

function anchorsOf(chains: readonly Chain[]): AnchorSet {
  const roots = new Map(chains.map((chain) => [chain.at(-1)!.toString('base64'), chain.at(-1)!]));
  return createAnchorSet(
    [...roots.values()].map((root) => {
      const anchor = anchorFromCertificate('virtual', root);
      if (!anchor.ok) throw new Error(`a virtual root: ${anchor.reason}`);
      return anchor.value;
    }),
  );
}

function isComplete({ verdict, reasons, checks }: KeyAppraisal): boolean {
  const codes = checks.length === CHECK_CODES.length && checks.every(({ code }, index) => code === CHECK_CODES[index]);
  const failed = checks.some(({ status }) => status === 'fail');
  return codes && (verdict === 'trusted') === !failed && (verdict === 'trusted') === (reasons.length === 0);
}

/** Whole chains, with issuers remembered from run to run: nothing but a phone's own bytes is ever trusted. */
export function chainReader(virtual: readonly Chain[], real: readonly Chain[]): Reader {
  const anchors = anchorsOf(virtual);
  const issuers = createVerifiedIssuers(64);
  const seeds = [...virtual, ...real];
  const made = madeByPhones(seeds);
  const appraise = (chain: readonly Uint8Array[]) =>
    appraiseKey({ chain, at: AT, policy: POLICY, expected: EXPECTED, anchors, statusList: null, issuers });
  return {
    name: 'chain',
    weight: 4,
    maximumBytes: MAXIMUM_CHAIN,
    seeds: seeds.map((chain) => Buffer.concat(chain)).filter(({ length }) => length <= MAXIMUM_CHAIN),
    elements: true,
    tokens: DER_TOKENS,
    read: (input) => {
      const chain = cut(input);
      const appraisal = appraise(chain);
      invariant(isComplete(appraisal), `an appraisal contradicts itself: ${JSON.stringify(appraisal.checks)}`);
      if (appraisal.verdict !== 'trusted') return false;
      invariant(isOneOf(chain, made), 'a chain is trusted that no phone has made');
      return true;
    },
  };
}
