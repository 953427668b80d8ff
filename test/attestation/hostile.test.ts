import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseStatusList, readStatusList } from '../../src/attestation/android/revocation.ts';
import { CHECK_CODES } from '../../src/attestation/appraise.ts';
import { derInteger, derNull, derOctetString, derSequence } from '../../src/virtual/keymint/der.ts';
import { issueCertificate } from '../../src/x509/issue.ts';
import {
  AT,
  appraise,
  certificateTemplate,
  chainOf,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  policyWith,
  withExtensions,
} from './support/phone.ts';

const CHAIN = chainOf();
const ROOT = CHAIN.length - 1;
const HONEST = appraise(CHAIN);

const replaced = (position: number, certificate: Uint8Array): Uint8Array[] =>
  CHAIN.map((original, index) => (index === position ? certificate : original));

const malformed = { verdict: 'refused', reasons: ['CHAIN_MALFORMED'], facts: null };

describe('an honest chain with one byte changed', () => {
  // A root certificate is the bearer of a name and a key: bytes of it that are neither decide nothing.
  test.each(CHAIN.map((_, position) => [position]))('certificate %i, every byte', (position) => {
    const certificate = CHAIN[position]!;
    for (let index = 0; index < certificate.length; index += 1) {
      const changed = Buffer.from(certificate);
      changed[index] = certificate[index]! ^ (1 << (index % 8));
      const { verdict, facts, checks } = appraise(replaced(position, changed));
      expect(checks).toHaveLength(CHECK_CODES.length);
      if (verdict === 'refused') continue;
      expect(position).toBe(ROOT);
      expect(facts?.publicKey).toEqual(HONEST.facts?.publicKey);
      expect(facts?.rootOfTrust).toEqual(HONEST.facts?.rootOfTrust);
    }
  });

  test.each(CHAIN.map((_, position) => [position]))('certificate %i, cut at every byte', (position) => {
    const certificate = CHAIN[position]!;
    for (let length = 0; length < certificate.length; length += 1) {
      expect(appraise(replaced(position, certificate.subarray(0, length)))).toMatchObject(malformed);
    }
  });
});

