import { exportKeyBlock, type KeyBlockContent } from '../../../src/payment-crypto/key-block/export.ts';
import { type KeyBlockVersion, parseKeyBlockHeader } from '../../../src/payment-crypto/key-block/header.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { formatOptionalBlock } from '../../../src/payment-crypto/key-block/optional-block.ts';
import {
  type OptionalContent,
  readOptionalContent,
  writeOptionalContent,
} from '../../../src/payment-crypto/key-block/optional-content.ts';
import { protectPayload } from '../../../src/payment-crypto/key-block/protection.ts';
import { InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { Result } from '../../../src/reasons/result.ts';
import { SeededRandom } from '../../support/random.ts';
import { invariant, type Reader, sameBytes, type Target } from './target.ts';

const random = new SeededRandom('key blocks');
const MOST_CHARACTERS = 10_010;

function made<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`a seed cannot be made: ${result.reason}`);
  return result.value;
}

const KBPKS: Readonly<Record<KeyBlockVersion, SecretKey>> = {
  A: SecretKey.generate('TDES', 128, random),
  B: SecretKey.generate('TDES', 192, random),
  C: SecretKey.generate('TDES', 128, random),
  D: SecretKey.generate('AES', 256, random),
  E: SecretKey.generate('AES', 128, random),
};

const INITIAL_KEY = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', exportability: 'N' } as const;
const PIN_KEY = { usage: 'P0', algorithm: 'T', modeOfUse: 'E', keyVersion: '12', exportability: 'E' } as const;
const OPTIONAL: readonly OptionalContent[] = [
  { id: 'IK', initialKeyId: made(InitialKeyId.parse('1234567890123456')) },
  { id: 'LB', text: 'a label' },
  { id: 'TC', at: Date.UTC(2026, 0, 2, 3, 4, 5) },
  { id: 'KP', method: 'cmac', value: 'A1B2C3D4E5' },
  { id: 'DA', derivations: [{ usage: 'P0', algorithm: 'A', modeOfUse: 'E', exportability: 'N' }] },
  { id: 'BI', dukpt: 'AES', bdkId: '12345678' },
  { id: 'WP', pedigree: 1 },
  { id: 'KS', ksn: '1234567890ABCDEF0123' },
  { id: 'HM', hash: 'SHA-256' },
  { id: 'CT', format: 'X.509', body: 'QUJD'.repeat(80) },
];

const block = (content: KeyBlockContent): string => made(exportKeyBlock(content, KBPKS[content.version], random));
const aesKey = SecretKey.generate('AES', 128, random);
const tdesKey = SecretKey.generate('TDES', 128, random);

const BLOCKS = [
  block({ version: 'D', attributes: INITIAL_KEY, key: aesKey, optional: OPTIONAL.slice(0, 1) }),
  block({ version: 'E', attributes: INITIAL_KEY, key: aesKey, optional: OPTIONAL.slice(1, 3) }),
  block({ version: 'B', attributes: PIN_KEY, key: tdesKey }),
];

const textOf = (input: Uint8Array): string => Buffer.from(input).toString('latin1');
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

const TOKENS = [
  'D0144',
  'B0096',
  'E',
  'A',
  'C',
  '00',
  '01',
  '02',
  '99',
  'IK14',
  'PB10',
  'LB',
  'KC',
  'KS18',
  '0004',
  'CT',
]
  .map(bytesOf)
  .concat(['FF', '0000', 'B1AX00N', 'P0TE00E', 'D0AB00S', 'K1', 'M7HG', '2026', 'Z'].map(bytesOf));

/** Whatever is taken was made by who has the KBPK: none but the seeds, and no character of theirs may differ. */
const opened: Reader = {
  name: 'open',
  weight: 2,
  maximumBytes: MOST_CHARACTERS,
  seeds: BLOCKS.map(bytesOf),
  tokens: TOKENS,
  read: (input) => {
    const text = textOf(input);
    const kbpk = Object.entries(KBPKS).find(([version]) => text.startsWith(version))?.[1] ?? KBPKS.D;
    const imported = importKeyBlock(text, kbpk);
    if (!imported.ok) return false;
    invariant(BLOCKS.includes(text), `a key block that nobody made is opened: ${text}`);
    imported.value.key.wipe();
    return true;
  },
};

