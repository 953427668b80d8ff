import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ANDROID_OAEP, encryptOaep } from '../../src/payment-crypto/oaep.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import {
  CONTEXT,
  type DerElement,
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
  isUniversal,
  NULL,
  readDerElements,
  SEQUENCE,
  SET,
  UNIVERSAL,
} from '../../src/payment-crypto/secure-key-wrapper/der.ts';
import {
  derKeyDescription,
  KEY_FORMATS,
  readKeyDescription,
} from '../../src/payment-crypto/secure-key-wrapper/key-description.ts';
import {
  formatSecureKeyWrapper,
  openTransportKey,
  parseSecureKeyWrapper,
  type SecureKeyWrapper,
  unwrapSecureKey,
  wrapSecureKey,
} from '../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { accepted, bytes, hex, reasonOf, seededRandom } from './support.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const random = seededRandom('bounds');
const DESCRIPTION = derKeyDescription(KEY_FORMATS.RAW, { noAuthRequired: true });

describe('DER', () => {
  const tagOf = (text: string): number | undefined => readDerElements(bytes(text), 1)?.[0]?.tag;

  test.each([
    ['1E00', 30],
    ['1F1E00', undefined],
    ['1F1F00', 31],
    ['1F801F00', undefined],
    ['1F7F00', 127],
    ['1F810000', 128],
    ['1F81800000', 16_384],
    ['1FFF7F00', 16_383],
    ['1FFFFF7F00', 0x1f_ffff],
    ['1F8180800000', undefined],
    ['1F81', undefined],
  ])('%s has the tag %p', (text, tag) => {
    expect(tagOf(text)).toBe(tag);
  });

  test.each([
    ['04', 0x00, true],
    ['047F', 0x7f, true],
    ['0480', 0x80, false],
    ['0481', 0, false],
    ['04817F', 0x7f, false],
    ['048180', 0x80, true],
    ['0481FF', 0xff, true],
    ['048200FF', 0xff, false],
    ['04820100', 0x100, true],
    ['048201', 1, false],
    ['0482FFFF', 0xffff, true],
    ['0483010000', 0x10000, false],
  ])('%s states a length of %d in its shortest form: %p', (head, length, sound) => {
    const text = head === '04' ? '0400' : head;
    const der = Buffer.concat([bytes(text), Buffer.alloc(length, 7)]);
    expect(readDerElements(der, 2)?.[0]?.content.length).toBe(sound ? length : undefined);
  });

  test.each([
    [0, '0400'],
    [0x7f, '047F'],
    [0x80, '048180'],
    [0xff, '0481FF'],
    [0x100, '04820100'],
    [0xffff, '0482FFFF'],
  ])('writes %d octets behind %s', (length, head) => {
    const written = derOctets(Buffer.alloc(length));
    expect(
      written
        .subarray(0, head.length / 2)
        .toString('hex')
        .toUpperCase(),
    ).toBe(head);
    expect(written).toHaveLength(head.length / 2 + length);
  });

  test('writes nothing of 64 KiB', () => {
    expect(() => derOctets(Buffer.alloc(0x10000))).toThrow(RangeError);
  });

  test.each([
    [30, 'BE00'],
    [31, 'BF1F00'],
    [127, 'BF7F00'],
    [128, 'BF810000'],
    [503, 'BF837700'],
  ])('writes the context tag %d as %s', (tag, text) => {
    expect(derElement(CONTEXT, tag, true).toString('hex').toUpperCase()).toBe(text);
  });

  test.each([
    ['3000', SEQUENCE, true],
    ['1000', SEQUENCE, false],
    ['3100', SET, true],
    ['1100', SET, false],
    ['0500', NULL, true],
    ['2500', NULL, false],
    ['8500', NULL, false],
    ['0400', NULL, false],
  ])('%s is the universal %d: %p', (text, tag, universal) => {
    expect(isUniversal(readDerElements(bytes(text), 1)?.[0], tag)).toBe(universal);
    expect(isUniversal(undefined, tag)).toBe(false);
  });
});

