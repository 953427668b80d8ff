import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  deriveInitialKey,
  deriveTransactionKey,
  deriveUpdateKey,
  workingKeyFromBdk,
  workingKeyFromInitialKey,
} from '../../src/payment-crypto/aes-dukpt/host.ts';
import { DukptRegisters } from '../../src/payment-crypto/aes-dukpt/registers.ts';
import { cmac, shortCmacs, verifyCmac } from '../../src/payment-crypto/cmac.ts';
import { keyCheckValue } from '../../src/payment-crypto/kcv.ts';
import { agreeSharedSecret, deriveKbpk, generateEphemeralKeyPair } from '../../src/payment-crypto/key-agreement.ts';
import { exportKeyBlock } from '../../src/payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../src/payment-crypto/key-block/import.ts';
import { decipherPin, encipherPin, type PinBlockEnd } from '../../src/payment-crypto/pin-block/encipherment.ts';
import { translatePin } from '../../src/payment-crypto/pin-block/translation.ts';
import { retailMac } from '../../src/payment-crypto/retail-mac.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import {
  openTransportKey,
  parseSecureKeyWrapper,
  unwrapSecureKey,
  wrapSecureKey,
} from '../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey } from '../../src/payment-crypto/tdes-dukpt/derivation.ts';
import {
  deriveTdesWorkingKey,
  TDES_WORKING_KEY_USAGES,
  tdesWorkingKeyFromBdk,
} from '../../src/payment-crypto/tdes-dukpt/working-key.ts';
import { type Kept, residue } from './residue.ts';
import { accepted, ikid, key, ksn, pan, pin, reasonOf, seededRandom, tdesKsn } from './support.ts';

const AES = 'FEDCBA9876543210F1F1F1F1F1F1F1F1';
const AES_256 = AES + AES;
const TDES = '0123456789ABCDEFFEDCBA9876543210';
const IKID = '1234567890123456';
const random = seededRandom('residue');

/** What an operation is given, and the operation: it answers what may stay beside it. */
interface Operation {
  readonly given: readonly Kept[];
  readonly run: () => readonly Kept[];
}

const operation = <const G extends readonly Kept[]>(given: G, run: (...given: G) => readonly Kept[]): Operation => ({
  given,
  run: () => run(...given),
});

const refused = (result: Parameters<typeof reasonOf>[0], reason: string): readonly Kept[] => {
  expect(reasonOf(result)).toBe(reason);
  return [];
};

test('the probe sees what is left: a key, what went into a cipher, and what came out of it', () => {
  const secret = key('AES', AES);
  expect(residue([secret], () => [])).toEqual([]);
  const used = () => {
    secret.use(() => undefined);
    return [];
  };
  expect(residue([], used)).toEqual([AES.toLowerCase()]);
  expect(residue([secret], used)).toEqual([]);
  const [first, second] = [Buffer.alloc(16, 7), Buffer.alloc(16, 8)];
  const enciphering = () => {
    secret.encipher(first);
    secret.cipherIn('cbc', Buffer.alloc(16)).update(second);
    return [];
  };
  const enciphered = secret.encipher(first).toString('hex');
  expect(residue([secret], enciphering)).toEqual([first.toString('hex'), enciphered, second.toString('hex')]);
  expect(residue([secret], enciphering, 'keys')).toEqual([enciphered]);
  const deciphering = () => {
    secret.decipher(Buffer.from(enciphered, 'hex'));
    secret.decipherIn('ctr', Buffer.alloc(16)).update(Buffer.alloc(16));
    return [];
  };
  expect(residue([secret], deciphering)).toEqual([
    first.toString('hex'),
    secret.encipher(Buffer.alloc(16)).toString('hex'),
  ]);
});

