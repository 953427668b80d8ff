import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CertifiedCaller, NAME_FORM, parseUriName, uriNameOf } from '../../src/certs/uri-name.ts';

const name = fc.stringMatching(NAME_FORM);
const caller: fc.Arbitrary<CertifiedCaller> = fc.oneof(
  fc.record({ plane: fc.constant('processing' as const), acquirer: name }),
  fc.record({ plane: fc.constant('admin' as const), role: name, person: name }),
);

describe('the URI name of a certificate', () => {
  test('reads as it was written', () => {
    fc.assert(
      fc.property(caller, (each) => {
        expect(parseUriName(uriNameOf(each))).toEqual(each);
      }),
      { seed: 1 },
    );
  });

  test('has one form only: whatever reads is what would be written', () => {
    const noise = fc.oneof(fc.string(), fc.constantFrom('/', '//', '%2f', '?', '#', ' ', '\0', 'A', '..'));
    fc.assert(
      fc.property(caller, noise, fc.nat(90), (each, inserted, at) => {
        const uri = uriNameOf(each);
        const changed = uri.slice(0, at) + inserted + uri.slice(at);
        const parsed = parseUriName(changed);
        if (parsed) expect(uriNameOf(parsed)).toBe(changed);
      }),
      { seed: 1, numRuns: 1_000 },
    );
  });

  test.each([
    '',
    'spiffe://tapgate/',
    'spiffe://tapgate/processing',
    'spiffe://tapgate/processing/',
    'spiffe://tapgate/processing/acme/',
    'spiffe://tapgate/processing/acme/more',
    'spiffe://tapgate/processing/..',
    'spiffe://tapgate/processing/acme?x=1',
    'spiffe://tapgate/processing/acme%41',
    'spiffe://TAPGATE/processing/acme',
    'spiffe://tapgate.example/processing/acme',
    'spiffe://user@tapgate/processing/acme',
    'https://tapgate/processing/acme',
    'spiffe://tapgate/admin/officer',
    'spiffe://tapgate/device/phone',
    `spiffe://tapgate/processing/${'a'.repeat(65)}`,
  ])('is not %j', (uri) => {
    expect(parseUriName(uri)).toBeNull();
  });

  test('is not made of other names', () => {
    expect(() => uriNameOf({ plane: 'processing', acquirer: 'a/b' })).toThrow(RangeError);
    expect(() => uriNameOf({ plane: 'admin', role: 'officer', person: '' })).toThrow(RangeError);
  });
});
