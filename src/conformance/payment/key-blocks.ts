import { randomBytes } from 'node:crypto';
import { hexOf } from '../../payment-crypto/hex.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { attributeDeviations } from '../../payment-crypto/key-block/attributes.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import { type KeyBlockHeader, parseKeyBlockHeader, versionMacBytes } from '../../payment-crypto/key-block/header.ts';
import { type ImportedKeyBlock, importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import { openPayload, protectPayload } from '../../payment-crypto/key-block/protection.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { type ItemChecks, keyField, type VectorFormat } from './item.ts';
import { text, type VectorObject } from './json.ts';

function kbpkOf(keyBlock: string, kbpk: string, checks: ItemChecks): SecretKey | undefined {
  return keyField(checks, 'kbpk', /^[DE]/.test(keyBlock) ? 'AES' : 'TDES', kbpk);
}

function exportedVersion({ version }: KeyBlockHeader): 'B' | 'D' | 'E' | undefined {
  return version === 'B' || version === 'D' || version === 'E' ? version : undefined;
}

/** Protects the opened payload again, padding included: gives the very text of the vector. */
function checkReproduced(keyBlock: string, header: KeyBlockHeader, kbpk: SecretKey, checks: ItemChecks): void {
  const version = exportedVersion(header);
  if (version === undefined) return;
  const macAt = keyBlock.length - 2 * versionMacBytes(version);
  const headerText = keyBlock.slice(0, header.characters);
  const sealed = {
    ciphertext: Buffer.from(keyBlock.slice(header.characters, macAt), 'hex'),
    mac: Buffer.from(keyBlock.slice(macAt), 'hex'),
  };
  const payload = checks.value('the payload opens', openPayload(version, kbpk, headerText, sealed));
  if (payload === undefined) return;
  const again = protectPayload(version, kbpk, headerText, payload);
  checks.that('the block is reproduced', headerText + hexOf(again.ciphertext) + hexOf(again.mac) === keyBlock);
}

/** Exports the key anew, strictly, and imports it again. */
function checkRoundTrip(imported: ImportedKeyBlock, kbpk: SecretKey, checks: ItemChecks): void {
  const version = exportedVersion(imported.header);
  const strict =
    attributeDeviations(imported.header).length === 0 &&
    !imported.tolerated.some((code) => code === 'KBPK_WEAKER_THAN_KEY' || code === 'SINGLE_LENGTH_DEA');
  if (version === undefined || !strict) return;
  const optional = imported.optional.filter(({ id }) => id !== 'PB');
  const content = { version, attributes: imported.header, key: imported.key, optional };
  const exported = checks.value('a new block is exported', exportKeyBlock(content, kbpk, { bytes: randomBytes }));
  const back = exported === undefined ? undefined : importKeyBlock(exported, kbpk, { tolerate: new Set() });
  checks.that('a new block is imported without a deviation', back?.ok === true && back.value.key.equals(imported.key));
}

function checkContents(own: VectorObject['own'], imported: ImportedKeyBlock, kbpk: SecretKey, checks: ItemChecks) {
  const key = text(own, 'key');
  if (key !== undefined) checks.bytes('key', imported.key, key);
  const kcv = text(own, 'kcv');
  if (kcv !== undefined && imported.key instanceof SecretKey)
    checks.bytes('kcv', keyCheckValue(imported.key, undefined, kcv.length / 2), kcv);
  const ofKbpk = text(own, 'kcv_kbpk');
  if (ofKbpk !== undefined) checks.bytes('kcv_kbpk', keyCheckValue(kbpk, undefined, ofKbpk.length / 2), ofKbpk);
  const blocks = new Map(imported.header.optionalBlocks.map(({ id, content }) => [id, content]));
  for (const [field, id] of [
    ['ksn', 'KS'],
    ['ikid', 'IK'],
    ['ts', 'TS'],
    ['tc', 'TC'],
    ['label', 'LB'],
  ] as const) {
    const expected = text(own, field);
    if (expected !== undefined) checks.that(`${field} is in block ${id}`, blocks.get(id) === expected);
  }
}

function checkKeyBlock({ own, fields }: VectorObject, checks: ItemChecks): void {
  const keyBlock = text(own, 'keyBlock') ?? '';
  const kbpk = kbpkOf(keyBlock, text(fields, 'kbpk') ?? '', checks);
  if (kbpk === undefined) return;
  const result = importKeyBlock(keyBlock, kbpk);
  if (own.valid === false) {
    checks.that('a defective block is refused or reported', !result.ok || result.value.tolerated.length > 0);
    return;
  }
  const imported = checks.value('the block is imported', result);
  if (imported === undefined) return;
  checkContents(own, imported, kbpk, checks);
  checkReproduced(keyBlock, imported.header, kbpk, checks);
  checkRoundTrip(imported, kbpk, checks);
  const changed = keyBlock.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  checks.refused('a changed block is refused', importKeyBlock(changed, kbpk));
}

/** Turns `\xFF` into the character that it stands for. */
function unescaped(header: string): string {
  return header.replace(/\\x([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function checkHeader({ own }: VectorObject, checks: ItemChecks): void {
  const header = unescaped(text(own, 'header') ?? '');
  const parsed = parseKeyBlockHeader(header);
  if (own.valid === true) checks.value('the header is read', parsed);
  else checks.refused('a malformed header is refused', parsed);
}

/** X9.143 / TR-31 key blocks of versions A to E. */
export const KEY_BLOCK: VectorFormat = {
  name: 'key block',
  matches: ({ own, fields }) => text(own, 'keyBlock') !== undefined && text(fields, 'kbpk') !== undefined,
  check: checkKeyBlock,
};

/** Headers of key blocks that are to be refused. */
export const KEY_BLOCK_HEADER: VectorFormat = {
  name: 'key block header',
  matches: ({ own }) => text(own, 'header') !== undefined && own.keyBlock === undefined,
  check: checkHeader,
};
