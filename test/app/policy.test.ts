import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { type Policy, parsePolicy, policyFromJson, policyJsonSchema, readPolicy } from '../../src/app/policy.ts';
import { comparePolicies } from '../../src/app/policy-effect.ts';
import { canonicalJson, versionOf } from '../../src/policy/version.ts';
import { unwrap } from '../support/unwrap.ts';

const DEFAULT_FILE = join(import.meta.dirname, '../../src/app/policy.default.yaml');
const TEXT = await readFile(DEFAULT_FILE, 'utf8');

type Change = (document: Policy) => void;

/** The default document with a change, as text. */
function changed(change: Change): string {
  const document = parse(TEXT) as Policy;
  change(document);
  return stringify(document);
}

const problems = (text: string): string => {
  const parsed = parsePolicy(text);
  return parsed.ok ? '' : (parsed.detail ?? '');
};

describe('a policy document', () => {
  test('is the same version from file, text and JSON', async () => {
    const { version, document } = await readPolicy(DEFAULT_FILE);
    expect(unwrap(parsePolicy(TEXT)).version).toBe(version);
    expect(versionOf(policyFromJson(canonicalJson(document))).version).toBe(version);
    expect(unwrap(parsePolicy(JSON.stringify(document))).version).toBe(version);
  });

  test.each<[string, Change, string]>([
    [
      'no PIN would fit',
      ({ pin }) => Object.assign(pin, { minimumLength: 7, maximumLength: 6 }),
      'pin.minimumLength: over maximumLength',
    ],
    [
      'a token outlives its attestation',
      ({ tokens, devices }) => {
        tokens.lifetimeSeconds = 3600;
        devices.fullAttestationSeconds = 3599;
      },
      'devices.fullAttestationSeconds',
    ],
    [
      'a currency stands twice',
      ({ sessions }) => sessions.currencies.push({ ...sessions.currencies[0]! }),
      'sessions.currencies.2: currency 978 stands here twice',
    ],
    [
      'a limit is never reached',
      ({ sessions }) => Object.assign(sessions.currencies[0]!, { noPinAmountMinor: 500_001 }),
      'sessions.currencies.0.noPinAmountMinor: over maximumAmountMinor',
    ],
    [
      'a limit is of a currency that is not allowed',
      ({ sessions }) => Object.assign(sessions, { verificationLimits: [{ currency: 840, noPinAmountMinor: 1 }] }),
      'sessions.verificationLimits.0.currency: currency 840 is not in sessions.currencies',
    ],
    ['a member is unknown', (document) => Object.assign(document.pin, { maxLength: 6 }), 'pin: Unrecognized key'],
    ['a part is unknown', (document) => Object.assign(document, { pins: {} }), '(document): Unrecognized key'],
    [
      'polls come too late',
      ({ distribution }) => Object.assign(distribution, { pollMilliseconds: 1001 }),
      'distribution.pollMilliseconds',
    ],
  ])('is refused where %s', (_what, change, problem) => {
    expect(problems(changed(change))).toContain(problem);
  });

  test.each<[string, Change]>([
    ['PINs of one length', ({ pin }) => Object.assign(pin, { minimumLength: 6, maximumLength: 6 })],
    [
      'a token as long as its attestation',
      ({ tokens, devices }) => {
        tokens.lifetimeSeconds = 3600;
        devices.fullAttestationSeconds = 3600;
      },
    ],
    [
      'no PIN up to the largest amount',
      ({ sessions }) => Object.assign(sessions.currencies[0]!, { noPinAmountMinor: 500_000 }),
    ],
  ])('is taken with %s', (_what, change) => {
    expect(problems(changed(change))).toBe('');
  });

  test.each<[string, string]>([
    ['too long', `${TEXT}\n# ${'x'.repeat(262_144)}`],
    ['no YAML', 'pin: {'],
    ['nothing', ''],
    ['of many aliases', 'a: &a [1]\nb: [*a, *a]'],
  ])('is refused where it is %s', (_what, text) => {
    expect(problems(text)).not.toBe('');
  });

  test('that is kept and not understood is thrown', () => {
    expect(() => policyFromJson('{}')).toThrow(RangeError);
  });

  test('has a published schema that is current, and refuses unknown members', async () => {
    const published = await readFile(join(import.meta.dirname, '../../docs/policy.schema.json'), 'utf8');
    expect(published).toBe(policyJsonSchema());
    expect(JSON.parse(published)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      additionalProperties: false,
      required: ['attestation', 'devices', 'tokens', 'keys', 'sessions', 'pin'],
    });
  });
});

