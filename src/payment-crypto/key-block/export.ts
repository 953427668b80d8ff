import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { hexOf } from '../hex.ts';
import { inBatches, randomOctets } from '../random.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { effectiveStrength, type KeyAlgorithm, SecretKey } from '../secret-key.ts';
import { attributeDeviations, attributesWellFormed, type KeyBlockAttributes } from './attributes.ts';
import { formatKeyBlockHeader, MAX_KEY_BLOCK_CHARACTERS, versionBlockBytes } from './header.ts';
import { obfuscatedKeyBytes } from './import.ts';
import type { OptionalBlock } from './optional-block.ts';
import { type OptionalContent, writeOptionalContent } from './optional-content.ts';
import { kbpkFits, protectPayload } from './protection.ts';

/** What goes into a key block. */
export interface KeyBlockContent {
  /** D (AES-CBC), E (AES-CTR), or B (TDEA) for partners without AES. Versions A and C are not made. */
  readonly version: 'B' | 'D' | 'E';
  readonly attributes: KeyBlockAttributes;
  /** The key: a {@link SecretKey} of the header's algorithm, or the DER of an asymmetric key. */
  readonly key: SecretBytes;
  readonly optional?: readonly OptionalContent[];
}

const HEADER_ALGORITHM: Readonly<Record<KeyAlgorithm, string>> = { AES: 'A', TDES: 'T', HMAC: 'H' };
/** What the padding of most blocks takes. */
const DRAWN_OCTETS = 48;
const PADDING_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Filler that says nothing: that some characters are a little likelier than others tells nobody anything. */
function paddingCharacters(random: Random, count: number): string {
  let characters = '';
  for (const octet of randomOctets(random, count))
    characters += PADDING_ALPHABET.charAt(octet % PADDING_ALPHABET.length);
  return characters;
}

function keyFits({ attributes, key }: KeyBlockContent): boolean {
  return key instanceof SecretKey
    ? HEADER_ALGORITHM[key.algorithm] === attributes.algorithm
    : 'ERS'.includes(attributes.algorithm);
}

function kbpkStrongEnough(kbpk: SecretKey, key: SecretBytes): boolean {
  if (!(key instanceof SecretKey)) return true;
  return effectiveStrength(kbpk.algorithm, kbpk.bits) >= effectiveStrength(key.algorithm, key.bits);
}

function writeOptional(
  contents: readonly OptionalContent[],
): PaymentResult<OptionalBlock[], 'OPTIONAL_BLOCK_CONTENT' | 'OPTIONAL_BLOCK_DUPLICATE'> {
  const blocks: OptionalBlock[] = [];
  for (const content of contents) {
    const block = writeOptionalContent(content);
    if (!block.ok) return block;
    if (blocks.some(({ id }) => id === block.value.id)) return refuse('OPTIONAL_BLOCK_DUPLICATE', block.value.id);
    blocks.push(block.value);
  }
  return ok(blocks);
}

/** Payload: key length in bits (2) | key | random padding, to the longest key of the algorithm and to whole blocks. */
function buildPayload({ version, attributes, key }: KeyBlockContent, random: Random): SecretBytes {
  const unit = version === 'E' ? 1 : versionBlockBytes(version);
  const bytes = 2 + obfuscatedKeyBytes(attributes.algorithm, key.length);
  const payload = Buffer.from(new ArrayBuffer(Math.ceil(bytes / unit) * unit));
  payload.writeUInt16BE(key.length * 8, 0);
  key.use((clear) => payload.set(clear, 2));
  const padding = payload.length - 2 - key.length;
  if (padding > 0) payload.set(randomOctets(random, padding), 2 + key.length);
  return SecretBytes.owning(payload);
}

/**
 * Makes a key block of X9.143:2021, strictly: attributes of its tables only, algorithm and mode of use that belong to the
 * usage, padding that hides the key's length, optional blocks filled up with PB, and a KBPK that is no weaker than the
 * key. Refuses with KEY_BLOCK_ATTRIBUTE, KBPK_ALGORITHM, KBPK_WEAKER_THAN_KEY, KEY_BLOCK_LENGTH and those of optional
 * blocks.
 */
export function exportKeyBlock(
  content: KeyBlockContent,
  kbpk: SecretKey,
  random: Random,
): PaymentResult<string, KeyBlockReason> {
  const { version, attributes, key } = content;
  if (!attributesWellFormed(attributes) || attributeDeviations(attributes).length > 0 || !keyFits(content))
    return refuse('KEY_BLOCK_ATTRIBUTE');
  if (!kbpkFits(version, kbpk)) return refuse('KBPK_ALGORITHM');
  if (!kbpkStrongEnough(kbpk, key)) return refuse('KBPK_WEAKER_THAN_KEY');
  if (key.length === 0 || key.length > MAX_KEY_BLOCK_CHARACTERS / 2) return refuse('KEY_BLOCK_LENGTH');
  const optional = writeOptional(content.optional ?? []);
  if (!optional.ok) return optional;

  const drawn = inBatches(random, DRAWN_OCTETS);
  const payload = buildPayload(content, drawn);
  try {
    const header = formatKeyBlockHeader(version, attributes, optional.value, payload.length, (count) =>
      paddingCharacters(drawn, count),
    );
    if (!header.ok) return header;
    const { ciphertext, mac } = protectPayload(version, kbpk, header.value, payload);
    return ok(`${header.value}${hexOf(ciphertext)}${hexOf(mac)}`);
  } finally {
    payload.wipe();
  }
}
