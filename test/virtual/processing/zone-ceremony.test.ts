import { expect, test } from '@jest/globals';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { enterZoneKek, makeZoneKeys } from '../../../src/vault/keystore/zone-ceremony.ts';
import { openZoneKeys } from '../../../src/virtual/processing/zone-keys.ts';
import { Folder } from './support/shop.ts';
import { COMPONENTS, componentKcv, random } from './support/zone.ts';

const clock = { now: () => new Date() };

test("the zone keys of the vault's own ceremony open with the custodians' components", () => {
  using folder = new Folder();
  const keystore = folder.at('keystore');
  expect(initialise(keystore, { random, clock })).toMatchObject({ ok: true });
  const components = COMPONENTS.map((component) => ({ component, kcv: componentKcv(component) }));
  expect(enterZoneKek(keystore, { acquirer: 'acme', components }, { random, clock, by: 'tester' })).toMatchObject({
    ok: true,
  });
  const made = makeZoneKeys(keystore, 'acme', { random, clock, by: 'tester' });
  if (!made.ok) throw new Error(made.reason);
  const { pin, data } = made.value;
  const document = { acquirer: 'acme', pinKeyBlock: pin.block, dataKeyBlock: data.block };
  const opened = openZoneKeys(document, COMPONENTS);
  if (!opened.ok) throw new Error(opened.detail ?? opened.reason);
  for (const [offered, zoneKey] of [
    [pin, opened.value.pin],
    [data, opened.value.data],
  ] as const) {
    expect(zoneKey.keyId).toBe(offered.keyId);
    expect(keyCheckValue(zoneKey.key).toString('hex').toUpperCase()).toBe(offered.kcv);
  }
});
