import { derInteger, derNull } from '../../../src/virtual/keymint/der.ts';
import { namedKey, namedRsaKey, setOf } from '../support/phone.ts';
import { expected, hardware, type Row, rsaKey } from './row.ts';

const rsaLeaf = namedRsaKey('Android Keystore Key', 2048);

export const KEY_ROWS: readonly Row[] = [
  {
    name: 'another challenge',
    evidence: { expected: { ...expected, challenge: Buffer.alloc(32, 1) } },
    fails: { CHALLENGE_MATCHES: 'CHALLENGE_MISMATCH' },
  },
  {
    name: 'an empty challenge, even where it is expected',
    phone: { description: (stated) => Object.assign(stated, { challenge: Buffer.alloc(0) }) },
    evidence: { expected: { ...expected, challenge: Buffer.alloc(0) } },
    fails: { CHALLENGE_MATCHES: 'CHALLENGE_MISMATCH' },
  },
  { name: 'a challenge that is not asked for', evidence: { expected: { ...expected, challenge: null } } },
  ...[[], [3], [2, 7], [2, 6], [1], [2, 99]].map(
    (purposes): Row => ({
      name: `a signing key of purposes ${purposes.join(', ') || 'none'}`,
      phone: { description: hardware([1, setOf(...purposes)]) },
      fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
    }),
  ),
  {
    name: 'a signing key of no purpose at all',
    phone: { description: hardware([1, null]) },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
    details: { KEY_PURPOSE: 'purposes none' },
  },
  {
    name: 'a signing key that attests, too',
    phone: { description: hardware([1, setOf(2, 7)]) },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
    details: { KEY_PURPOSE: 'purposes SIGN, ATTEST_KEY' },
  },
  { name: 'a signing key that may verify', phone: { description: hardware([1, setOf(2, 3)]) } },
  {
    name: 'a purpose that only software states',
    phone: {
      description: ({ hardware: list, software }) => {
        software.set(1, list.get(1)!);
        list.delete(1);
      },
    },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key agreement key',
    phone: { description: hardware([1, setOf(6)]) },
    evidence: { expected: { ...expected, purpose: 'agree' } },
  },
  {
    name: 'a signing key where a key agreement key is expected',
    evidence: { expected: { ...expected, purpose: 'agree' } },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an RSA key that wraps',
    phone: {
      keys: { leaf: rsaLeaf },
      description: (stated) => {
        rsaKey(stated);
        stated.hardware.set(1, setOf(5));
      },
    },
    evidence: { expected: { ...expected, purpose: 'wrap' } },
  },
  {
    name: 'an RSA key where P-256 is expected',
    phone: { keys: { leaf: rsaLeaf }, description: rsaKey },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an RSA key that is too short',
    phone: {
      keys: { leaf: namedRsaKey('Android Keystore Key', 1024) },
      description: hardware([2, derInteger(1)], [3, derInteger(1024)], [10, null]),
    },
    evidence: { expected: { ...expected, algorithm: 'rsa' } },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a P-384 key',
    phone: {
      keys: { leaf: namedKey('Android Keystore Key', 'P-384') },
      description: hardware([3, derInteger(384)], [10, derInteger(2)]),
    },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an EC key that is described as RSA',
    phone: { description: hardware([2, derInteger(1)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of another size than described',
    phone: { description: hardware([3, derInteger(384)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of another curve than described',
    phone: { description: hardware([10, derInteger(2)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  { name: 'a key whose size and curve are not stated', phone: { description: hardware([3, null], [10, null]) } },
  {
    name: 'an imported key',
    phone: { description: hardware([702, derInteger(2)]) },
    fails: { KEY_ORIGIN: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of no stated origin',
    phone: { description: hardware([702, null]) },
    fails: { KEY_ORIGIN: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of all applications',
    phone: { description: hardware([600, derNull()]) },
    fails: { KEY_OF_ONE_APPLICATION: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key that the system gives to all applications',
    phone: { description: ({ software }) => software.set(600, derNull()) },
    fails: { KEY_OF_ONE_APPLICATION: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
];
