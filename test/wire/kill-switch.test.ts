import { expect, test } from '@jest/globals';
import type { KillSelector } from '../../src/devices/kill-switch.ts';
import { KillScope, KillSelector as WireSelector } from '../../src/gen/tapgate/v1/kill_switch_admin_service.ts';
import { killScopeFromWire, killSelectorFromWire, killToWire } from '../../src/wire/kill-switch.ts';
import { START } from '../support/clock.ts';

const kill = (selector: KillSelector, scope: 'everything' | 'pin' = 'everything') => ({
  id: 'k',
  selector,
  scope,
  cause: 'why',
  by: 'ann',
  generation: 1n,
  setAt: START,
  inForceAt: null,
  lifted: null,
  reached: { replicas: 1, sessions: 2, pinEntries: 3 },
});

test.each<readonly [KillSelector]>([
  [{ kind: 'device', deviceId: 'd' }],
  [{ kind: 'merchant', acquirer: 'a', merchant: 'm' }],
  [{ kind: 'acquirer', acquirer: 'a' }],
  [{ kind: 'build', packageName: 'p', fromVersion: 1, toVersion: 2, signer: null }],
  [{ kind: 'build', packageName: 'p', fromVersion: 1, toVersion: 2, signer: 'ab' }],
  [{ kind: 'attestation-key', keyId: 'ab' }],
  [{ kind: 'os-patch-below', level: 202601 }],
  [{ kind: 'os-patch', level: 20260101 }],
  [{ kind: 'everyone' }],
])('%o comes through the wire as it is', (selector) => {
  const { selector: wire } = killToWire(kill(selector));
  const bytes = WireSelector.encode(wire!).finish();
  expect(killSelectorFromWire(WireSelector.decode(bytes))).toEqual({ ok: true, value: selector });
});

test('a scope that is not stated, and a selector that is none, are refused', () => {
  expect(killScopeFromWire(KillScope.UNSPECIFIED)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  expect(killScopeFromWire(KillScope.PIN)).toEqual({ ok: true, value: 'pin' });
  expect(killScopeFromWire(KillScope.EVERYTHING)).toEqual({ ok: true, value: 'everything' });
  expect(killSelectorFromWire(undefined)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  expect(killSelectorFromWire({ selector: undefined })).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  const nobody = { selector: { $case: 'everyone', value: false } } as const;
  expect(killSelectorFromWire(nobody)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
});

test('a switch says what it met, when it is in force and who lifted it', () => {
  const lifted = { by: 'bob', cause: 'over', at: START };
  const wire = killToWire({ ...kill({ kind: 'everyone' }, 'pin'), inForceAt: START, lifted });
  expect(wire).toMatchObject({
    scope: KillScope.PIN,
    inForceAt: START,
    lifted,
    replicas: 1,
    sessions: 2n,
    pinEntries: 3n,
  });
  expect(killToWire(kill({ kind: 'everyone' }))).toMatchObject({ inForceAt: undefined, lifted: undefined });
});
