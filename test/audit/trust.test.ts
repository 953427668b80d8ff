import { describe, expect, test } from '@jest/globals';
import { type LogPart, verifyLog } from '../../src/audit/reading.ts';
import type { KnownOutside } from '../../src/audit/verification.ts';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { compactJws } from '../support/jws.ts';
import { signingKey } from '../support/signing-key.ts';
import { stream, WrittenLog } from './log.ts';
import { anchorsOf, auditKey, endorsementBy, verification } from './support.ts';

const anchor = signingKey();
const anchors = anchorsOf(anchor);
const key = auditKey(anchor);
const other = auditKey(anchor);

const verify = (parts: readonly LogPart[], auditKeys: KnownOutside['auditKeys'], known: Partial<KnownOutside> = {}) =>
  verifyLog(stream(parts), verification({ auditKeys, ...known }));
const codes = async (
  parts: readonly LogPart[],
  auditKeys: KnownOutside['auditKeys'],
  known: Partial<KnownOutside> = {},
) => (await verify(parts, auditKeys, known)).findings.map(({ code, where }) => `${code} ${where}`);

/** The parts with the published keys exchanged. */
const withKeys = (parts: readonly LogPart[], change: (key: { keyId: string; publicKey: Buffer }) => object) =>
  parts.map((part): LogPart => {
    if (part.kind !== 'beginning') return part;
    return { ...part, keys: part.keys.map((seen) => ({ ...seen, ...change(seen) })) };
  });

/** The parts with every checkpoint signed by another, who names a key that is not its own. */
const signedAs = (parts: readonly LogPart[], by: typeof key, keyId: string) =>
  parts.map((part): LogPart => {
    if (part.kind !== 'checkpoint') return part;
    const signed = by.key.sign(CONTEXT.auditCheckpoint, Buffer.from(part.signed.payload));
    return { kind: 'checkpoint', signed: { ...signed, keyId } };
  });

describe('a checkpoint is trusted', () => {
  const { parts } = new WrittenLog(key).chain(1, 'a').sign(key);
  const id = key.key.thumbprint;

  test('by the key that is known outside', async () => {
    expect(await verify(parts, new Set([id]))).toMatchObject({ findings: [], signedBy: [id], onFirstUse: false });
  });

  test('not where a stranger publishes a key of its own under the id that is known', async () => {
    const stolen = withKeys(signedAs(parts, other, id), () => ({ publicKey: other.key.spki }));
    for (const auditKeys of [new Set([id]), null]) {
      expect(await verify(stolen, auditKeys)).toMatchObject({
        findings: [{ code: 'CHECKPOINT_FORGED', where: 'checkpoint 1' }],
        signedBy: [],
        checkpoints: 0n,
      });
    }
  });

  test('not under a key that is no point of its curve, though its id is its own', async () => {
    const publicKey = Buffer.concat([key.key.spki.subarray(0, -32), Buffer.alloc(32, 1)]);
    const keyId = p256Thumbprint(publicKey);
    if (keyId === null) throw new Error('not of the form');
    const odd = withKeys(signedAs(parts, key, keyId), () => ({ keyId, publicKey }));
    expect(await codes(odd, new Set([keyId]))).toEqual(['CHECKPOINT_FORGED checkpoint 1']);
  });

  test('by nobody where nobody is trusted', async () => {
    expect(await verify(parts, new Set())).toMatchObject({
      findings: [{ code: 'CHECKPOINT_FORGED', where: 'checkpoint 1' }],
      onFirstUse: false,
    });
  });

  test('by each of two keys that are known outside', async () => {
    const both = new WrittenLog(key, other).chain(1, 'a').sign(key).chain(1, 'b').sign(other);
    const trusted = new Set([id, other.key.thumbprint]);
    expect(await verify(both.parts, trusted)).toMatchObject({
      findings: [],
      signedBy: [id, other.key.thumbprint],
      onFirstUse: false,
    });
  });

  test('by the first key alone where it is taken on trust: a second one has to be announced', async () => {
    const both = new WrittenLog(key, other).chain(1, 'a').sign(key).chain(1, 'b').sign(other);
    expect(await verify(both.parts, null)).toMatchObject({
      findings: [{ code: 'CHECKPOINT_FORGED', where: 'checkpoint 2' }],
      signedBy: [id],
      onFirstUse: true,
    });
  });

  test.each([
    ['published-key/1', []],
    ['test/1', ['CHECKPOINT_FORGED checkpoint 2']],
    ['decision/1', ['CHECKPOINT_FORGED checkpoint 2']],
  ])('by a key that a row of %s announces: %j', async (source, expected) => {
    const content = { kept: { purpose: 'audit' }, erasable: null };
    const announced = new WrittenLog(key, other)
      .chain(1, { source, subject: other.key.thumbprint, content })
      .sign(key)
      .chain(1, 'b')
      .sign(other);
    expect(await codes(announced.parts, new Set([id]), { anchors })).toEqual(expected);
  });

  test('by a key that was announced longer ago than one checkpoint', async () => {
    const content = { kept: { purpose: 'audit' }, erasable: null };
    const rotated = new WrittenLog(key, other)
      .chain(1, { source: 'published-key/1', subject: other.key.thumbprint, content })
      .sign(key)
      .chain(1, 'b')
      .sign(key)
      .chain(1, 'c')
      .sign(other);
    expect(await codes(rotated.parts, new Set([id]), { anchors })).toEqual([]);
  });

  test('by an endorsed key without its being named', async () => {
    expect(await verify(parts, null, { anchors })).toMatchObject({ findings: [], signedBy: [id], onFirstUse: false });
    const stranger = anchorsOf(signingKey());
    expect(await codes(parts, null, { anchors: stranger })).toEqual([
      `KEY_NOT_ENDORSED key ${id}`,
      'CHECKPOINT_FORGED checkpoint 1',
    ]);
  });
});

