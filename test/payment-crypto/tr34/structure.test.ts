import { KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import { formatHostCredential } from '../../../src/payment-crypto/tr34/credential.ts';
import { decipherContent, openEnvelope, parseEnvelope } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import { parseKeyContent } from '../../../src/payment-crypto/tr34/key-content.ts';
import { makeKeyToken } from '../../../src/payment-crypto/tr34/key-distribution-host.ts';
import {
  formatRandomNumberToken,
  newRandomNumber,
  parseRandomNumberToken,
} from '../../../src/payment-crypto/tr34/random-number.ts';
import { parseSignedData } from '../../../src/payment-crypto/tr34/signed-data.ts';
import type { Result } from '../../../src/reasons/result.ts';
import { accepted, key, reasonOf, seededRandom } from '../support.ts';
import { boundDevice, device, host, hostList, NOW } from './parties.ts';

const number = newRandomNumber(seededRandom('number'));
const TOKEN = accepted(
  makeKeyToken(
    {
      host,
      device: boundDevice,
      randomNumberToken: formatRandomNumberToken(number),
      key: key('AES', '000102030405060708090A0B0C0D0E0F'),
      attributes: { usage: 'K1', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'E' },
      revocationList: hostList(),
    },
    NOW,
    seededRandom('host'),
  ),
);
const ENVELOPE = accepted(parseSignedData(TOKEN)).content ?? Buffer.alloc(0);
const CONTENT = accepted(openEnvelope(accepted(parseEnvelope(ENVELOPE)), device.privateKey)).use((clear) =>
  Buffer.from(clear),
);

interface Node {
  readonly tag: number;
  readonly content: Buffer;
  /** Of a constructed element. */
  readonly children: readonly Node[] | null;
}

/** DER with tags of one octet, as TR-34 has them. */
function nodesOf(der: Buffer): Node[] {
  const nodes: Node[] = [];
  for (let at = 0; at < der.length; ) {
    const tag = der[at] ?? 0;
    const short = der[at + 1] ?? 0;
    const size = short < 0x80 ? 0 : short & 0x7f;
    const length = size === 0 ? short : der.readUIntBE(at + 2, size);
    const content = der.subarray(at + 2 + size, at + 2 + size + length);
    nodes.push({ tag, content, children: (tag & 0x20) === 0 ? null : nodesOf(content) });
    at += 2 + size + length;
  }
  return nodes;
}

function written(tag: number, content: Buffer): Buffer {
  const length = content.length;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const NULL = Buffer.from('0500', 'hex');

/** Every way to append NULL to one constructed element, with the lengths around it set right. */
function* appended(nodes: readonly Node[]): Generator<Buffer> {
  for (const [at, node] of nodes.entries()) {
    if (node.children === null) continue;
    const wrap = (inner: Buffer): Buffer =>
      Buffer.concat(
        nodes.map((other, index) => (index === at ? written(node.tag, inner) : written(other.tag, other.content))),
      );
    yield wrap(Buffer.concat([node.content, NULL]));
    for (const inner of appended(node.children)) yield wrap(inner);
  }
}

/** What was read, as text: byte strings in hexadecimal, keys by what they export. */
function told(value: unknown): string {
  return JSON.stringify(value, (_name, entry: unknown) => {
    if (entry instanceof SecretBytes) return entry.use((clear) => Buffer.from(clear).toString('hex'));
    if (entry instanceof KeyObject) return entry.export({ type: 'spki', format: 'der' }).toString('hex');
    return entry;
  });
}

describe('an element that was appended somewhere is refused, or seen: it is never passed over', () => {
  test.each<[string, Buffer, (bytes: Buffer) => Result<unknown, string>, number]>([
    ['key token', TOKEN, parseSignedData, 0],
    ['credential', formatHostCredential(host.certificate, hostList()), parseSignedData, 0],
    // NULL is what the parameters of SHA-256 may be, and it stands there twice.
    ['envelope', ENVELOPE, parseEnvelope, 2],
    ['key block', CONTENT, parseKeyContent, 0],
    ['random number token', formatRandomNumberToken(number), parseRandomNumberToken, 0],
  ])('%s', (_name, genuine, parse, meaningless) => {
    const sound = told(accepted(parse(genuine)));
    expect(Buffer.concat(nodesOf(genuine).map(({ tag, content }) => written(tag, content)))).toEqual(genuine);
    const changed = [...appended(nodesOf(genuine))];
    expect(changed.length).toBeGreaterThan(1);
    const passedOver = changed.map(parse).filter((read) => read.ok && told(read.value) === sound);
    expect(passedOver).toHaveLength(meaningless);
  });

  test('certificate: nothing but names and parameters, which are kept whole, takes one', () => {
    const { der, identity, ...sound } = host.certificate;
    const seen = ({ issuer, subject, signed, notBefore, notAfter, authority, keyUsage }: typeof sound) =>
      told({ issuer, subject, algorithm: signed.algorithm, notBefore, notAfter, authority, keyUsage });
    for (const bytes of appended(nodesOf(der))) {
      const read = parseTr34Certificate(bytes);
      if (read.ok) expect(seen(read.value)).not.toBe(seen(sound));
    }
    expect(identity.length).toBeGreaterThan(0);
  });
});

describe('the padding of enciphered content', () => {
  const ephemeral = key('AES', '000102030405060708090A0B0C0D0E0F');
  const iv = Buffer.alloc(16, 3);
  const opened = (clear: Buffer): number | undefined =>
    decipherContent(ephemeral.cipherIn('cbc', iv).update(clear), ephemeral, iv)?.length;

  test.each(Array.from({ length: 16 }, (_, at) => at + 1))('of %d bytes is taken off', (padding) => {
    const clear = Buffer.concat([Buffer.alloc(32 - padding, 0xaa), Buffer.alloc(padding, padding)]);
    expect(opened(clear)).toBe(32 - padding);
  });

  test.each([0, 17, 18, 32, 255])('of %d bytes is wrong', (padding) => {
    expect(opened(Buffer.alloc(48, padding))).toBeUndefined();
  });

  test.each([2, 3, 9, 15, 16])('of %d bytes is wrong where any of them is', (padding) => {
    for (let back = 2; back <= padding; back++) {
      const clear = Buffer.concat([Buffer.alloc(32 - padding, 0xaa), Buffer.alloc(padding, padding)]);
      clear[clear.length - back] = padding ^ 0x40;
      expect(opened(clear)).toBeUndefined();
    }
  });

  test('may be the whole of it, and the content before it may look like it', () => {
    expect(opened(Buffer.alloc(16, 16))).toBe(0);
    expect(opened(Buffer.alloc(32, 4))).toBe(28);
  });
});

describe('an envelope', () => {
  /** The envelope with one element, found by its bytes, in the place of another. */
  const replaced = (found: Node, tag: number, content: Buffer): Buffer => {
    const walk = (nodes: readonly Node[]): Buffer =>
      Buffer.concat(
        nodes.map((node) => {
          if (node.content.equals(found.content) && node.tag === found.tag) return written(tag, content);
          return written(node.tag, node.children === null ? node.content : walk(node.children));
        }),
      );
    return walk(nodesOf(ENVELOPE));
  };
  const flat = (nodes: readonly Node[]): Node[] => nodes.flatMap((node) => [node, ...flat(node.children ?? [])]);
  const { initializationVector, encryptedContent } = accepted(parseEnvelope(ENVELOPE));
  const nodeOf = (content: Buffer): Node => {
    const node = flat(nodesOf(ENVELOPE)).find((entry) => entry.content.equals(content));
    if (node === undefined) throw new Error('no such element');
    return node;
  };
  const iv = nodeOf(initializationVector);
  const content = nodeOf(encryptedContent);

  test.each([
    [0, 'TR34_ALGORITHM'],
    [8, 'TR34_ALGORITHM'],
    [15, 'TR34_ALGORITHM'],
    [16, 'accepted'],
    [17, 'TR34_ALGORITHM'],
    [64, 'TR34_ALGORITHM'],
  ])('with an initialization vector of %d bytes: %s', (length, reason) => {
    expect(reasonOf(parseEnvelope(replaced(iv, iv.tag, Buffer.alloc(length, 7))))).toBe(reason);
  });

  test('with an initialization vector that is no octet string, or two', () => {
    expect(reasonOf(parseEnvelope(replaced(iv, 0x02, Buffer.alloc(16, 7))))).toBe('TR34_ALGORITHM');
    const two = Buffer.concat([Buffer.alloc(16, 7), written(iv.tag, Buffer.alloc(16, 7))]);
    expect(reasonOf(parseEnvelope(replaced(iv, iv.tag, two)))).not.toBe('accepted');
  });

  test.each([
    [0, 'TR34_MALFORMED'],
    [15, 'TR34_MALFORMED'],
    [16, 'accepted'],
    [17, 'TR34_MALFORMED'],
    [32, 'accepted'],
  ])('with %d bytes of content: %s', (length, reason) => {
    expect(reasonOf(parseEnvelope(replaced(content, content.tag, Buffer.alloc(length, 7))))).toBe(reason);
  });

  test('says no more of an encrypted key than that it does not open', () => {
    const envelope = accepted(parseEnvelope(ENVELOPE));
    const short = { ...envelope, encryptedKey: envelope.encryptedKey.subarray(1) };
    const other = { ...envelope, encryptedKey: Buffer.alloc(envelope.encryptedKey.length, 1) };
    const cut = { ...envelope, encryptedContent: envelope.encryptedContent.subarray(16, 32) };
    for (const wrong of [short, other, cut])
      expect(reasonOf(openEnvelope(wrong, device.privateKey))).toBe('TR34_DECRYPTION');
  });
});
