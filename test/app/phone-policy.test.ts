import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { gateRulesInForce } from '../../src/app/phone-policy.ts';
import { readPolicy } from '../../src/app/policy.ts';

test('payments are judged by the version in force, and by none while that is not known', async () => {
  const inForce = await readPolicy(join(import.meta.dirname, '../../src/app/policy.default.yaml'));
  let isCurrent = true;
  const policies = { for: () => inForce, isCurrent: () => isCurrent };
  const subject = { deviceId: 'd', acquirer: 'a', merchant: 'm' };
  const { gate, sessions } = inForce.document;
  const { currencies, verificationLimits } = sessions;
  const document = { ...gate, currencies, verificationLimits };
  expect(gateRulesInForce(policies, subject)).toEqual({ version: inForce.version, document });
  isCurrent = false;
  expect(gateRulesInForce(policies, subject)).toBeNull();
});
