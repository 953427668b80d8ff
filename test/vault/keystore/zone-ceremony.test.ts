import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cmac } from '../../../src/payment-crypto/cmac.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { type ComponentFault, joinComponents, type KeyComponent } from '../../../src/vault/keystore/components.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import type { Slot } from '../../../src/vault/keystore/slot.ts';
import { enterZoneKek, makeZoneKeys } from '../../../src/vault/keystore/zone-ceremony.ts';
import {
  ACQUIRER,
  COMPONENTS,
  clock,
  component,
  componentsOf,
  openZone,
  random,
  temporaryFolder,
  turn,
  unwrap,
  ZONE_KEK,
  zoneKeyOf,
} from '../support/keystore.ts';

let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
  unwrap(initialise(directory, { random, clock }));
});
afterEach(() => folder.remove());

const options = turn;
const kcvOf = (key: Uint8Array): string =>
  cmac(unwrap(SecretKey.parse('AES', key)), new Uint8Array(16))
    .subarray(0, 5)
    .toString('hex')
    .toUpperCase();
const slots = (): Slot[] => (JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')) as { slots: Slot[] }).slots;
const states = (kind: string): string[] =>
  slots()
    .filter((slot) => slot.kind === kind)
    .map(({ state }) => state);

describe('joining components', () => {
  test('is XOR, whatever their number and length', () => {
    const sizes = fc.constantFrom(16, 24, 32);
    const keys = sizes.chain((size) =>
      fc.uniqueArray(fc.uint8Array({ minLength: size, maxLength: size }), {
        minLength: 2,
        maxLength: 9,
        selector: (bytes) => Buffer.from(bytes).toString('hex'),
      }),
    );
    fc.assert(
      fc.property(keys, (parts) => {
        const expected = parts.reduce((sum, part) => sum.map((byte, at) => byte ^ (part[at] ?? 0)));
        fc.pre(expected.some((byte) => byte !== 0));
        const joined = unwrap(joinComponents(parts.map(component)));
        expect(joined.key.use((bytes) => Buffer.from(bytes))).toEqual(Buffer.from(expected));
        expect(joined.kcv).toBe(kcvOf(expected));
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  const [first, second] = COMPONENTS as [KeyComponent, KeyComponent];
  const third = component(random.bytes(32));
  test.each<[string, ComponentFault, KeyComponent[]]>([
    ['none', 'COMPONENTS_COUNT', []],
    ['one', 'COMPONENTS_COUNT', [first]],
    ['ten', 'COMPONENTS_COUNT', Array.from({ length: 10 }, () => component(random.bytes(32)))],
    ['one that is not hexadecimal', 'COMPONENT_MALFORMED', [first, { ...second, component: 'z'.repeat(64) }]],
    ['one of half a byte', 'COMPONENT_MALFORMED', [first, { ...second, component: second.component.slice(1) }]],
    ['one of no AES length', 'COMPONENT_LENGTH', [first, { ...second, component: '00'.repeat(20) }]],
    ['two of different lengths', 'COMPONENT_LENGTH', [first, component(random.bytes(16))]],
    ['a wrong check value', 'COMPONENT_KCV', [first, { ...second, kcv: '0000000000' }]],
    ["another's check value", 'COMPONENT_KCV', [first, { ...second, kcv: first.kcv }]],
    ['no check value', 'COMPONENT_KCV', [first, { ...second, kcv: '' }]],
    ['a check value of two bytes', 'COMPONENT_KCV', [first, { ...second, kcv: second.kcv.slice(0, 4) }]],
    ['a check value of six bytes', 'COMPONENT_KCV', [first, { ...second, kcv: `${second.kcv}00` }]],
    ['the same one twice', 'COMPONENT_REPEATED', [first, second, first]],
    ['one of zeros', 'COMPONENT_CONSTANT', [first, component(Buffer.alloc(32))]],
    ['one of one byte', 'COMPONENT_CONSTANT', [component(Buffer.alloc(32, 0xa5)), first]],
    [
      'three that cancel out',
      'COMPONENT_REPEATED',
      [
        first,
        third,
        component(
          Buffer.from(first.component, 'hex').map((byte, at) => byte ^ (Buffer.from(third.component, 'hex')[at] ?? 0)),
        ),
      ],
    ],
  ])('is refused with %s: %s', (_, fault, components) => {
    expect(joinComponents(components)).toMatchObject({ ok: false, reason: fault });
  });

  describe('of TDEA looks past parity bits:', () => {
    const tdea = (bytes: Buffer): KeyComponent => {
      const key = unwrap(SecretKey.parse('TDES', bytes));
      return { component: bytes.toString('hex'), kcv: keyCheckValue(key).toString('hex') };
    };
    const drawn = Buffer.from('0123456789abcdeffedcba9876543210', 'hex');
    const other = Buffer.from('a1b2c3d4e5f60718293a4b5c6d7e8f90', 'hex');

    test('a component of zeros and parity is one of zeros', () => {
      const zero = Buffer.from('00010100000101000100000101000001', 'hex');
      const refused = { ok: false, reason: 'COMPONENT_CONSTANT', detail: '2' };
      expect(joinComponents([tdea(drawn), tdea(zero)], 'TDES')).toMatchObject(refused);
    });

    test('a component that differs from another in parity alone is the same one', () => {
      const again = drawn.map((byte) => byte ^ 1) as Buffer;
      const refused = { ok: false, reason: 'COMPONENT_REPEATED', detail: '3' };
      expect(joinComponents([tdea(drawn), tdea(other), tdea(again)], 'TDES')).toMatchObject(refused);
      expect(joinComponents([tdea(drawn), tdea(other)], 'TDES').ok).toBe(true);
    });
  });

  test('takes check values of three bytes, in either case', () => {
    const short = COMPONENTS.map(({ component: text, kcv }) => ({
      component: text.toUpperCase(),
      kcv: kcv.slice(0, 6).toLowerCase(),
    }));
    expect(joinComponents(short)).toMatchObject({ ok: true, value: { kcv: kcvOf(ZONE_KEK) } });
  });
});

describe('a zone ceremony', () => {
  test('enters the zone KEK and answers its check value', () => {
    const entered = enterZoneKek(directory, { acquirer: ACQUIRER, components: COMPONENTS }, options);
    expect(entered).toEqual({ ok: true, value: { acquirer: ACQUIRER, kcv: kcvOf(ZONE_KEK) } });
    expect(states('zone-kek')).toEqual(['active']);
    expect(unwrap(loadKeystore(directory)).zones.size).toBe(0);
  });

  test('gives the acquirer the same keys that the vault then uses', () => {
    const zone = openZone(directory, ACQUIRER);
    const held = unwrap(loadKeystore(directory)).zones.get(ACQUIRER);
    expect(held?.pin.keyId).toBe(zone.offered.pin.keyId);
    expect(held?.pin.key.equals(zone.pin)).toBe(true);
    expect(held?.data.keyId).toBe(zone.offered.data.keyId);
    expect(held?.data.key.equals(zone.data)).toBe(true);
    expect(zone.pin.equals(zone.data)).toBe(false);
    expect([zone.pin.bits, zone.data.bits]).toEqual([128, 128]);
  });

  test('writes blocks that state usage, name and check values', () => {
    const { offered } = openZone(directory, ACQUIRER);
    const kek = unwrap(SecretKey.parse('AES', ZONE_KEK));
    for (const [{ block, keyId, kcv }, usage] of [
      [offered.pin, 'P0'],
      [offered.data, 'D0'],
    ] as const) {
      const { header, optional } = unwrap(importKeyBlock(block, kek, { tolerate: new Set() }));
      expect(header).toMatchObject({ version: 'D', usage, algorithm: 'A', modeOfUse: 'D', exportability: 'E' });
      expect(optional).toContainEqual({ id: 'LB', text: keyId });
      expect(optional).toContainEqual({ id: 'KC', method: 'cmac', value: kcv });
      expect(optional).toContainEqual({ id: 'KP', method: 'cmac', value: kcvOf(ZONE_KEK) });
    }
  });

  test('replaces keys only where it is told, and lets the old ones drain', () => {
    const before = openZone(directory, ACQUIRER);
    const next = random.bytes(32);
    const again = { acquirer: ACQUIRER, components: componentsOf(next) };
    expect(enterZoneKek(directory, again, options)).toMatchObject({ ok: false, reason: 'ZONE_KEY_EXISTS' });
    expect(makeZoneKeys(directory, ACQUIRER, options)).toMatchObject({ ok: false, reason: 'ZONE_KEY_EXISTS' });
    expect(enterZoneKek(directory, again, { ...turn, replace: true }).ok).toBe(true);
    const after = unwrap(makeZoneKeys(directory, ACQUIRER, { ...turn, replace: true }));
    for (const kind of ['zone-kek', 'zone-pin', 'zone-data']) expect(states(kind)).toEqual(['draining', 'active']);
    const held = unwrap(loadKeystore(directory)).zones.get(ACQUIRER);
    expect(held?.pin.keyId).toBe(after.pin.keyId);
    expect(held?.pin.key.equals(zoneKeyOf(after.pin.block, next))).toBe(true);
    expect(held?.pin.key.equals(before.pin)).toBe(false);
  });

  test.each([
    ["another acquirer's", 'acquirer-b', options],
    ['the one that it is to replace', ACQUIRER, { ...turn, replace: true }],
  ])('refuses a zone KEK that is held: %s', (_, acquirer, how) => {
    openZone(directory, ACQUIRER);
    const refused = { ok: false, reason: 'KEY_ALREADY_HELD' };
    expect(enterZoneKek(directory, { acquirer, components: COMPONENTS }, how)).toMatchObject(refused);
    expect(states('zone-kek')).toEqual(['active']);
  });

  test("leaves another acquirer's keys alone", () => {
    const a = openZone(directory, ACQUIRER);
    const b = openZone(directory, 'acquirer-b');
    const { zones } = unwrap(loadKeystore(directory));
    expect(zones.get(ACQUIRER)?.pin.key.equals(a.pin)).toBe(true);
    expect(zones.get('acquirer-b')?.pin.key.equals(b.pin)).toBe(true);
  });

  test.each(['', 'Acquirer', 'a b', 'a:b', '../a', 'a'.repeat(65)])('refuses the name %j', (acquirer) => {
    expect(enterZoneKek(directory, { acquirer, components: COMPONENTS }, options)).toMatchObject({
      reason: 'ACQUIRER_NAME',
    });
    expect(makeZoneKeys(directory, acquirer, options)).toMatchObject({ reason: 'ACQUIRER_NAME' });
  });

  test('makes no zone keys without a zone KEK', () => {
    expect(makeZoneKeys(directory, ACQUIRER, options)).toMatchObject({ ok: false, reason: 'ZONE_KEK_MISSING' });
    expect(readdirSync(directory).sort()).toEqual([
      'audit-checkpoint.json',
      'derivation-ids.json',
      'keys.json',
      'master.key',
    ]);
  });

  test('changes nothing where it is refused', () => {
    const before = readFileSync(join(directory, 'keys.json'));
    makeZoneKeys(directory, ACQUIRER, options);
    enterZoneKek(directory, { acquirer: ACQUIRER, components: COMPONENTS.slice(1) }, options);
    expect(readFileSync(join(directory, 'keys.json'))).toEqual(before);
  });

  test('waits for nobody: while another one is open, it is refused', () => {
    // A process that lives and is not this one.
    writeFileSync(join(directory, 'keys.json.lock'), String(process.ppid), { mode: 0o600 });
    expect(enterZoneKek(directory, { acquirer: ACQUIRER, components: COMPONENTS }, options)).toMatchObject({
      ok: false,
      reason: 'KEYSTORE_BUSY',
    });
    expect(readFileSync(join(directory, 'keys.json.lock'), 'utf8')).toBe(String(process.ppid));
  });
});