describe('nothing is left of what came between, beside the answer', () => {
  const at = ksn(`${IKID}A0020301`);
  const tdesAt = tdesKsn('FFFF9876543210E55555');

  const dukpt: [string, Operation][] = [
    ['the initial key', operation([key('AES', AES)], (bdk) => [deriveInitialKey(bdk, ikid(IKID))])],
    ['the transaction key', operation([key('AES', AES)], (initial) => [deriveTransactionKey(initial, at)])],
    ...(['AES128', 'AES192', 'AES256', 'TDES2', 'TDES3', 'HMAC128', 'HMAC192'] as const).map(
      (type): [string, Operation] => [
        `a working key, ${type}`,
        operation([key('AES', AES_256)], (bdk) => [accepted(workingKeyFromBdk(bdk, at, 'macBoth', type))]),
      ],
    ),
    [
      'a working key that is refused',
      operation([key('AES', AES)], (initial) =>
        refused(workingKeyFromInitialKey(initial, at, 'macBoth', 'AES256'), 'KEY_STRONGER_THAN_PARENT'),
      ),
    ],
    [
      'the update key',
      operation([key('AES', AES)], (initial) => [accepted(deriveUpdateKey(initial, ikid(IKID), 'AES128'))]),
    ],
    [
      'registers that were used and wiped',
      operation([], () => {
        const registers = DukptRegisters.load(key('AES', AES), ikid(IKID));
        for (let count = 0; count < 5; count++) accepted(registers.advance()).wipe();
        accepted(registers.updateKey('AES128')).wipe();
        registers.serialize().wipe();
        registers.wipe();
        return [];
      }),
    ],
    ['the initial key of TDEA', operation([key('TDES', TDES)], (bdk) => [deriveTdesInitialKey(bdk, tdesAt.toBytes())])],
    [
      'the transaction key of TDEA',
      operation([key('TDES', TDES)], (initial) => [deriveTdesTransactionKey(initial, tdesAt)]),
    ],
    ...TDES_WORKING_KEY_USAGES.flatMap((usage): [string, Operation][] => [
      [`a working key of TDEA, ${usage}`, operation([key('TDES', TDES)], (of) => [deriveTdesWorkingKey(of, usage)])],
      [
        `a working key of TDEA from the BDK, ${usage}`,
        operation([key('TDES', TDES)], (bdk) => [tdesWorkingKeyFromBdk(bdk, tdesAt, usage)]),
      ],
    ]),
  ];

  const macs: [string, Operation][] = [
    ...[0, 5, 16, 40].map((length): [string, Operation] => [
      `a CMAC of ${length} bytes`,
      operation([key('AES', AES), Buffer.alloc(length, 3)], (of, message) => [cmac(of, message)]),
    ]),
    [
      'CMACs of short messages',
      operation([key('AES', AES)], (of) => [shortCmacs(of, [Buffer.alloc(16, 1), Buffer.alloc(3, 1)])]),
    ],
    ['a check value', operation([key('TDES', TDES)], (of) => [keyCheckValue(of)])],
    ['a check value by CMAC', operation([key('AES', AES)], (of) => [keyCheckValue(of)])],
    ['a retail MAC', operation([key('TDES', TDES)], (of) => [retailMac(of, Buffer.alloc(21, 5))])],
  ];

  // What keys are derived from is public, but for what a register of TDEA DUKPT is XORed with.
  test.each(dukpt)('%s', (_, { given, run }) => {
    expect(residue(given, run, 'keys')).toEqual([]);
  });

  test.each(macs)('%s', (_, { given, run }) => {
    expect(residue(given, run)).toEqual([]);
  });
});

describe('nothing clear is left of a PIN', () => {
  const PAN = pan('4111111111111111');
  const end = (format: 0 | 1 | 3 | 4): PinBlockEnd => ({
    format,
    key: format === 4 ? key('AES', AES) : key('TDES', TDES),
    pan: PAN,
  });
  const held = ({ key: of, pan: number }: PinBlockEnd): Kept[] => [of, ...(number ? [number] : [])];

  test.each([0, 1, 3, 4] as const)('that is enciphered and deciphered in format %i', (format) => {
    const at = end(format);
    const clear = pin('1234');
    const block = accepted(encipherPin(at, clear, random));
    expect(residue([clear, ...held(at)], () => [accepted(encipherPin(at, clear, random))])).toEqual([]);
    expect(residue([block, ...held(at)], () => [accepted(decipherPin(at, block))])).toEqual([]);
    const other = { ...at, key: format === 4 ? key('AES', TDES) : key('TDES', AES) };
    expect(residue([block, ...held(other)], () => refused(decipherPin(other, block), 'PIN_BLOCK_INVALID'))).toEqual([]);
  });

  test.each([
    [0, 4],
    [4, 0],
    [1, 3],
    [4, 4],
  ] as const)('that is translated from format %i to %i', (from, to) => {
    const [source, target] = [end(from), end(to)];
    const block = accepted(encipherPin(source, pin('1234'), random));
    const given = [block, ...held(source), ...held(target)];
    expect(residue(given, () => [accepted(translatePin(block, source, target, random))])).toEqual([]);
    const wrong: PinBlockEnd = { ...target, key: target.format === 4 ? key('TDES', TDES) : key('AES', AES) };
    expect(
      residue([...given, wrong.key], () => refused(translatePin(block, source, wrong, random), 'KEY_ALGORITHM')),
    ).toEqual([]);
  });
});

