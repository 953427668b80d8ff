import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import {
  CONTEXT,
  derElement,
  derSequence,
  derUnsigned,
  readDerElements,
  readUnsigned,
} from '../../src/payment-crypto/secure-key-wrapper/der.ts';
import {
  derKeyDescription,
  KEY_FORMATS,
  KEYMINT,
  type KeyAuthorizations,
  readKeyDescription,
} from '../../src/payment-crypto/secure-key-wrapper/key-description.ts';
import {
  formatSecureKeyWrapper,
  parseSecureKeyWrapper,
  unwrapSecureKey,
  wrapSecureKey,
} from '../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { accepted, bytes, reasonOf, seededRandom } from './support.ts';

const device = generateKeyPairSync('rsa', { modulusLength: 2048 });
const random = seededRandom('wrapper');
const initialKey = SecretKey.generate('AES', 128, seededRandom('initial key'));
const AUTHORIZATIONS: KeyAuthorizations = {
  purpose: [KEYMINT.purpose.ENCRYPT],
  algorithm: KEYMINT.algorithm.AES,
  keySize: 128,
  blockMode: [KEYMINT.blockMode.ECB],
  padding: [KEYMINT.padding.NONE],
  noAuthRequired: true,
};

function wrapped(maskingKey?: SecretBytes): Buffer {
  const content = { wrappingKey: device.publicKey, key: initialKey, authorizations: AUTHORIZATIONS };
  return accepted(wrapSecureKey(maskingKey ? { ...content, maskingKey } : content, random));
}

