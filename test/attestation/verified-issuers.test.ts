import { describe, expect, test } from '@jest/globals';
import { createAnchorSet } from '../../src/attestation/android/anchors.ts';
import {
  createVerifiedIssuers,
  type VerifiedIssuer,
  type VerifiedIssuers,
} from '../../src/attestation/android/verified-issuers.ts';
import { issueCertificate } from '../../src/x509/issue.ts';
import {
  AT,
  anchorOf,
  appraise,
  authorityExtensions,
  certificateTemplate,
  chainOf,
  KEYS,
  namedKey,
  provisioningExtension,
  statusList,
  withExtensions,
} from './support/phone.ts';

/** Verified issuers that say what was asked of them. */
function watched(capacity = 100) {
  const issuers = createVerifiedIssuers(capacity);
  const log: string[] = [];
  const watching: VerifiedIssuers = {
    find: (der) => {
      const issuer = issuers.find(der);
      log.push(issuer === undefined ? 'new' : 'known');
      return issuer;
    },
    remember: (issuer) => {
      log.push('remember');
      issuers.remember(issuer);
    },
  };
  return { issuers: watching, log };
}

const DAY = 86_400_000;

describe('verified issuers', () => {
  test('are remembered with the carrier of the anchor, but not the leaf', () => {
    const { issuers, log } = watched();
    const first = appraise(chainOf(), { issuers });
    expect(log.splice(0)).toEqual(['new', 'new', 'new', 'remember', 'remember', 'remember']);
    expect(appraise(chainOf(), { issuers }).verdict).toBe('trusted');
    expect(appraise(chainOf(), { issuers }).checks).toEqual(first.checks);
  });

  test('are asked for, and change no verdict', () => {
    const chain = chainOf();
    const { issuers, log } = watched();
    const first = appraise(chain, { issuers });
    log.length = 0;
    expect(appraise(chain, { issuers })).toEqual(first);
    expect(log).toEqual(['known', 'known', 'known']);
  });

  test('are not remembered from a chain that does not hold', () => {
    const { issuers, log } = watched();
    appraise(chainOf({ leaf: (leaf) => ({ ...leaf, signingKey: KEYS.upper.privateKey }) }), { issuers });
    appraise(chainOf({ keys: { root: namedKey('Root') } }), { issuers });
    appraise(chainOf({ keys: { root: namedKey('Other') } }), { issuers });
    expect(log).not.toContain('remember');
  });

  test('hold under the key that they were verified under, and under no other', () => {
    const { issuers } = watched();
    const chain = chainOf();
    expect(appraise(chain, { issuers }).verdict).toBe('trusted');
    // The same batch certificate below an intermediate of the same name and another key.
    const impostor = namedKey('Intermediate');
    const other = issueCertificate(certificateTemplate(impostor, KEYS.root, [0x99], authorityExtensions()));
    expect(appraise([chain[0]!, chain[1]!, other, chain[3]!], { issuers }).reasons).toEqual([
      'CHAIN_SIGNATURE_INVALID',
    ]);
    // The same chain below another anchor of the same name.
    const anchors = createAnchorSet([anchorOf(namedKey('Root', 'P-384'))]);
    expect(appraise(chain.slice(0, 3), { issuers, anchors }).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
  });

  test("do not vouch for the anchor's carrier, which anybody can make", () => {
    const { issuers } = watched();
    const chain = chainOf({ root: (root) => ({ ...root, signingKey: KEYS.leaf.privateKey }) });
    expect(appraise(chain, { issuers }).verdict).toBe('trusted');
    const again = chainOf();
    expect(appraise([...chain, again[3]!], { issuers }).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
  });

  test('are judged anew: revocation, dates and position', () => {
    const { issuers } = watched();
    const chain = chainOf({
      lower: (lower) => ({
        ...withExtensions(provisioningExtension(Buffer.of(0xa0)))(lower),
        notBefore: new Date(AT.getTime() - DAY),
        notAfter: new Date(AT.getTime() + DAY),
      }),
    });
    expect(appraise(chain, { issuers }).verdict).toBe('trusted');
    expect(appraise(chain, { issuers, statusList: statusList({ abcd: 'REVOKED' }) }).reasons).toEqual([
      'CHAIN_REVOKED',
    ]);
    const later = new Date(AT.getTime() + 2 * DAY);
    expect(appraise(chain, { issuers, at: later, statusList: statusList({}, later) }).reasons).toEqual([
      'CHAIN_EXPIRED',
    ]);
    const forged = issueCertificate(certificateTemplate(namedKey('Forged'), KEYS.leaf, [3], []));
    expect(appraise([forged, ...chain], { issuers }).reasons).toEqual(['CHAIN_FORGED_EXTENSION']);
  });

  test('do not keep the message alive that they came in', () => {
    const certificates = chainOf();
    const message = Buffer.concat(certificates);
    let end = 0;
    const chain = certificates.map(({ length }) => {
      end += length;
      return message.subarray(end - length, end);
    });
    const kept: ArrayBufferLike[] = [];
    const issuers: VerifiedIssuers = {
      find: () => undefined,
      remember: ({ certificate }) => kept.push(certificate.der.buffer),
    };
    const { verdict } = appraise(chain, { issuers });
    expect(verdict).toBe('trusted');
    expect(kept).toHaveLength(3);
    expect(kept.some((buffer) => buffer === message.buffer)).toBe(false);
  });

  test('are bounded, and the one that was used longest ago goes first', () => {
    const issuers = createVerifiedIssuers(2);
    const [a, b, c] = chainOf().map((der) => ({ certificate: { der }, key: null }) as never as VerifiedIssuer);
    issuers.remember(a!);
    issuers.remember(b!);
    issuers.find(a!.certificate.der);
    issuers.remember(c!);
    expect([a, b, c].map((issuer) => issuers.find(issuer!.certificate.der))).toEqual([a, undefined, c]);
  });

  test('are not pushed out by carriers of the anchor, of which anybody can make as many as he likes', () => {
    const { issuers, log } = watched(4);
    const chain = chainOf();
    appraise(chain, { issuers });
    for (let made = 0; made < 40; made += 1) {
      const root = issueCertificate(certificateTemplate(KEYS.root, KEYS.leaf, [0x7f, made], authorityExtensions()));
      expect(appraise([...chain.slice(0, 3), root], { issuers }).verdict).toBe('trusted');
    }
    log.length = 0;
    appraise(chain, { issuers });
    expect(log).toEqual(['known', 'known', 'new', 'remember']);
  });

  test('are told apart by every byte', () => {
    const issuers = createVerifiedIssuers(2);
    const [der] = chainOf();
    const issuer = { certificate: { der }, key: null } as never as VerifiedIssuer;
    issuers.remember(issuer);
    const twin = Buffer.from(der!);
    expect(issuers.find(twin)).toBe(issuer);
    twin[20]! ^= 1;
    expect(issuers.find(twin)).toBeUndefined();
    expect(issuers.find(Buffer.of(1))).toBeUndefined();
  });
});
