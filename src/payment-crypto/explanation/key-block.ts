import { ok } from '../../reasons/result.ts';
import { attributeDeviations } from '../key-block/attributes.ts';
import { type KeyBlockHeader, parseKeyBlockHeader } from '../key-block/header.ts';
import { importKeyBlock } from '../key-block/import.ts';
import { type OptionalContent, readOptionalContent } from '../key-block/optional-content.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';
import { SecretKey } from '../secret-key.ts';
import { type ShownKey, shownKey } from './shown-key.ts';

/** A field with what it says. */
export interface ExplainedField {
  readonly field: string;
  readonly value: string;
  readonly meaning: string;
}

const VERSIONS: Readonly<Record<string, string>> = {
  A: 'TDEA, variants of the KBPK; obsolete',
  B: 'TDEA, keys derived by CMAC',
  C: 'TDEA, variants of the KBPK; obsolete',
  D: 'AES-CBC, keys derived by CMAC',
  E: 'AES-CTR, keys derived by CMAC (ISO 20038)',
};

/** Key usages of X9.143:2021 table 2, in few words. */
const USAGES: Readonly<Record<string, string>> = {
  B0: 'base derivation key',
  B1: 'initial key of DUKPT',
  B2: 'base key variant',
  B3: 'key derivation',
  C0: 'card verification',
  D0: 'data encryption',
  D1: 'asymmetric data encryption',
  D2: 'data encryption for decimalisation',
  D3: 'data encryption for sensitive data',
  E0: 'EMV issuer master key: application cryptograms',
  E1: 'EMV issuer master key: secure messaging, confidentiality',
  E2: 'EMV issuer master key: secure messaging, integrity',
  E3: 'EMV issuer master key: data authentication code',
  E4: 'EMV issuer master key: dynamic numbers',
  E5: 'EMV issuer master key: card personalisation',
  E6: 'EMV issuer master key: other',
  E7: 'EMV master personalisation key',
  I0: 'initialization vector',
  K0: 'key encryption or wrapping',
  K1: 'key block protection key',
  K2: 'asymmetric key of TR-34',
  K3: 'asymmetric key for key agreement or wrapping',
  K4: 'key block protection key of ISO 20038',
  M0: 'MAC, ISO 16609 algorithm 1',
  M1: 'MAC, ISO 9797-1 algorithm 1',
  M2: 'MAC, ISO 9797-1 algorithm 2',
  M3: 'MAC, ISO 9797-1 algorithm 3',
  M4: 'MAC, ISO 9797-1 algorithm 4',
  M5: 'MAC, ISO 9797-1:1999 algorithm 5',
  M6: 'MAC, ISO 9797-1:2011 algorithm 5, CMAC',
  M7: 'HMAC',
  M8: 'MAC, ISO 9797-1:2011 algorithm 6',
  P0: 'PIN encryption',
  P1: 'PIN generation',
  S0: 'asymmetric key pair for digital signatures',
  S1: 'asymmetric key pair of an authority',
  S2: 'asymmetric key pair, other',
  V0: 'PIN verification, other',
  V1: 'PIN verification, IBM 3624',
  V2: 'PIN verification, Visa PVV',
  V3: 'PIN verification, X9.132 algorithm 1',
  V4: 'PIN verification, X9.132 algorithm 2',
  V5: 'PIN verification, X9.132 algorithm 3',
};

const ALGORITHMS: Readonly<Record<string, string>> = {
  A: 'AES',
  D: 'DEA',
  E: 'elliptic curve',
  H: 'HMAC',
  R: 'RSA',
  S: 'DSA',
  T: 'TDEA',
};

const MODES: Readonly<Record<string, string>> = {
  B: 'encrypt and decrypt, wrap and unwrap',
  C: 'generate and verify a MAC',
  D: 'decrypt or unwrap only',
  E: 'encrypt or wrap only',
  G: 'generate a MAC only',
  N: 'no restriction',
  S: 'sign only',
  T: 'sign and decrypt',
  V: 'verify only',
  X: 'derive other keys',
  Y: 'create variants of the key',
};

const EXPORTABILITY: Readonly<Record<string, string>> = {
  E: 'exportable under a trusted key',
  N: 'not exportable',
  S: 'sensitive: exportable under keys that are not of X9.24 too',
};

const UNKNOWN = 'not defined by X9.143';

function meaning(table: Readonly<Record<string, string>>, value: string): string {
  return (Object.hasOwn(table, value) ? table[value] : undefined) ?? UNKNOWN;
}

function versionMeaning(version: string): string {
  if (version === '00') return 'none';
  return version.startsWith('c') ? `component ${version.slice(1)} of a key` : 'version of the key';
}

