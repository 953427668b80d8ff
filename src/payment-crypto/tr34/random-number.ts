import type { DerReader } from '../../encoding/der.ts';
import { TAG } from '../../encoding/der-tag.ts';
import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { randomOctets } from '../random.ts';
import type { PaymentResult } from '../reason.ts';
import { derOctets, derSequence } from '../secure-key-wrapper/der.ts';
import { derOid, derSetOf, OIDS, readTr34 } from './der.ts';

const MADE_BYTES = 16;
const LEAST_BYTES = 8;
const MOST_BYTES = 32;

/** True where a random number has a length that TR-34:2019 uses: 8 bytes at least. */
export function randomNumberFits(randomNumber: Uint8Array): boolean {
  return randomNumber.length >= LEAST_BYTES && randomNumber.length <= MOST_BYTES;
}

/** A new random number of a key receiving device, 16 bytes; it is good for one token and is then forgotten. */
export function newRandomNumber(random: Random): Buffer {
  return Buffer.from(randomOctets(random, MADE_BYTES));
}

/**
 * RT-KRD, the random number token: pkcs-9-at-randomNonce with one OCTET STRING (TR-34:2019 B.12). The same bytes stand
 * as a signed attribute in the key token.
 */
export function formatRandomNumberToken(randomNumber: Uint8Array): Buffer {
  return derSequence(derOid(OIDS.randomNonce), derSetOf(derOctets(randomNumber)));
}

/** Reads the attribute's SET of one OCTET STRING. */
export function readSingleOctets(der: DerReader): Buffer {
  const set = der.enter(TAG.SET);
  const octets = der.content(TAG.OCTET_STRING);
  der.leave(set);
  return octets;
}

/** Reads an RT-KRD. Refuses with TR34_MALFORMED, or TR34_RANDOM_NUMBER for a number of under 8 or over 32 bytes. */
export function parseRandomNumberToken(
  token: Uint8Array,
): PaymentResult<Buffer, 'TR34_MALFORMED' | 'TR34_RANDOM_NUMBER'> {
  const read = readTr34(token, (der) => {
    const outer = der.enter(TAG.SEQUENCE);
    if (!der.takeOid(OIDS.randomNonce)) der.fail('DER_VALUE_INVALID');
    const octets = readSingleOctets(der);
    der.leave(outer);
    return Buffer.from(octets);
  });
  if (!read.ok) return read;
  return randomNumberFits(read.value) ? ok(read.value) : refuse('TR34_RANDOM_NUMBER');
}
