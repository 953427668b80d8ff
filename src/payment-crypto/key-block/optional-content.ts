import { ok, refuse } from '../../reasons/result.ts';
import type { KcvMethod } from '../kcv.ts';
import { InitialKeyId } from '../ksn.ts';
import type { PaymentResult } from '../reason.ts';
import type { KeyBlockAttributes } from './attributes.ts';
import type { OptionalBlock } from './optional-block.ts';
import { formatUtc, parseUtc } from './utc.ts';

/** Hash functions of an HMAC key, by their code in block HM (X9.143:2021 6.3.6.5). */
const HASHES = {
  '10': 'SHA-1',
  '20': 'SHA-224',
  '21': 'SHA-256',
  '22': 'SHA-384',
  '23': 'SHA-512',
  '24': 'SHA-512/224',
  '25': 'SHA-512/256',
  '30': 'SHA3-224',
  '31': 'SHA3-256',
  '32': 'SHA3-384',
  '33': 'SHA3-512',
  '40': 'SHAKE128',
  '41': 'SHAKE256',
} as const;

/** Hash function of an HMAC key. */
export type HmacHash = (typeof HASHES)[keyof typeof HASHES];

/** A key that block DA allows to derive. */
export type AllowedDerivation = Omit<KeyBlockAttributes, 'keyVersion'>;

/** Content of the optional blocks of X9.143:2021 6.3.6, read. Hexadecimal text is upper case. */
export type OptionalContent =
  /** Asymmetric key life. */
  | { readonly id: 'AL'; readonly life: 'ephemeral' | 'static' }
  /** BDK identifier: key set ID of TDEA DUKPT (10 digits), BDK ID of AES DUKPT (8 digits). */
  | { readonly id: 'BI'; readonly dukpt: 'TDES' | 'AES'; readonly bdkId: string }
  /** Public key certificate: base64 text, or the nested blocks of a chain. */
  | { readonly id: 'CT'; readonly format: 'X.509' | 'EMV' | 'chain'; readonly body: string }
  /** Derivations allowed. */
  | { readonly id: 'DA'; readonly derivations: readonly AllowedDerivation[] }
  /** Hash of an HMAC key. */
  | { readonly id: 'HM'; readonly hash: HmacHash }
  /** Initial key ID of AES DUKPT. */
  | { readonly id: 'IK'; readonly initialKeyId: InitialKeyId }
  /** Check value: of the wrapped key (KC), of the KBPK (KP), of the KBPK for export (PK). */
  | { readonly id: 'KC' | 'KP' | 'PK'; readonly method: KcvMethod; readonly value: string }
  /** Initial key serial number of TDEA DUKPT, 20 digits. */
  | { readonly id: 'KS'; readonly ksn: string }
  /** Flags, key block values, label, padding: text. */
  | { readonly id: 'FL' | 'KV' | 'LB' | 'PB'; readonly text: string }
  /** Time of creation, time stamp: milliseconds of Unix time. */
  | { readonly id: 'TC' | 'TS'; readonly at: number }
  /** Wrapping pedigree: 0 equal or stronger, 1 weaker, 2 asymmetric, 3 both. */
  | { readonly id: 'WP'; readonly pedigree: 0 | 1 | 2 | 3 };

const KCV_METHODS = { '00': 'legacy', '01': 'cmac' } as const satisfies Record<string, KcvMethod>;
const CERTIFICATES = { '00': 'X.509', '01': 'EMV', '02': 'chain' } as const;
const MAX_DERIVATIONS = 49;

function entryOf<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function keyOf(table: Readonly<Record<string, string>>, value: string): string {
  return Object.keys(table).find((key) => table[key] === value) ?? '';
}

function readDerivations(content: string): OptionalContent | undefined {
  if (!/^01(?:[0-9A-Z]{5})+$/.test(content)) return undefined;
  const groups = content.slice(2).match(/.{5}/g) ?? [];
  if (groups.length > MAX_DERIVATIONS) return undefined;
  const derivations = groups.map((group) => ({
    usage: group.slice(0, 2),
    algorithm: group.slice(2, 3),
    modeOfUse: group.slice(3, 4),
    exportability: group.slice(4, 5),
  }));
  return { id: 'DA', derivations };
}

function readCheckValue(id: 'KC' | 'KP' | 'PK', content: string): OptionalContent | undefined {
  const method = entryOf<KcvMethod>(KCV_METHODS, content.slice(0, 2));
  const value = content.slice(2);
  if (method === undefined || !/^(?:[0-9A-F]{2}){2,5}$/.test(value)) return undefined;
  return method === 'legacy' && value.length > 6 ? undefined : { id, method, value };
}

