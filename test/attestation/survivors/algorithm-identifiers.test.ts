import { sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { derSequence } from '../../../src/virtual/keymint/der.ts';
import { type Element, readElements } from '../../fuzz/engine/elements.ts';
import { appraise, chainOf, KEYS, namedRsaKey, raw } from '../support/phone.ts';
import { bytesOf, partsOf, replaced } from './parts.ts';

const RSA = { ...KEYS, upper: namedRsaKey('Intermediate', 2048) };
const MALFORMED = { verdict: 'refused', reasons: ['CHAIN_MALFORMED'] };

/** An algorithm identifier with other parameters. */
const withParameters = ({ children }: Element, ...parameters: Uint8Array[]): Buffer =>
  derSequence(bytesOf(children![0]!), ...parameters);

/** A certificate with another algorithm identifier in its signed part and after it, signed anew where it is given a key. */
function withAlgorithm(certificate: Uint8Array, { inside, outside }: { inside?: Buffer; outside: Buffer }): Buffer {
  const [tbs, , signature] = partsOf(certificate);
  const fields = (tbs.children ?? []).map((field, index) => (index === 2 && inside ? inside : bytesOf(field)));
  const signed = derSequence(...fields);
  const fresh = inside ? raw(0x03, Buffer.of(0), sign('sha256', signed, KEYS.upper.privateKey)) : bytesOf(signature);
  return derSequence(signed, outside, fresh);
}

describe('an algorithm identifier that is not signed', () => {
  const chain = chainOf({ keys: RSA });
  const [, algorithm] = partsOf(chain[1]!);

  test('is one that the issuer wrote', () => {
    expect(appraise(chain).verdict).toBe('trusted');
    const same = withAlgorithm(chain[1]!, { outside: withParameters(algorithm, raw(0x05)) });
    expect(appraise(replaced(chain, 1, same)).verdict).toBe('trusted');
  });

  test.each([
    ['NULL with content', [raw(0x05, Buffer.from('tampered'))]],
    ['no parameters', []],
    ['parameters of another type', [raw(0x04)]],
    ['more than one parameter', [raw(0x05), raw(0x05)]],
  ])('is refused with %s, although every signature is valid', (_, parameters) => {
    const changed = withAlgorithm(chain[1]!, { outside: withParameters(algorithm, ...parameters) });
    expect(appraise(replaced(chain, 1, changed))).toMatchObject(MALFORMED);
  });
});

describe('a NULL that an ECDSA algorithm identifier should not have', () => {
  const chain = chainOf();
  const [, algorithm] = partsOf(chain[1]!);
  const signedWith = (parameter: Buffer): Buffer[] => {
    const identifier = withParameters(algorithm, parameter);
    return replaced(chain, 1, withAlgorithm(chain[1]!, { inside: identifier, outside: identifier }));
  };

  test('is tolerated where it is a NULL', () => {
    const { verdict, checks } = appraise(signedWith(raw(0x05)));
    expect(verdict).toBe('trusted');
    expect(checks).toContainEqual(
      expect.objectContaining({ code: 'SIGNATURE_PARAMETERS_CANONICAL', status: 'tolerated' }),
    );
  });

  test('is refused with content, even where the issuer has signed it', () => {
    expect(appraise(signedWith(raw(0x05, Buffer.of(0))))).toMatchObject(MALFORMED);
  });
});

test('an RSA key whose parameters are a NULL with content is refused', () => {
  const [algorithm, key] = readElements(RSA.upper.spki)?.[0]?.children ?? [];
  const spki = derSequence(withParameters(algorithm!, raw(0x05, Buffer.of(0))), bytesOf(key!));
  expect(appraise(chainOf({ keys: RSA, upper: (upper) => upper })).verdict).toBe('trusted');
  expect(appraise(chainOf({ keys: RSA, upper: (upper) => ({ ...upper, spki }) }))).toMatchObject(MALFORMED);
});
