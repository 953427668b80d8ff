import { describe, expect, test } from '@jest/globals';
import type { KeyAppraisal } from '../../src/attestation/appraise.ts';
import type { Appraiser } from '../../src/attestation/appraiser.ts';
import { type KeptEvidence, reappraise } from '../../src/devices/reappraisal.ts';
import { encodeChain } from '../../src/devices/stored-chain.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { START } from '../support/clock.ts';
import { keyFacts } from '../support/facts.ts';

const NOW = secondsAfter(START, 86_400);
const ENROLLED = secondsAfter(START, -86_400);
const SESSION = [Buffer.from('session leaf'), Buffer.from('batch')];
const DEVICE = [Buffer.from('device leaf'), Buffer.from('batch')];
const CHALLENGE = Buffer.alloc(32, 0xc4);

const EVIDENCE: KeptEvidence = {
  deviceId: 'device-1',
  acquirer: 'acquirer-a',
  merchant: 'shop-1',
  thumbprint: 'session-1',
  session: { chain: encodeChain(SESSION), appraisedAt: START, challenge: CHALLENGE },
  deviceKey: { chain: encodeChain(DEVICE), appraisedAt: ENROLLED },
};

/** Refuses leaves for reasons, and keeps what it was asked. */
class NotingAppraiser implements Appraiser {
  readonly asked: Parameters<Appraiser['appraise']>[0][] = [];
  readonly #refused: Readonly<Record<string, readonly Reason[]>>;

  constructor(refused: Readonly<Record<string, readonly Reason[]>> = {}) {
    this.#refused = refused;
  }

  appraise(evidence: Parameters<Appraiser['appraise']>[0]): KeyAppraisal {
    this.asked.push(evidence);
    const leaf = Buffer.from(evidence.chain[0] ?? []).toString();
    const [reason, ...others] = this.#refused[leaf] ?? [];
    const checks = [{ code: leaf, status: reason === undefined ? 'pass' : 'fail' } as const];
    if (reason === undefined) return { verdict: 'trusted', reasons: [], checks, facts: keyFacts(Buffer.alloc(0)) };
    return { verdict: 'refused', reasons: [reason, ...others], checks, facts: null };
  }
}

describe('kept evidence', () => {
  test('is appraised as of now, its certificates as of when it was given', () => {
    const appraiser = new NotingAppraiser();
    expect(reappraise(EVIDENCE, NOW, appraiser)).toEqual({ outcome: 'stands' });
    expect(appraiser.asked).toEqual([
      { chain: SESSION, at: NOW, attestedAt: START, expected: { challenge: CHALLENGE, purpose: 'sign' } },
      {
        chain: DEVICE,
        at: NOW,
        attestedAt: ENROLLED,
        expected: { challenge: null, purpose: 'sign', application: 'skip', patches: 'skip' },
      },
    ]);
  });

  test('of a device whose own key is not kept is that of its session key', () => {
    const appraiser = new NotingAppraiser();
    expect(reappraise({ ...EVIDENCE, deviceKey: null }, NOW, appraiser)).toEqual({ outcome: 'stands' });
    expect(appraiser.asked).toHaveLength(1);
  });

  test('refuses where either key fails, with every reason and check', () => {
    const appraiser = new NotingAppraiser({ 'session leaf': ['PATCH_TOO_OLD'], 'device leaf': ['CHAIN_REVOKED'] });
    expect(reappraise(EVIDENCE, NOW, appraiser)).toEqual({
      outcome: 'refused',
      reasons: ['PATCH_TOO_OLD', 'CHAIN_REVOKED'],
      checks: [
        { code: 'session leaf', status: 'fail' },
        { code: 'device leaf', status: 'fail' },
      ],
    });
  });

  test('is left undecided where only something unavailable speaks against it', () => {
    const unavailable = new NotingAppraiser({ 'session leaf': ['STATUS_LIST_UNAVAILABLE'] });
    const reasons = ['STATUS_LIST_UNAVAILABLE'];
    expect(reappraise(EVIDENCE, NOW, unavailable)).toEqual({ outcome: 'undecided', reasons });
    const both = new NotingAppraiser({
      'session leaf': ['STATUS_LIST_UNAVAILABLE'],
      'device leaf': ['CHAIN_REVOKED', 'STATUS_LIST_UNAVAILABLE'],
    });
    expect(reappraise(EVIDENCE, NOW, both)).toMatchObject({ outcome: 'refused', reasons: ['CHAIN_REVOKED'] });
  });

  test.each<[string, Partial<KeptEvidence>]>([
    ['is not kept', { session: null }],
    ['cannot be read', { session: { chain: Buffer.of(0, 0, 0, 9, 1), appraisedAt: START, challenge: null } }],
    ['of the device key cannot be read', { deviceKey: { chain: Buffer.of(1), appraisedAt: START } }],
  ])('that %s asks for a new attestation', (_what, over) => {
    const expected = { outcome: 'without-evidence', reasons: ['EVIDENCE_NOT_KEPT'], checks: [] };
    expect(reappraise({ ...EVIDENCE, ...over }, NOW, new NotingAppraiser())).toEqual(expected);
  });
});