function readBdkId(content: string): OptionalContent | undefined {
  if (/^00[0-9A-F]{10}$/.test(content)) return { id: 'BI', dukpt: 'TDES', bdkId: content.slice(2) };
  return /^01[0-9A-F]{8}$/.test(content) ? { id: 'BI', dukpt: 'AES', bdkId: content.slice(2) } : undefined;
}

function readCertificate(content: string): OptionalContent | undefined {
  const format = entryOf<'X.509' | 'EMV' | 'chain'>(CERTIFICATES, content.slice(0, 2));
  return format === undefined || content.length === 2 ? undefined : { id: 'CT', format, body: content.slice(2) };
}

function readInitialKeyId(content: string): OptionalContent | undefined {
  const initialKeyId = /^[0-9A-F]{16}$/.test(content) ? InitialKeyId.parse(content) : undefined;
  return initialKeyId?.ok ? { id: 'IK', initialKeyId: initialKeyId.value } : undefined;
}

function readTime(id: 'TC' | 'TS', content: string): OptionalContent | undefined {
  const at = parseUtc(content);
  return at === undefined ? undefined : { id, at };
}

function readHash(content: string): OptionalContent | undefined {
  const hash = entryOf<HmacHash>(HASHES, content);
  return hash === undefined ? undefined : { id: 'HM', hash };
}

function readPedigree(content: string): OptionalContent | undefined {
  const pedigree = content === '000' ? 0 : content === '001' ? 1 : content === '002' ? 2 : content === '003' ? 3 : -1;
  return pedigree === -1 ? undefined : { id: 'WP', pedigree };
}

const READERS: { readonly [Id in OptionalContent['id']]: (content: string) => OptionalContent | undefined } = {
  AL: (content) =>
    content === '0100'
      ? { id: 'AL', life: 'ephemeral' }
      : content === '0101'
        ? { id: 'AL', life: 'static' }
        : undefined,
  BI: readBdkId,
  CT: readCertificate,
  DA: readDerivations,
  FL: (text) => ({ id: 'FL', text }),
  HM: readHash,
  IK: readInitialKeyId,
  KC: (content) => readCheckValue('KC', content),
  KP: (content) => readCheckValue('KP', content),
  PK: (content) => readCheckValue('PK', content),
  KS: (ksn) => (/^[0-9A-F]{20}$/.test(ksn) ? { id: 'KS', ksn } : undefined),
  KV: (text) => ({ id: 'KV', text }),
  LB: (text) => ({ id: 'LB', text }),
  PB: (text) => ({ id: 'PB', text }),
  TC: (content) => readTime('TC', content),
  TS: (content) => readTime('TS', content),
  WP: readPedigree,
};

function isKnown(id: string): id is OptionalContent['id'] {
  return Object.hasOwn(READERS, id);
}

/**
 * Reads what an optional block says. Refuses with OPTIONAL_BLOCK_ID an ID that X9.143 does not define (proprietary ones
 * are numeric), and with OPTIONAL_BLOCK_CONTENT a content that its ID does not allow.
 */
export function readOptionalContent(
  block: OptionalBlock,
): PaymentResult<OptionalContent, 'OPTIONAL_BLOCK_ID' | 'OPTIONAL_BLOCK_CONTENT'> {
  if (!isKnown(block.id)) return refuse('OPTIONAL_BLOCK_ID', block.id);
  const content = READERS[block.id](block.content);
  return content === undefined ? refuse('OPTIONAL_BLOCK_CONTENT', block.id) : ok(content);
}

function contentText(content: OptionalContent): string {
  switch (content.id) {
    case 'AL':
      return content.life === 'static' ? '0101' : '0100';
    case 'BI':
      return `${content.dukpt === 'AES' ? '01' : '00'}${content.bdkId}`;
    case 'CT':
      return `${keyOf(CERTIFICATES, content.format)}${content.body}`;
    case 'DA':
      return `01${content.derivations.map((d) => d.usage + d.algorithm + d.modeOfUse + d.exportability).join('')}`;
    case 'HM':
      return keyOf(HASHES, content.hash);
    case 'IK':
      return content.initialKeyId.toString();
    case 'KC':
    case 'KP':
    case 'PK':
      return `${keyOf(KCV_METHODS, content.method)}${content.value}`;
    case 'KS':
      return content.ksn;
    case 'TC':
    case 'TS':
      return formatUtc(content.at);
    case 'WP':
      return `00${content.pedigree}`;
    default:
      return content.text;
  }
}

/** Writes an optional block. Refuses with OPTIONAL_BLOCK_CONTENT what would not be read back as the same. */
export function writeOptionalContent(content: OptionalContent): PaymentResult<OptionalBlock, 'OPTIONAL_BLOCK_CONTENT'> {
  const block = { id: content.id, content: contentText(content) };
  if (!/^[\x20-\x7e]*$/.test(block.content) || READERS[content.id](block.content) === undefined)
    return refuse('OPTIONAL_BLOCK_CONTENT', content.id);
  return ok(block);
}