function headerFields(header: KeyBlockHeader): ExplainedField[] {
  const { version, statedLength, usage, algorithm, modeOfUse, keyVersion, exportability, reserved } = header;
  return [
    { field: 'version', value: version, meaning: meaning(VERSIONS, version) },
    { field: 'length', value: String(statedLength), meaning: 'characters of the whole block' },
    { field: 'key usage', value: usage, meaning: meaning(USAGES, usage) },
    { field: 'algorithm', value: algorithm, meaning: meaning(ALGORITHMS, algorithm) },
    { field: 'mode of use', value: modeOfUse, meaning: meaning(MODES, modeOfUse) },
    { field: 'key version', value: keyVersion, meaning: versionMeaning(keyVersion) },
    { field: 'exportability', value: exportability, meaning: meaning(EXPORTABILITY, exportability) },
    { field: 'optional blocks', value: String(header.optionalBlocks.length), meaning: 'how many follow' },
    { field: 'reserved', value: reserved, meaning: reserved === '00' ? 'as it should be' : 'should be 00' },
  ];
}

/** What an optional block says, in a few words. */
function optionalMeaning(content: OptionalContent): string {
  switch (content.id) {
    case 'AL':
      return `asymmetric key, ${content.life}`;
    case 'BI':
      return `BDK ID of ${content.dukpt} DUKPT: ${content.bdkId}`;
    case 'CT':
      return `public key certificate, ${content.format}`;
    case 'DA':
      return `${content.derivations.length} derivations allowed`;
    case 'HM':
      return `hash of the HMAC key: ${content.hash}`;
    case 'IK':
      return `initial key ID of AES DUKPT: ${content.initialKeyId}`;
    case 'KS':
      return `initial KSN of TDEA DUKPT: ${content.ksn}`;
    case 'KC':
    case 'KP':
    case 'PK': {
      const of = content.id === 'KC' ? 'wrapped key' : content.id === 'KP' ? 'KBPK' : 'KBPK of an earlier export';
      return `check value of the ${of}, ${content.method}: ${content.value}`;
    }
    case 'TC':
    case 'TS':
      return `${content.id === 'TC' ? 'created' : 'time stamp'} ${new Date(content.at).toISOString()}`;
    case 'WP':
      return `wrapping pedigree ${content.pedigree}`;
    case 'PB':
      return 'padding to whole cipher blocks';
    case 'LB':
      return 'label';
    case 'KV':
      return 'version of the key block fields';
    case 'FL':
      return 'flags';
  }
}

function optionalFields(header: KeyBlockHeader): ExplainedField[] {
  return header.optionalBlocks.map((block) => {
    const read = readOptionalContent(block);
    const says = read.ok ? optionalMeaning(read.value) : /^\d\d$/.test(block.id) ? 'proprietary' : 'cannot be read';
    return { field: block.id, value: block.content, meaning: says };
  });
}

/** What the KBPK made of a block. */
export interface OpenedBlock {
  /** The reason why it was not opened, or undefined where its MAC holds. */
  readonly refused?: KeyBlockReason;
  /** Departures from X9.143 that were tolerated. */
  readonly tolerated: readonly string[];
  /** The wrapped key; absent for an asymmetric one. */
  readonly key?: ShownKey;
  /** Bytes of the wrapped key where it is no symmetric key. */
  readonly keyBytes?: number;
}

/** A key block, field by field. */
export interface ExplainedKeyBlock {
  readonly header: readonly ExplainedField[];
  readonly optional: readonly ExplainedField[];
  readonly deviations: readonly string[];
  /** Payload and MAC in characters. */
  readonly payloadCharacters: number;
  readonly opened?: OpenedBlock;
}

function open(text: string, kbpk: SecretKey, reveal: boolean): OpenedBlock {
  const imported = importKeyBlock(text, kbpk);
  if (!imported.ok) return { refused: imported.reason, tolerated: [] };
  const { key, tolerated } = imported.value;
  const shown: Pick<OpenedBlock, 'key' | 'keyBytes'> =
    key instanceof SecretKey ? { key: shownKey(key, reveal) } : { keyBytes: key.length };
  key.wipe();
  return { tolerated, ...shown };
}

/**
 * Explains a key block field by field (X9.143:2021 6.2), and opens it where a KBPK is given. The wrapped key is shown only
 * where `reveal` says so. Refuses what has no header.
 */
export function explainKeyBlock(
  text: string,
  kbpk: SecretKey | undefined,
  reveal: boolean,
): PaymentResult<ExplainedKeyBlock, KeyBlockReason> {
  const header = parseKeyBlockHeader(text);
  if (!header.ok) return header;
  return ok({
    header: headerFields(header.value),
    optional: optionalFields(header.value),
    deviations: attributeDeviations(header.value),
    payloadCharacters: text.length - header.value.characters,
    ...(kbpk && { opened: open(text, kbpk, reveal) }),
  });
}
