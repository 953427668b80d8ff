import { describe, expect, test } from '@jest/globals';
import {
  derElement,
  derOctets,
  derSequence,
  readDerElements,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import { bindHost, formatHostCredential } from '../../../src/payment-crypto/tr34/credential.ts';
import { derOid, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { parseEnvelope } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import { parseKeyContent } from '../../../src/payment-crypto/tr34/key-content.ts';
import { formatRandomNumberToken, parseRandomNumberToken } from '../../../src/payment-crypto/tr34/random-number.ts';
import { bytes } from '../support.ts';
import * as parties from './parties.ts';
import {
  attributesOf,
  ENVELOPE,
  NULL,
  randomNumber,
  refusal,
  signer,
  soundContent,
  take,
  token,
  UNKNOWN,
} from './tokens.ts';

const { NOW, host, hostAuthority, hostCertificate, hostList } = parties;

/** Copies of an element, whole, with a NULL behind the members of every constructed element within it, one at a time. */
function lengthened(encoded: Uint8Array): Buffer[] {
  const [element] = readDerElements(encoded, 1) ?? [];
  if (element === undefined || !element.constructed) return [];
  const { tagClass, tag, content } = element;
  const members = readDerElements(content, 3000) ?? [];
  const written = (parts: readonly Uint8Array[]) => derElement(tagClass, tag, true, ...parts);
  const own = members.map((member) => member.encoded);
  return [
    written([...own, NULL]),
    ...members.flatMap((member, at) => lengthened(member.encoded).map((longer) => written(own.with(at, longer)))),
  ];
}

describe('nothing stands behind the members of an element', () => {
  const DER_REFUSAL = /^TR34_MALFORMED: DER_/;

  /** Every element but those that are kept whole: names, algorithms and keys. */
  const refusals = (sound: Uint8Array, read: (changed: Buffer) => string): readonly string[] =>
    lengthened(sound).map(read);

  test('of a certificate', () => {
    const sound = hostCertificate({ usage: 0x80 });
    const reasons = refusals(sound, (changed) => refusal(parseTr34Certificate(changed)));
    const kept = reasons.filter((reason) => !DER_REFUSAL.test(reason));
    // Two names of a sequence, three sets and three pairs each, and the key's sequence and algorithm.
    expect(kept).toHaveLength(2 * 7 + 2);
    expect(reasons.length - kept.length).toBeGreaterThan(8);
    for (const value of ['3003010100', '03020780'].map(bytes))
      expect(
        refusal(
          parseTr34Certificate(
            hostCertificate({
              constraints: null,
              more: [
                derSequence(
                  derOid(value[0] === 3 ? OIDS.keyUsage : OIDS.basicConstraints),
                  derOctets(Buffer.concat([value, NULL])),
                ),
              ],
            }),
          ),
        ),
      ).toMatch(DER_REFUSAL);
  });

  test('of a revocation list', () => {
    const extension = derSequence(derSequence(derOid(UNKNOWN), derOctets(UNKNOWN)));
    const sound = hostList({ revoked: [7], extensions: extension, entryExtensions: extension });
    const reasons = refusals(sound, (changed) =>
      refusal(bindHost(formatHostCredential(host.certificate, changed), hostAuthority, NOW)),
    );
    const kept = reasons.filter((reason) => !DER_REFUSAL.test(reason));
    expect(new Set(kept)).toEqual(new Set(['TR34_CRL']));
    // The name, and both algorithms, of which the parameters are not compared.
    expect(kept).toHaveLength(7 + 2);
    expect(reasons.length - kept.length).toBeGreaterThan(8);
  });

  test('of a key token', () => {
    const reasons = refusals(token({ lists: [] }), (changed) => refusal(take(changed, ['NO_REVOCATION_LIST'])));
    expect(reasons.filter((reason) => !DER_REFUSAL.test(reason)).toSorted()).toEqual(
      [
        // A digest may have NULL for its parameters: the one that is announced, and the signer's.
        ...Array<string>(2).fill('accepted'),
        // The signer's name and the algorithm of its signature.
        ...Array<string>(8).fill('TR34_SIGNER'),
        'TR34_ALGORITHM: signature',
        // Values of attributes.
        ...Array<string>(4).fill('TR34_SIGNATURE'),
      ].toSorted(),
    );
  });

  test('of a signed attribute, though it is signed', () => {
    for (const [at, sound] of attributesOf(ENVELOPE).entries()) {
      for (const changed of lengthened(sound)) {
        const signers = [signer({ attributes: attributesOf(ENVELOPE).with(at, changed) })];
        expect(refusal(take(token({ signers })))).toMatch(/^TR34_ATTRIBUTE|^TR34_MALFORMED: DER_/);
      }
    }
  });

  test('of a random number token', () => {
    for (const changed of lengthened(formatRandomNumberToken(randomNumber)))
      expect(refusal(parseRandomNumberToken(changed))).toMatch(DER_REFUSAL);
  });

  test('of an envelope', () => {
    const reasons = refusals(ENVELOPE, (changed) => refusal(parseEnvelope(changed)));
    const kept = reasons.filter((reason) => !DER_REFUSAL.test(reason));
    expect(kept.filter((reason) => reason === 'TR34_ALGORITHM: OAEP parameters').length).toBeGreaterThan(5);
    expect(kept).toContain('TR34_ALGORITHM: initialization vector');
    // Name and serial number of the device are held against its own by the caller; two digests may have NULL behind them.
    expect(kept.filter((reason) => reason === 'accepted')).toHaveLength(8 + 2);
  });

  test('of a key block', () => {
    const reasons = soundContent().use((content) => refusals(content, (changed) => refusal(parseKeyContent(changed))));
    expect(reasons.filter((reason) => reason === 'accepted')).toHaveLength(8);
    expect(reasons.filter((reason) => DER_REFUSAL.test(reason))).toHaveLength(reasons.length - 8);
    expect(reasons.length).toBe(8 + 3);
  });
});
