import { verify, X509Certificate } from 'node:crypto';
import { createVerifiedIssuers, type VerifiedIssuers } from '../../src/attestation/android/verified-issuers.ts';
import { appraiseKey } from '../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../src/attestation/policy.ts';
import { cpuMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import type { BenchChain, BenchChains, Link } from './chains.ts';

const ROUNDS = { rounds: 15, warmUp: 5 };
/** Of appraisals that take microseconds: until the compiler's threads, whose time counts too, have come to rest. */
const SEEN_ROUNDS = { rounds: 15, warmUp: 15 };
/** Appraisals of one round; the chains are gone through again and again. */
const COLD_PIECES = 240;
const SEEN_PIECES = 1000;
const REMEMBERED_ISSUERS = 1000;

const COLD: Goal = { relation: '<=', ratio: 1.3 };
const ISSUERS_SEEN: Goal = { relation: '<=', ratio: 1.5 };

/** What every chain passes. Some phones of the samples are unlocked: their other checks are made, and fail. */
const PATH_CHECKS = new Set(['CHAIN_WELL_FORMED', 'CHAIN_ANCHORED', 'CHAIN_SIGNATURES_VALID', 'NOT_REVOKED']);

const POLICY = attestationPolicySchema.parse({});

function verifyLink({ hash, tbs, key, signature }: Link): void {
  if (!verify(hash, tbs, key, signature)) throw new Error('a link of an anchored chain does not verify');
}

/** The signatures of a chain as Node verifies them from its bytes: no key is ready but the anchor's. */
function verifyByNode({ certificates, links }: BenchChain): void {
  let issuer: X509Certificate | null = null;
  for (let position = links.length - 1; position >= 0; position -= 1) {
    const certificate: X509Certificate = new X509Certificate(certificates[position]!);
    if (!certificate.verify(issuer?.publicKey ?? links[position]!.key)) throw new Error('a link does not verify');
    issuer = certificate;
  }
}

/** CPU time of one use, where the chains are used in turn, so many times in all. */
function eachInTurn(pieces: number, chains: readonly BenchChain[], use: (chain: BenchChain) => void): number {
  return cpuMicroseconds(pieces, () => {
    for (let piece = 0; piece < pieces; piece += 1) use(chains[piece % chains.length]!);
  });
}

/** Appraises every chain by every rule; application and patches are not judged, since real samples are of any. */
function appraisalOf({ anchors, statusList }: BenchChains): (chain: BenchChain, issuers: VerifiedIssuers) => void {
  return ({ certificates, at, challenge }, issuers) => {
    const { checks } = appraiseKey({
      chain: certificates,
      at,
      policy: POLICY,
      expected: { challenge, purpose: null, algorithm: null, application: 'skip', patches: 'skip' },
      anchors,
      statusList: { fetchedAt: at, entries: statusList },
      issuers,
    });
    for (const { code, status } of checks) {
      if (PATH_CHECKS.has(code) && status !== 'pass') throw new Error(`${code} does not pass for a chain of the bench`);
    }
  };
}

async function appraisals(
  chains: readonly BenchChain[],
  appraise: ReturnType<typeof appraisalOf>,
  kind: string,
  { line, tell }: BenchReport,
): Promise<void> {
  if (chains.length === 0) return tell(`no chains ${kind}: left out`);
  const cold = await interleave({
    ...ROUNDS,
    ours: () => eachInTurn(COLD_PIECES, chains, (chain) => appraise(chain, createVerifiedIssuers(REMEMBERED_ISSUERS))),
    yardstick: () => eachInTurn(COLD_PIECES, chains, ({ links }) => links.forEach(verifyLink)),
  });
  line(lineOf(`attestation/chain-cold-${kind}`, 'CPU µs/chain', compare(cold), COLD));
  const unread = await interleave({
    ...ROUNDS,
    ours: () => eachInTurn(COLD_PIECES, chains, (chain) => appraise(chain, createVerifiedIssuers(REMEMBERED_ISSUERS))),
    yardstick: () => eachInTurn(COLD_PIECES, chains, verifyByNode),
  });
  line(lineOf(`attestation/chain-cold-${kind}-node-x509`, 'CPU µs/chain', compare(unread), null));
  const issuers = createVerifiedIssuers(REMEMBERED_ISSUERS);
  const seen = await interleave({
    ...SEEN_ROUNDS,
    ours: () => eachInTurn(SEEN_PIECES, chains, (chain) => appraise(chain, issuers)),
    yardstick: () => eachInTurn(SEEN_PIECES, chains, ({ links: [leaf] }) => verifyLink(leaf)),
  });
  line(lineOf(`attestation/chain-issuers-seen-${kind}`, 'CPU µs/chain', compare(seen), ISSUERS_SEEN));
}

/**
 * Appraises chains with an empty memory of issuers, against the bare checks of all their links under keys that are ready
 * and against the same from the certificates' bytes, and with every issuer seen before, against the bare check of the
 * leaf's link. Chains that are RSA throughout are measured apart.
 */
export async function measureAppraisals(chains: BenchChains, report: BenchReport): Promise<void> {
  const { ec, rsa, source } = chains;
  report.tell(`${source}: ${ec.length} with EC keys, ${rsa.length} with RSA keys alone`);
  const appraise = appraisalOf(chains);
  await appraisals(ec, appraise, 'ec', report);
  await appraisals(rsa, appraise, 'rsa', report);
}