describe('what a change of policy does', () => {
  const before = unwrap(parsePolicy(TEXT)).document;
  const effectOf = (change: Change): readonly string[] => {
    const after = unwrap(parsePolicy(changed(change))).document;
    return comparePolicies(before, after, { kind: 'default' }).map(({ path, effect }) => `${path} ${effect}`);
  };

  test.each<[Change, string[]]>([
    [() => {}, []],
    [({ pin }) => Object.assign(pin, { allowed: false }), ['pin.allowed tighter']],
    [({ pin }) => Object.assign(pin, { entrySeconds: 59 }), ['pin.entrySeconds tighter']],
    [({ pin }) => Object.assign(pin, { entrySeconds: 61 }), ['pin.entrySeconds looser']],
    [({ pin }) => Object.assign(pin, { minimumLength: 5 }), ['pin.minimumLength tighter']],
    [({ pin }) => Object.assign(pin, { accessibleLayout: 'on-request' }), ['pin.accessibleLayout looser']],
    [({ pin }) => pin.postureForbidsPin.pop(), ['pin.postureForbidsPin looser']],
    [
      ({ sessions }) => sessions.postureForbidsPayment.push('accessibility-service'),
      ['sessions.postureForbidsPayment tighter'],
    ],
    [
      ({ sessions }) => sessions.postureForbidsPayment.splice(0, 1, 'focus-lost'),
      ['sessions.postureForbidsPayment neutral'],
    ],
    [({ sessions }) => sessions.currencies.pop(), ['sessions.currencies.[643] tighter']],
    [
      ({ sessions }) => sessions.currencies.push({ currency: 826, maximumAmountMinor: 1, noPinAmountMinor: 1 }),
      ['sessions.currencies.[826] looser'],
    ],
    [
      ({ sessions }) => Object.assign(sessions.currencies[0]!, { noPinAmountMinor: 1, deviceVerification: 'allowed' }),
      ['sessions.currencies.[978].noPinAmountMinor tighter', 'sessions.currencies.[978].deviceVerification looser'],
    ],
    [({ gate }) => gate.schemes.pop(), ['gate.schemes tighter']],
    [
      ({ gate }) => gate.velocity.push({ of: 'merchant', windowSeconds: 3600, payments: 5 }),
      ['gate.velocity.[merchant * 3600] tighter'],
    ],
    [({ attestation }) => Object.assign(attestation.patches, { os: null }), ['attestation.patches.os looser']],
    [
      ({ attestation }) =>
        Object.assign(attestation.patches, { os: { maximumAgeDays: 180, enforceFrom: '2027-01-01' } }),
      ['attestation.patches.os.maximumAgeDays tighter', 'attestation.patches.os.enforceFrom neutral'],
    ],
    [
      ({ attestation }) => Object.assign(attestation, { minimumSecurityLevel: 'STRONG_BOX' }),
      ['attestation.minimumSecurityLevel tighter'],
    ],
    [({ playIntegrity }) => Object.assign(playIntegrity, { mode: 'preferred' }), ['playIntegrity.mode tighter']],
    [({ playIntegrity }) => Object.assign(playIntegrity, { licensing: null }), ['playIntegrity.licensing looser']],
    [({ keys }) => keys.transports.reverse(), ['keys.transports neutral']],
    [
      ({ admission }) => Object.assign(admission.device.perAddress, { burst: 1 }),
      ['admission.device.perAddress.burst neutral'],
    ],
  ])('%#', (change, effects) => {
    expect(effectOf(change)).toEqual(effects);
  });

  test('what is about the service counts in the default only', () => {
    const after = unwrap(
      parsePolicy(
        changed(({ admission, tokens, pin }) => {
          admission.device.perAddress.burst = 1;
          tokens.heartbeatSeconds = 6;
          tokens.lifetimeSeconds = 601;
          pin.entrySeconds = 59;
        }),
      ),
    ).document;
    const read = comparePolicies(before, after, { kind: 'group', group: 'pilots' }).map(
      ({ path, readInScope }) => `${path} ${readInScope}`,
    );
    expect(read).toEqual([
      'admission.device.perAddress.burst false',
      'tokens.lifetimeSeconds true',
      'tokens.heartbeatSeconds false',
      'pin.entrySeconds true',
    ]);
    expect(comparePolicies(before, after, { kind: 'default' }).every(({ readInScope }) => readInScope)).toBe(true);
  });
});