describe('a key description', () => {
  const read = (...members: Uint8Array[]) => readKeyDescription(readDerElements(derSequence(...members), 1)?.[0]);
  const of = (...list: Uint8Array[]) => read(derUnsigned(3), derSequence(...list));
  const tagged = (tag: number, ...content: Uint8Array[]) => derElement(CONTEXT, tag, true, ...content);
  const set = (...members: Uint8Array[]) => derElement(UNIVERSAL, SET, true, ...members);
  const nothing = derElement(UNIVERSAL, NULL, false);

  test('is read with each shape', () => {
    expect(of(tagged(1, set(derUnsigned(0), derUnsigned(3))), tagged(2, derUnsigned(32)), tagged(7, nothing))).toEqual({
      keyFormat: 3,
      authorizations: { purpose: [0, 3], algorithm: 32, callerNonce: true },
      otherTags: [],
    });
  });

  test.each<[string, Uint8Array]>([
    ['a set that is a sequence', tagged(1, derSequence(derUnsigned(0)))],
    ['a set with something else in it', tagged(1, set(derUnsigned(0), nothing))],
    ['a set of too many', tagged(1, set(...Array.from({ length: 17 }, (_, at) => derUnsigned(at))))],
    ['an integer that is none', tagged(2, derOctets(Buffer.of(1)))],
    ['two integers', tagged(2, derUnsigned(1), derUnsigned(2))],
    ['no value', tagged(2)],
    ['a NULL with content', tagged(7, derElement(UNIVERSAL, NULL, false, Buffer.of(1)))],
    ['an empty string for a NULL', tagged(7, derOctets(Buffer.alloc(0)))],
    ['a primitive tag', derElement(CONTEXT, 2, false, derUnsigned(1))],
    ['a universal element', derSequence(derUnsigned(1))],
    ['an application tag', derElement(1, 2, true, derUnsigned(1))],
  ])('is none with %s', (_, member) => {
    expect(of(member)).toBeUndefined();
  });

  test('of sixteen members is read', () => {
    const most = Array.from({ length: 16 }, (_, at) => at);
    expect(of(tagged(1, set(...most.map(derUnsigned))))?.authorizations.purpose).toEqual(most);
  });

  test('has a format and a list', () => {
    expect(read(derOctets(Buffer.of(3)), derSequence())).toBeUndefined();
    expect(read(derUnsigned(3), set())).toBeUndefined();
    expect(read(derUnsigned(3))).toBeUndefined();
    expect(read(derUnsigned(3), derSequence(), nothing)).toBeUndefined();
    expect(read(derUnsigned(1), derSequence())).toEqual({ keyFormat: 1, authorizations: {}, otherTags: [] });
    expect(readKeyDescription(undefined)).toBeUndefined();
  });

  test('is written with its sets ascending and each member once, and without what is false', () => {
    const written = derKeyDescription(3, { purpose: [3, 10, 1, 3], callerNonce: false, noAuthRequired: true });
    expect(written.toString('hex')).toBe('30180201033013a10b310902010102010302010abf8377020500');
  });
});