describe('a published key that somebody wrote into the database', () => {
  const id = key.key.thumbprint;
  const content = { kept: { purpose: 'audit' }, erasable: null };
  const logWith = (own: typeof key) =>
    new WrittenLog(key, own)
      .chain(1, { source: 'published-key/1', subject: own.key.thumbprint, content })
      .sign(key)
      .chain(1, 'b')
      .sign(own).parts;
  const others = signingKey();

  test.each<[string, typeof key]>([
    ['without an endorsement', auditKey()],
    ['endorsed by an anchor of his own', auditKey(others)],
  ])('%s is told, and signs nothing', async (_what, own) => {
    const told = [`KEY_NOT_ENDORSED key ${own.key.thumbprint}`, 'CHECKPOINT_FORGED checkpoint 2'];
    expect(await codes(logWith(own), new Set([id]), { anchors })).toEqual(told);
    expect(await codes(logWith(own), new Set([id]))).toEqual(['CHECKPOINT_FORGED checkpoint 2']);
  });

  test('is not endorsed by what was said of another key, of another purpose, or in the name of another anchor', async () => {
    const bare = auditKey();
    const { thumbprint, spki } = bare.key;
    const said = [
      { ...endorsementBy(anchor, 'audit', key.key.spki) },
      { ...endorsementBy(anchor, 'receipt', spki) },
      { ...endorsementBy(others, 'audit', spki), anchorId: anchor.thumbprint },
    ];
    for (const endorsement of said) {
      const own = { ...bare, seen: { ...bare.seen, endorsements: [endorsement] } };
      expect(await codes(logWith(own), new Set([id]), { anchors })).toContain(`KEY_NOT_ENDORSED key ${thumbprint}`);
    }
  });

  test('of before endorsements is accepted where the auditor names it', async () => {
    const before = auditKey();
    const named = new Set([id, before.key.thumbprint]);
    expect(await codes(logWith(before), named, { anchors })).toEqual([]);
    const receipt = { ...before, seen: { ...before.seen, purpose: 'receipt' } };
    const { parts } = new WrittenLog(key, receipt).chain(1, 'a').sign(key);
    expect(await codes(parts, new Set([id]), { anchors })).toEqual([`KEY_NOT_ENDORSED key ${before.key.thumbprint}`]);
    expect(await codes(parts, new Set([id]), { anchors, namedKeys: new Set([before.key.thumbprint]) })).toEqual([]);
  });
});

describe('a receipt', () => {
  const receiptKey = signingKey();
  const receiptOf = (signer: typeof receiptKey) =>
    compactJws({ alg: 'ES256', kid: signer.thumbprint, typ: RECEIPT_TYPE }, { grant: 'g1' }, signer.privateKey);
  const published = (signer: typeof receiptKey, by: typeof receiptKey | null) => ({
    ...key,
    seen: {
      keyId: signer.thumbprint,
      purpose: 'receipt',
      publicKey: signer.spki,
      endorsements: by === null ? [] : [endorsementBy(by, 'receipt', signer.spki)],
    },
  });
  const found = (keys: ReturnType<typeof published>, text: string) => {
    const { parts } = new WrittenLog(key, keys).chain(1, 'a').sign(key);
    const named = new Set([key.key.thumbprint]);
    return codes(parts, named, { anchors, receiptTexts: [text] });
  };

  test('has to be signed by a receipt key that is endorsed', async () => {
    expect(await found(published(receiptKey, anchor), receiptOf(receiptKey))).toEqual([]);
    expect(await found(published(receiptKey, anchor), receiptOf(signingKey()))).toEqual(['RECEIPT_FORGED receipt g1']);
    const own = signingKey();
    expect(await found(published(own, null), receiptOf(own))).toEqual([
      `KEY_NOT_ENDORSED key ${own.thumbprint}`,
      'RECEIPT_FORGED receipt g1',
    ]);
  });
});

describe('checkpoints that are missing', () => {
  const without = (parts: readonly LogPart[], ...numbers: number[]): LogPart[] => {
    let number = 0;
    return parts.filter((part) => part.kind !== 'checkpoint' || !numbers.includes(++number));
  };
  const trusted = new Set([key.key.thumbprint]);

  test.each<[number[], object[]]>([
    [[1], [{ code: 'CHECKPOINT_REMOVED', where: 'checkpoint 1' }]],
    [[1, 2], [{ code: 'CHECKPOINT_REMOVED', where: 'checkpoint 1', detail: 'to 2' }]],
    [[2, 3], [{ code: 'CHECKPOINT_REMOVED', where: 'checkpoint 2', detail: 'to 3' }]],
  ])('are named once: %j', async (numbers, expected) => {
    const written = new WrittenLog(key);
    for (const row of ['a', 'b', 'c', 'd']) written.chain(1, row).sign(key);
    expect((await verify(without(written.parts, ...numbers), trusted)).findings).toEqual(expected);
  });

  test('are not told again as a count that is wrong, and what they signed is signed', async () => {
    const { parts } = new WrittenLog(key).chain(1, 'a').sign(key).chain(2, 'x').sign(key).chain(2, 'y');
    expect(await verify(without(parts, 1), trusted)).toMatchObject({
      findings: [{ code: 'CHECKPOINT_REMOVED', where: 'checkpoint 1' }],
      entries: 3n,
      unsigned: 1n,
    });
  });
});