describe('nothing clear is left of a key block', () => {
  const attributes = { usage: 'K0', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'N' } as const;
  const forms = [
    ['B', key('TDES', TDES + TDES.slice(0, 16)), key('TDES', TDES), { ...attributes, algorithm: 'T' }],
    ['D', key('AES', AES), key('AES', AES), attributes],
    ['D', key('AES', `${AES}0011223344556677`), key('AES', AES), attributes],
    ['E', key('AES', AES_256), key('AES', AES), attributes],
  ] as const;

  test.each(forms)('of version %s', (version, kbpk, secret, of) => {
    const content = { version, attributes: of, key: secret };
    const block = accepted(exportKeyBlock(content, kbpk, random));
    expect(
      residue([kbpk, secret], () => {
        accepted(exportKeyBlock(content, kbpk, random));
        return [];
      }),
    ).toEqual([]);
    expect(residue([kbpk], () => [accepted(importKeyBlock(block, kbpk)).key])).toEqual([]);
    const changed = `${block.slice(0, -1)}${block.endsWith('0') ? '1' : '0'}`;
    expect(residue([kbpk], () => refused(importKeyBlock(changed, kbpk), 'KEY_BLOCK_MAC'))).toEqual([]);
  });

  test('whose check value is not that of its key', () => {
    const [kbpk, secret] = [key('AES', AES_256), key('AES', AES)];
    const optional = [{ id: 'KC', method: 'cmac', value: '0000000000' }] as const;
    const block = accepted(exportKeyBlock({ version: 'D', attributes, key: secret, optional }, kbpk, random));
    expect(residue([kbpk], () => refused(importKeyBlock(block, kbpk), 'KEY_CHECK_VALUE'))).toEqual([]);
  });
});

describe('nothing clear is left of a key transport', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const authorizations = { noAuthRequired: true } as const;
  const secret = key('AES', AES);
  const maskingKey = new SecretBytes(Buffer.alloc(32, 9));
  const made = wrapSecureKey({ wrappingKey: publicKey, key: secret, authorizations, maskingKey }, random);
  const wrapper = accepted(parseSecureKeyWrapper(accepted(made)));
  const opener = { wrappingKey: privateKey, maskingKey };

  test('that is wrapped', () => {
    const wrap = { wrappingKey: publicKey, key: secret, authorizations, maskingKey };
    expect(residue([secret, maskingKey], () => [accepted(wrapSecureKey(wrap, random))])).toEqual([]);
    const { publicKey: point } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(
      residue([secret, maskingKey], () =>
        refused(wrapSecureKey({ ...wrap, wrappingKey: point }, random), 'OAEP_MODULUS'),
      ),
    ).toEqual([]);
  });

  test('that is opened', () => {
    expect(residue([maskingKey], () => [accepted(openTransportKey(wrapper, opener))])).toEqual([]);
    expect(residue([maskingKey], () => [accepted(unwrapSecureKey(wrapper, opener))])).toEqual([]);
    const short = new SecretBytes(Buffer.alloc(16, 9));
    const shortOpener = { wrappingKey: privateKey, maskingKey: short };
    expect(residue([short], () => refused(unwrapSecureKey(wrapper, shortOpener), 'KEY_LENGTH'))).toEqual([]);
    expect(residue([], () => refused(unwrapSecureKey(wrapper, { wrappingKey: privateKey }), 'WRAPPER_TAG'))).toEqual(
      [],
    );
  });

  test('that is agreed on', () => {
    const [ours, theirs] = [generateEphemeralKeyPair(), generateEphemeralKeyPair()];
    const shared = accepted(agreeSharedSecret(ours.privateKey, theirs.publicKey));
    expect(residue([shared], () => [deriveKbpk(shared, Buffer.alloc(8), Buffer.alloc(4))])).toEqual([]);
  });
});

test('a comparison leaves nothing but the message', () => {
  const of = key('AES', AES);
  const message = Buffer.alloc(20, 1);
  const mac = cmac(of, message);
  const left = residue([of, message, mac], () => {
    expect(verifyCmac(of, message, mac)).toBe(true);
    return [];
  });
  // The value that was expected: it is the one that the message came with.
  expect(left.every((bytes) => bytes.includes(mac.toString('hex')))).toBe(true);
});