describe('a wrapper', () => {
  type Parts = Omit<SecureKeyWrapper, 'keyDescription'>;
  const parts: Parts = {
    encryptedTransportKey: Buffer.alloc(256, 1),
    initializationVector: Buffer.alloc(12, 2),
    keyDescriptionDer: DESCRIPTION,
    encryptedKey: Buffer.alloc(16, 3),
    tag: Buffer.alloc(16, 4),
  };
  const reading = (changes: Partial<Parts>) =>
    reasonOf(parseSecureKeyWrapper(formatSecureKeyWrapper({ ...parts, ...changes })));

  test.each([
    ['encryptedTransportKey', 256, 512],
    ['initializationVector', 12, 12],
    ['encryptedKey', 1, 4096],
    ['tag', 16, 16],
  ] as const)('has a %s of %d to %d bytes', (name, least, most) => {
    const of = (length: number) => reading({ [name]: Buffer.alloc(length, 1) });
    expect([of(least - 1), of(least), of(most), of(most + 1)]).toEqual([
      'WRAPPER_MALFORMED',
      'accepted',
      'accepted',
      'WRAPPER_MALFORMED',
    ]);
  });

  test.each<[string, Uint8Array]>([
    ['none', new Uint8Array(0)],
    ['an integer', derUnsigned(3)],
    ['two of them', Buffer.concat([DESCRIPTION, DESCRIPTION])],
  ])('has one key description, not %s', (_, description) => {
    expect(reading({ keyDescriptionDer: Buffer.from(description) })).toBe('WRAPPER_MALFORMED');
  });

  test('has 8 192 bytes at most', () => {
    const described = (size: number) => {
      const filler = derElement(CONTEXT, 600, true, derOctets(Buffer.alloc(size)));
      return formatSecureKeyWrapper({
        ...parts,
        encryptedKey: Buffer.alloc(4096),
        keyDescriptionDer: derSequence(derUnsigned(3), derSequence(filler)),
      });
    };
    const most = 8192 - described(3000).length + 3000;
    expect(described(most)).toHaveLength(8192);
    expect(reasonOf(parseSecureKeyWrapper(described(most)))).toBe('accepted');
    expect(reasonOf(parseSecureKeyWrapper(described(most + 1)))).toBe('WRAPPER_MALFORMED');
  });

  test.each<[string, (members: readonly DerElement[]) => readonly Uint8Array[]]>([
    ['of version 1', (members) => [derUnsigned(1), ...members.slice(1).map(({ encoded }) => encoded)]],
    ['of one member more', (members) => [...members.map(({ encoded }) => encoded), derUnsigned(0)]],
    ['without its version', (members) => members.slice(1).map(({ encoded }) => encoded)],
    ['of no member', () => []],
  ])('%s is refused', (_, change) => {
    const [outer] = readDerElements(formatSecureKeyWrapper(parts), 1) ?? [];
    const members = readDerElements(outer?.content ?? new Uint8Array(0), 6) ?? [];
    expect(reasonOf(parseSecureKeyWrapper(derSequence(...members.map(({ encoded }) => encoded))))).toBe('accepted');
    expect(reasonOf(parseSecureKeyWrapper(derSequence(...change(members))))).toBe('WRAPPER_MALFORMED');
  });

  test('that is no sequence is refused', () => {
    const set = formatSecureKeyWrapper(parts);
    set[0] = 0x31;
    for (const der of [set, new Uint8Array(0), derUnsigned(0)])
      expect(reasonOf(parseSecureKeyWrapper(der))).toBe('WRAPPER_MALFORMED');
  });

  test.each([
    [1, 'accepted'],
    [4096, 'accepted'],
    [4097, 'KEY_LENGTH'],
    [0, 'KEY_LENGTH'],
  ])('takes a key of %d bytes: %s', (length, reason) => {
    const key = new SecretBytes(Buffer.alloc(length, 5));
    const wrapped = wrapSecureKey({ wrappingKey: publicKey, key, authorizations: {} }, random);
    expect(reasonOf(wrapped)).toBe(reason);
    if (!wrapped.ok) return;
    const wrapper = accepted(parseSecureKeyWrapper(wrapped.value));
    expect(hex(accepted(unwrapSecureKey(wrapper, { wrappingKey: privateKey })))).toBe('05'.repeat(length));
  });

  test.each([16, 24, 31, 33])('with a transport key of %d bytes is not opened', (length) => {
    const transport = new SecretBytes(Buffer.alloc(length, 6));
    const encryptedTransportKey = accepted(encryptOaep(publicKey, transport, random, ANDROID_OAEP));
    const wrapper = accepted(parseSecureKeyWrapper(formatSecureKeyWrapper({ ...parts, encryptedTransportKey })));
    expect(reasonOf(openTransportKey(wrapper, { wrappingKey: privateKey }))).toBe('KEY_LENGTH');
  });
});
