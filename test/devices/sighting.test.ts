import { describe, expect, test } from '@jest/globals';
import type { KeyFacts } from '../../src/attestation/appraise.ts';
import { type KeySeen, type Sighting, sightingChecks, sightingsOf } from '../../src/devices/sighting.ts';
import { keyFacts } from '../support/facts.ts';

const KEY = 'da'.repeat(32);
const remote: Sighting = { keyId: Buffer.from(KEY, 'hex'), provisioning: 'remote', model: null };
const factory: Sighting = { ...remote, provisioning: 'factory', model: '["acme","one"]' };
const seen = (sighting: Sighting, over: Partial<KeySeen> = {}): KeySeen => ({
  sighting,
  liveDevice: null,
  otherModel: null,
  ...over,
});

describe('a sighting', () => {
  const facts = (over: Partial<KeyFacts>): KeyFacts => ({ ...keyFacts(Buffer.alloc(0)), ...over });
  const ids = { brand: 'acme', model: 'one' } as KeyFacts['deviceIds'];

  test('is of each attestation key once, with the model where the hardware attests it', () => {
    const other = facts({ attestationKey: 'db'.repeat(32), provisioning: 'remote' });
    expect(sightingsOf([facts({ deviceIds: ids }), facts({}), other])).toEqual([
      factory,
      { keyId: Buffer.from('db'.repeat(32), 'hex'), provisioning: 'remote', model: null },
    ]);
  });

  test('is of nothing where the chain does not hold the key', () => {
    expect(sightingsOf([facts({ attestationKey: null })])).toEqual([]);
  });
});

describe('an attestation key', () => {
  const report = { factoryAcrossModels: 'report' } as const;
  const outcome = (keys: readonly KeySeen[], policy: { factoryAcrossModels: 'report' | 'refuse' } = report) =>
    sightingChecks(keys, policy).map(({ code, status, reason }) => [code, status, reason]);
  const unshared = (status: string, reason?: string) => ['ATTESTATION_KEY_UNSHARED', status, reason];
  const oneModel = (status: string, reason?: string) => ['ATTESTATION_KEY_OF_ONE_MODEL', status, reason];

  test('of one phone is refused where it is on another live device', () => {
    expect(outcome([seen(remote)])).toEqual([unshared('pass'), oneModel('skipped')]);
    const shared = [seen(factory), seen(remote, { liveDevice: 'device-2' })];
    expect(outcome(shared)).toEqual([unshared('fail', 'ATTESTATION_KEY_SHARED'), oneModel('pass')]);
    expect(sightingChecks(shared, report)[0]?.detail).toContain('device-2');
  });

  test('of a factory is on many phones, and reported or refused across models', () => {
    expect(outcome([seen(factory)])).toEqual([unshared('skipped'), oneModel('pass')]);
    const across = [seen(factory, { otherModel: '["acme","two"]' })];
    expect(outcome(across)).toEqual([unshared('skipped'), oneModel('tolerated')]);
    expect(outcome(across, { factoryAcrossModels: 'refuse' })).toEqual([
      unshared('skipped'),
      oneModel('fail', 'ATTESTATION_KEY_ACROSS_MODELS'),
    ]);
  });
});
