import { describe, expect, test } from '@jest/globals';
import type { DecisionRecord, UnreadableDecision } from '../../../src/audit/decision-record.ts';
import { ok } from '../../../src/reasons/result.ts';
import { type AuditAdminServiceParts, auditAdminService } from '../../../src/server/services/audit-admin.ts';
import { kept, policy } from '../../audit/decisions.ts';
import { START } from '../../support/clock.ts';

const nothing = async () => {
  throw new Error('not asked for');
};

const parts = (record: DecisionRecord | UnreadableDecision | null): AuditAdminServiceParts => ({
  log: { lastCheckpoint: async () => null, oldestUnchained: async () => START },
  reader: {
    checkpoints: async () => [],
    entries: async () => [],
    heads: async () => [],
    withoutEntry: async function* () {},
    size: async () => ({ entries: 3n, checkpoints: 0n }),
    entryOf: async () => null,
    checkpointOver: async () => null,
  },
  keyHistory: { note: nothing, publishedKeys: async () => [] },
  standing: { behind: () => 'AUDIT_BEHIND', lastCheckpoint: () => null },
  records: {
    decision: async () => record,
    surroundings: async () => null,
    page: async ({ decidedAt }) => (record !== null && record.decidedAt > decidedAt ? [record] : []),
  },
  parsePolicy: () =>
    ok({
      document: policy({ currencies: [{ currency: 978, maximumAmountMinor: 1, noPinAmountMinor: 1 }] }),
      version: 'v2',
    }),
  policyOf: async (version) => (version === 'policy-1' ? policy() : null),
});

/** Runs a method as somebody in a role; answers what it answers, and all that it sends. */
async function call(
  method: string,
  request: object,
  { role = 'auditor', record = kept() as DecisionRecord | UnreadableDecision | null } = {},
) {
  const made = auditAdminService(parts(record)).methods[method];
  const context = { caller: { plane: 'admin', role, person: 'ann' }, logger: { info: () => {} } } as never;
  const sent: unknown[] = [];
  if (made?.kind === 'unary') return { answer: await made.run(request, context), sent };
  if (made?.kind !== 'server-stream') throw new Error('no such method');
  const send = async (message: unknown): Promise<void> => void sent.push(message);
  await made.run(request, { send, signal: new AbortController().signal }, context);
  return { answer: null, sent };
}

const PERIOD = { policy: '', from: START, to: new Date(START.getTime() + 60_000) };

describe('the audit service', () => {
  test.each([
    ['getAuditStatus', {}],
    ['exportLog', {}],
    ['listPublishedKeys', {}],
    ['getDecision', { grantId: 'g' }],
    ['replayDecision', { grantId: 'g' }],
    ['backtestPolicy', PERIOD],
  ])('%s is for those who may look, and nobody else', async (method, request) => {
    await expect(call(method, request, { role: 'phone' })).rejects.toMatchObject({ reasons: ['ROLE_NOT_ALLOWED'] });
  });

  test('tells where the log stands', async () => {
    const { answer } = await call('getAuditStatus', {});
    expect(answer).toMatchObject({
      behind: 'AUDIT_BEHIND',
      oldestUnchained: START,
      entries: 3n,
      lastCheckpoint: undefined,
    });
  });

  test('reads the log out from its beginning to its end', async () => {
    const { sent } = await call('exportLog', {});
    expect(sent).toMatchObject([{ part: { $case: 'beginning' } }, { part: { $case: 'end' } }]);
  });

  test('replays a decision under its own policy', async () => {
    const { answer } = await call('replayDecision', { grantId: 'g' });
    expect(answer).toMatchObject({
      outcome: 'approved',
      replayedOutcome: 'approved',
      same: true,
      policyVersion: 'policy-1',
    });
  });

  test.each<[string, string, object, DecisionRecord | UnreadableDecision | null, string]>([
    ['a decision that is not there', 'getDecision', { grantId: 'g' }, null, 'NOT_FOUND'],
    ['a replay of what is not there', 'replayDecision', { grantId: 'g' }, null, 'NOT_FOUND'],
    ['a replay without facts', 'replayDecision', { grantId: 'g' }, kept({ facts: null }), 'AUDIT_FACTS_MISSING'],
    [
      'a replay without a version',
      'replayDecision',
      { grantId: 'g' },
      kept({ gatePolicyVersion: null }),
      'AUDIT_FACTS_MISSING',
    ],
    [
      'a replay under a version that is gone',
      'replayDecision',
      { grantId: 'g' },
      kept({ gatePolicyVersion: 'x' }),
      'AUDIT_FACTS_MISSING',
    ],
    [
      'a replay of what does not read',
      'replayDecision',
      { grantId: 'g' },
      { ...kept(), unreadable: true },
      'AUDIT_FACTS_UNREADABLE',
    ],
    ['a period without an end', 'backtestPolicy', { policy: '', from: START }, null, 'MALFORMED_MESSAGE'],
    ['an empty period', 'backtestPolicy', { ...PERIOD, to: START }, null, 'MALFORMED_MESSAGE'],
    [
      'a period of years',
      'backtestPolicy',
      { ...PERIOD, to: new Date(START.getTime() + 401 * 86_400_000) },
      null,
      'MALFORMED_MESSAGE',
    ],
  ])('refuses %s', async (_what, method, request, record, reason) => {
    await expect(call(method, request, { record })).rejects.toMatchObject({ reasons: [reason] });
  });

  test('tells each payment that would change, and the sums', async () => {
    const { sent } = await call('backtestPolicy', PERIOD);
    expect(sent).toMatchObject([
      {
        part: {
          $case: 'change',
          value: { amountMinor: 1250n, newOutcome: 'refused', newReasons: ['AMOUNT_OVER_LIMIT'] },
        },
      },
      { part: { $case: 'progress' } },
      {
        part: {
          $case: 'totals',
          value: {
            policyVersion: 'v2',
            payments: 1n,
            unreadable: 0n,
            nowRefused: 1n,
            phones: 1n,
            notJudged: ['gate.cardCounters', 'gate.refundToOtherCard', 'gate.childGrantSeconds'],
          },
        },
      },
    ]);
  });
});
