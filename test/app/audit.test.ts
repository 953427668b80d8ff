import { describe, expect, test } from '@jest/globals';
import { auditedVault } from '../../src/app/audit.ts';
import type { GateVault } from '../../src/gate/vault.ts';
import { ok, refuse } from '../../src/reasons/result.ts';

describe("the gate's vault", () => {
  const called: string[] = [];
  const vault = {
    translatePayment: async () => {
      called.push('translate');
      return refuse('VAULT_UNAVAILABLE');
    },
    signRefusal: async () => {
      called.push('refuse');
      return ok('receipt');
    },
  } satisfies GateVault;
  const standing = (behind: 'AUDIT_BEHIND' | null) => ({ behind: () => behind, lastCheckpoint: () => null });
  const signed = { payload: Buffer.alloc(0), signature: Buffer.alloc(0), keyId: '' };
  const payment = { intent: signed, sessionKey: Buffer.alloc(0), grant: signed, pinBlock: null };

  test.each([
    ['signs what is new while the log keeps up', null, ['translate', 'translate', 'refuse']],
    ['only translates again what stands while it is behind', 'AUDIT_BEHIND' as const, ['translate']],
  ])('%s', async (_what, behind, expected) => {
    called.length = 0;
    const audited = auditedVault(vault, standing(behind));
    await audited.translatePayment({ ...payment, receipt: null });
    const approval = await audited.translatePayment({ ...payment, receipt: {} as never });
    const refusal = await audited.signRefusal({ ...payment, claims: {} as never });
    expect(called).toEqual(expected);
    if (behind !== null) {
      expect([approval, refusal]).toEqual([refuse('AUDIT_BEHIND'), refuse('AUDIT_BEHIND')]);
    }
  });
});
