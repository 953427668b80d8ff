import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decidePayment } from '../../src/gate/decide.ts';
import type { GateAnswer } from '../../src/gate/decision.ts';
import { addGrant, decisionOf } from '../support/enrolled.ts';
import { payment } from './payment.ts';

const event = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('ask', 'ask another', 'ask both at once') },
  { weight: 1, arbitrary: fc.constantFrom('vault down', 'vault up', 'PIN lost', 'revoked', 'later payment decided') },
  { weight: 1, arbitrary: fc.constantFrom(1_000, 119_999, 120_000, 600_000) },
);

// Whatever happens around it, and in whichever order: one grant has at most one decision, and it never changes.
test('a grant is decided once, and every answer tells of that one decision', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(event, { minLength: 2, maxLength: 12 }), async (withPin, events) => {
      const made = await payment({ withPin });
      const other = made.withIntent((intent) => ({
        ...intent,
        emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
      }));
      const requests = { ask: [made.request], 'ask another': [other], 'ask both at once': [made.request, other] };
      let decision = await made.decision();
      let revoked = false;
      for (const happening of events) {
        let answers: GateAnswer[] = [];
        if (typeof happening === 'number') made.clock.advance(happening);
        else if (happening === 'vault down') made.vault.refuse('translatePayment', 'VAULT_UNAVAILABLE');
        else if (happening === 'vault up') made.vault.recover();
        else if (happening === 'PIN lost') await made.held.take(made.stored.grant.id);
        else if (happening === 'revoked') {
          await made.stores.revoke(made.phone.deviceId);
          revoked = true;
        } else if (happening === 'later payment decided') {
          await made.stores.decisions.commit(decisionOf(await addGrant(made.stores, made.phone, { sequence: 2n })));
        } else answers = await Promise.all(requests[happening].map((request) => decidePayment(request, made.ports)));
        const now = await made.decision();
        if (decision !== null) expect(now).toEqual(decision);
        if (decision === null && revoked) expect(now).toBeNull();
        decision = now;
        for (const answer of answers) {
          if (answer.outcome === 'approved') expect(answer.receipt).toBe(decision?.receipt);
          if (answer.outcome !== 'refused' || decision === null) continue;
          expect([['INTENT_CHANGED'], decision.reasons]).toContainEqual(answer.reasons);
        }
      }
    }),
    { seed: 7, numRuns: 150 },
  );
});