describe('a chain that is anything but a chain', () => {
  test('random bytes are refused, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), (chain) => {
        expect(appraise(chain)).toMatchObject(malformed);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('certificates in the wrong order or twice are refused', () => {
    expect(appraise([...CHAIN].reverse()).verdict).toBe('refused');
    expect(appraise([CHAIN[0]!, ...CHAIN]).verdict).toBe('refused');
    expect(appraise([CHAIN[0]!, CHAIN[2]!, CHAIN[1]!, CHAIN[3]!]).verdict).toBe('refused');
    expect(appraise(CHAIN.slice(1)).reasons).toContain('KEY_DESCRIPTION_MISSING');
    expect(appraise([CHAIN[0]!]).reasons).toEqual(['CHAIN_UNTRUSTED']);
  });

  test.each([
    ['a certificate of a megabyte', [Buffer.alloc(1_048_576, 0x30)]],
    ['a hundred certificates', Array.from({ length: 100 }, () => CHAIN[0]!)],
    ['a sequence that is ten thousand deep', [nested(10_000)]],
    ['a certificate with a byte after it', [Buffer.concat([CHAIN[0]!, Buffer.of(0)]), ...CHAIN.slice(1)]],
    ['an empty certificate', [Buffer.alloc(0), ...CHAIN.slice(1)]],
  ])('%s', (_, chain) => {
    expect(appraise(chain)).toMatchObject(malformed);
  });

  test('a megabyte that policy allows is read and refused', () => {
    const huge = withExtensions({ oid: '1.2.3', critical: false, value: Buffer.alloc(900_000) });
    const policy = policyWith({ limits: { maximumBytes: 1_048_576 } });
    const chain = chainOf({ leaf: huge });
    expect(appraise(chain, { policy }).verdict).toBe('trusted');
    expect(appraise(chain)).toMatchObject(malformed);
    chain[0]!.writeUInt8(0x31, 0);
    expect(appraise(chain, { policy })).toMatchObject(malformed);
  });
});

/** A SEQUENCE in a SEQUENCE in a SEQUENCE. */
function nested(depth: number): Buffer {
  const lengths: Buffer[] = [];
  for (let inner = 0, level = 0; level < depth; level += 1) {
    const header =
      inner < 0x80 ? Buffer.of(0x30, inner) : Buffer.of(0x30, 0x83, inner >> 16, (inner >> 8) & 0xff, inner & 0xff);
    const minimal = inner < 0x80 || inner > 0xffff ? header : shortHeader(inner);
    lengths.push(minimal);
    inner += minimal.length;
  }
  return Buffer.concat(lengths.reverse());
}

function shortHeader(length: number): Buffer {
  return length < 0x100 ? Buffer.of(0x30, 0x81, length) : Buffer.of(0x30, 0x82, length >> 8, length & 0xff);
}

/** The bytes with one run of them exchanged, in hex. */
function patched(bytes: Buffer, from: string, to: string): Buffer {
  return Buffer.from(bytes.toString('hex').replace(from, to), 'hex');
}

describe('a key description that is anything but one', () => {
  const describedAs = (value: Uint8Array) =>
    appraise([
      issueCertificate(certificateTemplate(KEYS.leaf, KEYS.lower, [1], [descriptionExtension(value)])),
      ...CHAIN.slice(1),
    ]);

  const bent = (bend: (hardware: Map<number, Buffer>) => void) => {
    const description = honestDescription();
    bend(description.hardware);
    return encodeDescription(description);
  };

  test.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['NULL', derNull()],
    ['nested deeper than the schema', bent((list) => list.set(704, nested(40)))],
    ['a root of trust that is not one', bent((list) => list.set(704, derSequence(derInteger(1))))],
    ['a patch level that is text', bent((list) => list.set(706, derOctetString(Buffer.from('202605'))))],
    ['a patch level over 2⁵³', bent((list) => list.set(706, derInteger(2n ** 60n)))],
    ['two values in one tag', bent((list) => list.set(706, Buffer.concat([derInteger(1), derInteger(2)])))],
    ['a tag without a value', bent((list) => list.set(706, Buffer.alloc(0)))],
    ['a purpose that is a number, not a set', bent((list) => list.set(1, derInteger(2)))],
    ['a NULL that holds something', bent((list) => list.set(503, Buffer.of(5, 1, 0)))],
    ['a tag that stands twice', encodeDescription({ ...honestDescription(), trailing: [[706, derInteger(1)]] })],
    ['a tag that is not explicit', patched(encodeDescription(honestDescription()), 'bf853e', '9f853e')],
    ['bytes after it', Buffer.concat([encodeDescription(honestDescription()), Buffer.of(0)])],
  ])('%s', (_, value) => {
    expect(describedAs(value)).toMatchObject(malformed);
  });

  test('two key descriptions in one certificate', () => {
    const extension = descriptionExtension(encodeDescription(honestDescription()));
    const leaf = certificateTemplate(KEYS.leaf, KEYS.lower, [1], [extension, extension]);
    expect(appraise([issueCertificate(leaf), ...CHAIN.slice(1)])).toMatchObject(malformed);
  });

  test('ten thousand unknown authorisations are over the limit of bytes', () => {
    const value = bent((list) => {
      for (let tag = 20_000; tag < 30_000; tag += 1) list.set(tag, derNull());
    });
    expect(describedAs(value)).toMatchObject(malformed);
  });

  test('random bytes in place of an authorisation never throw', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 6, 503, 702, 704, 709, 714, 724),
        fc.uint8Array({ maxLength: 40 }),
        (tag, value) => {
          const { checks } = describedAs(bent((list) => list.set(tag, Buffer.from(value))));
          expect(checks).toHaveLength(CHECK_CODES.length);
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe('a status list that is anything but one', () => {
  const parse = (text: string) => parseStatusList(Buffer.from(text), AT, { maximumBytes: 2000, maximumEntries: 3 });
  const entries = (count: number) =>
    JSON.stringify({
      entries: Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, { status: 'REVOKED' }])),
    });

  test.each([
    ['nothing', '', 'STATUS_LIST_NOT_JSON'],
    ['half of one', '{"entries": {', 'STATUS_LIST_NOT_JSON'],
    ['a list', '[]', 'STATUS_LIST_NOT_JSON'],
    ['null', 'null', 'STATUS_LIST_NOT_JSON'],
    ['no entries', '{}', 'STATUS_LIST_NO_ENTRIES'],
    ['entries as a list', '{"entries": []}', 'STATUS_LIST_NO_ENTRIES'],
    ['a serial number that is not hex', '{"entries": {"xyz": {"status": "REVOKED"}}}', 'STATUS_LIST_SERIAL_INVALID'],
    ['an empty serial number', '{"entries": {"": {"status": "REVOKED"}}}', 'STATUS_LIST_SERIAL_INVALID'],
    [
      'a prototype for a serial number',
      '{"entries": {"__proto__": {"status": "REVOKED"}}}',
      'STATUS_LIST_SERIAL_INVALID',
    ],
    ['an entry that is a word', '{"entries": {"ab": "REVOKED"}}', 'STATUS_LIST_STATUS_INVALID'],
    ['an entry without a status', '{"entries": {"ab": {}}}', 'STATUS_LIST_STATUS_INVALID'],
    ['too many entries', entries(4), 'STATUS_LIST_TOO_LARGE'],
    ['too many bytes', ' '.repeat(2001), 'STATUS_LIST_TOO_LARGE'],
  ])('%s', (_, text, reason) => {
    expect(parse(text)).toMatchObject({ ok: false, reason });
  });

  test('text that is not UTF-8', () => {
    expect(parseStatusList(Buffer.of(0xff), AT)).toMatchObject({ ok: false, reason: 'STATUS_LIST_NOT_JSON' });
  });

  test('a stream without an end is left at the limit', async () => {
    let sent = 0;
    async function* endless() {
      for (;;) {
        sent += 1;
        yield Buffer.alloc(1000, 0x20);
      }
    }
    const limits = { maximumBytes: 2000, maximumEntries: 3 };
    expect(await readStatusList(endless(), AT, limits)).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    expect(sent).toBe(3);
  });

  test('a list of a hundred thousand entries is read', () => {
    const result = parseStatusList(Buffer.from(entries(100_000)), AT);
    expect(result.ok && result.value.entries.size).toBe(100_000);
  });
});