/** Splits an input at its first zero byte: header, and clear payload. */
function parts(input: Uint8Array): { readonly header: string; readonly payload: Uint8Array } | null {
  const end = input.indexOf(0);
  return end < 0 ? null : { header: textOf(input.subarray(0, end)), payload: input.subarray(end + 1) };
}

/** A payload: length in bits, key, padding. */
function payloadOf(key: SecretKey, padding: number): Buffer {
  const bits = Buffer.alloc(2);
  bits.writeUInt16BE(key.bits);
  return Buffer.concat([bits, key.use((bytes) => Buffer.from(bytes)), random.bytes(padding)]);
}

const headed = (text: string, payload: Buffer): Buffer => {
  const { characters } = made(parseKeyBlockHeader(text));
  return Buffer.concat([bytesOf(text.slice(0, characters)), Buffer.of(0), payload]);
};

/**
 * Blocks with a MAC that holds, whatever header and payload say: what a partner may send who has the KBPK. The length that
 * the header states is set right, so that most inputs come as far as that.
 */
const sealed: Reader = {
  name: 'sealed',
  weight: 2,
  maximumBytes: 2048,
  seeds: [
    headed(BLOCKS[0] ?? '', payloadOf(aesKey, 30)),
    headed(BLOCKS[1] ?? '', payloadOf(aesKey, 16)),
    headed(BLOCKS[2] ?? '', payloadOf(tdesKey, 14)),
  ],
  tokens: TOKENS,
  read: (input) => {
    const split = parts(input);
    const version = split?.header.charAt(0);
    if (split === null || (version !== 'B' && version !== 'D' && version !== 'E')) return false;
    const unit = version === 'B' ? 8 : version === 'D' ? 16 : 1;
    const payload = split.payload.subarray(0, split.payload.length - (split.payload.length % unit));
    if (payload.length === 0) return false;
    const macBytes = version === 'B' ? 8 : 16;
    const length = split.header.length + 2 * (payload.length + macBytes);
    const header = `${version}${String(length).padStart(4, '0')}${split.header.slice(5)}`;
    const { ciphertext, mac } = protectPayload(version, KBPKS[version], header, new SecretBytes(payload));
    const text = `${header}${Buffer.concat([ciphertext, mac]).toString('hex').toUpperCase()}`;
    const imported = importKeyBlock(text, KBPKS[version]);
    if (!imported.ok) return false;
    const bits = Buffer.from(payload).readUInt16BE();
    invariant(imported.value.key.length * 8 === bits, 'a key of another length than its payload says');
    imported.value.key.use((key) => sameBytes(key, payload.subarray(2, 2 + bits / 8), 'another key comes out'));
    imported.value.key.wipe();
    return true;
  },
};

/** Headers read and written again say the same, and so does every optional block that can be read. */
const header: Reader = {
  name: 'header',
  weight: 2,
  maximumBytes: MOST_CHARACTERS,
  seeds: [...BLOCKS.map(bytesOf), ...OPTIONAL.map((content) => headerWith(content))],
  tokens: TOKENS,
  read: (input) => {
    const text = textOf(input);
    const parsed = parseKeyBlockHeader(text);
    if (!parsed.ok) return false;
    const { characters, optionalBlocks } = parsed.value;
    invariant(characters >= 16 && characters <= text.length, `a header of ${characters} characters`);
    const count = text.slice(12, 14);
    invariant(optionalBlocks.length === Number(count), `${optionalBlocks.length} optional blocks of ${count}`);
    for (const optional of optionalBlocks) {
      const content = readOptionalContent(optional);
      if (!content.ok) continue;
      const written = writeOptionalContent(content.value);
      invariant(written.ok, `a block that was read is not written: ${optional.id}`);
      invariant(written.value.content === optional.content, `a block says something else: ${optional.content}`);
    }
    return true;
  },
};

function headerWith(content: OptionalContent): Buffer {
  const optional = formatOptionalBlock(made(writeOptionalContent(content)));
  return bytesOf(`D0000B1AX00N0100${optional}`);
}

/** X9.143 key blocks: text of strangers, and of partners who have the KBPK. */
export const KEY_BLOCK: Target = { prepare: async () => '', open: () => [opened, sealed, header] };