describe('SecureKeyWrapper', () => {
  test('a device opens what was wrapped for it, authorizations included', () => {
    const wrapper = accepted(parseSecureKeyWrapper(wrapped()));
    expect(wrapper.keyDescription).toEqual({
      keyFormat: KEY_FORMATS.RAW,
      authorizations: AUTHORIZATIONS,
      otherTags: [],
    });
    expect(accepted(unwrapSecureKey(wrapper, { wrappingKey: device.privateKey })).equals(initialKey)).toBe(true);
  });

  test('the masking key is needed on both sides', () => {
    const maskingKey = new SecretBytes(seededRandom('mask').bytes(32));
    const masked = accepted(parseSecureKeyWrapper(wrapped(maskingKey)));
    const opener = { wrappingKey: device.privateKey };
    expect(accepted(unwrapSecureKey(masked, { ...opener, maskingKey })).equals(initialKey)).toBe(true);
    expect(reasonOf(unwrapSecureKey(masked, opener))).toBe('WRAPPER_TAG');
    const short = new SecretBytes(new Uint8Array(16));
    expect(reasonOf(unwrapSecureKey(masked, { ...opener, maskingKey: short }))).toBe('KEY_LENGTH');
    const content = { wrappingKey: device.publicKey, key: initialKey, authorizations: AUTHORIZATIONS };
    expect(reasonOf(wrapSecureKey({ ...content, maskingKey: short }, random))).toBe('KEY_LENGTH');
  });

  test('changed authorizations, key, tag or IV do not open', () => {
    const wrapper = accepted(parseSecureKeyWrapper(wrapped()));
    const flipped = (part: Buffer) =>
      Buffer.from(part.map((octet, at) => (at === part.length - 1 ? octet ^ 1 : octet)));
    const wider = derKeyDescription(KEY_FORMATS.RAW, { ...AUTHORIZATIONS, purpose: [0, 1] });
    for (const changed of [
      { ...wrapper, keyDescriptionDer: wider },
      { ...wrapper, encryptedKey: flipped(wrapper.encryptedKey) },
      { ...wrapper, tag: flipped(wrapper.tag) },
      { ...wrapper, initializationVector: flipped(wrapper.initializationVector) },
    ]) {
      const read = accepted(parseSecureKeyWrapper(formatSecureKeyWrapper(changed)));
      expect(reasonOf(unwrapSecureKey(read, { wrappingKey: device.privateKey }))).toBe('WRAPPER_TAG');
    }
    const other = { ...wrapper, encryptedTransportKey: flipped(wrapper.encryptedTransportKey) };
    expect(reasonOf(unwrapSecureKey(other, { wrappingKey: device.privateKey }))).toBe('OAEP_INVALID');
  });

  test('two wrappings of one key share nothing but the description', () => {
    const [one, two] = [wrapped(), wrapped()].map((der) => accepted(parseSecureKeyWrapper(der)));
    expect(one?.encryptedTransportKey.equals(two?.encryptedTransportKey ?? Buffer.alloc(0))).toBe(false);
    expect(one?.initializationVector.equals(two?.initializationVector ?? Buffer.alloc(0))).toBe(false);
    expect(one?.keyDescriptionDer.equals(two?.keyDescriptionDer ?? Buffer.alloc(0))).toBe(true);
  });

  test('an empty key and a key of the wrong kind of device are refused', () => {
    const empty = new SecretBytes(new Uint8Array(0));
    const content = { wrappingKey: device.publicKey, key: empty, authorizations: AUTHORIZATIONS };
    expect(reasonOf(wrapSecureKey(content, random))).toBe('KEY_LENGTH');
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(reasonOf(wrapSecureKey({ ...content, key: initialKey, wrappingKey: ec.publicKey }, random))).toBe(
      'OAEP_MODULUS',
    );
  });

  test('is read exactly or refused: no byte may be added, cut or changed in its frame', () => {
    const der = wrapped();
    for (let cut = 0; cut < der.length; cut++) {
      expect(reasonOf(parseSecureKeyWrapper(der.subarray(0, cut)))).toBe('WRAPPER_MALFORMED');
    }
    expect(reasonOf(parseSecureKeyWrapper(Buffer.concat([der, Buffer.alloc(1)])))).toBe('WRAPPER_MALFORMED');
    expect(reasonOf(parseSecureKeyWrapper(Buffer.alloc(9000, 0x30)))).toBe('WRAPPER_MALFORMED');
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 0, max: 255 }), (at, octet) => {
        const changed = Buffer.from(der);
        changed[at] = octet;
        const read = parseSecureKeyWrapper(changed);
        return !read.ok || formatSecureKeyWrapper(read.value).equals(changed);
      }),
      { seed: 1, numRuns: 1500 },
    );
  });

  test('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (der) => parseSecureKeyWrapper(der).ok === false),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('key description', () => {
  const authorizations = fc.record(
    {
      purpose: fc.uniqueArray(fc.integer({ min: 0, max: 6 })).map((list) => list.sort((a, b) => a - b)),
      algorithm: fc.constantFrom(32, 33, 128),
      keySize: fc.constantFrom(112, 128, 168, 192, 256, 65536, 4294967295),
      digest: fc.uniqueArray(fc.integer({ min: 0, max: 200 })).map((list) => list.sort((a, b) => a - b)),
      callerNonce: fc.constant(true),
      minMacLength: fc.constantFrom(96, 128),
      ecCurve: fc.constantFrom(1),
      noAuthRequired: fc.constant(true),
    },
    { requiredKeys: [] },
  );

  test('is read as it was written', () => {
    fc.assert(
      fc.property(authorizations, fc.constantFrom(0, 1, 3), (written, keyFormat) => {
        if ((written.purpose?.length ?? 0) > 16 || (written.digest?.length ?? 0) > 16) return true;
        const der = derKeyDescription(keyFormat, written);
        const read = readKeyDescription(readDerElements(der, 1)?.[0]);
        return JSON.stringify(read) === JSON.stringify({ keyFormat, authorizations: written, otherTags: [] });
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('names tags that it does not read, and refuses tags out of order or twice', () => {
    const explicit = (tag: number) => derElement(CONTEXT, tag, true, derUnsigned(5));
    const description = (...list: Buffer[]) =>
      readKeyDescription(readDerElements(derSequence(derUnsigned(3), derSequence(...list)), 1)?.[0]);
    expect(description(explicit(3), explicit(405), explicit(702))?.otherTags).toEqual([405, 702]);
    expect(description(explicit(405), explicit(3))).toBeUndefined();
    expect(description(explicit(3), explicit(3))).toBeUndefined();
    expect(description(derUnsigned(3))).toBeUndefined();
    expect(description(...Array.from({ length: 40 }, (_, at) => explicit(600 + at)))).toBeUndefined();
  });
});

describe('DER', () => {
  test.each([
    ['0201', 'cut content'],
    ['02', 'no length'],
    ['028100', 'a long length that is short'],
    ['02820080', 'a length with a leading zero'],
    ['0280', 'an indefinite length'],
    ['0283000001FF', 'a length of three bytes'],
    ['1F05', 'a long tag that is short'],
    ['1F8005', 'a tag with a leading zero'],
    ['1FFFFFFFFF7F00', 'a tag beyond its bound'],
    ['1FFF', 'a cut tag'],
  ])('%s is refused: %s', (der) => {
    expect(readDerElements(bytes(der), 4)).toBeUndefined();
  });

  test.each([
    ['020100', 0],
    ['02017F', 127],
    ['02020080', 128],
    ['020500FFFFFFFF', 4294967295],
    ['0200', undefined],
    ['020180', undefined],
    ['0202007F', undefined],
    ['02050100000000', undefined],
    ['0206000100000000', undefined],
    ['040100', undefined],
  ])('%s is the integer %p', (der, value) => {
    expect(readUnsigned(readDerElements(bytes(der), 1)?.[0])).toBe(value);
    if (value !== undefined) expect(derUnsigned(value).toString('hex').toUpperCase()).toBe(der);
  });

  test('no more elements are read than the caller bears', () => {
    expect(readDerElements(Buffer.alloc(8, bytes('0500')), 3)).toBeUndefined();
    expect(readDerElements(Buffer.alloc(8, bytes('0500')), 4)?.length).toBe(4);
    expect(() => derElement(0, 4, false, Buffer.alloc(65536))).toThrow(RangeError);
  });
});
