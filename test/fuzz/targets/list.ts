import type { Target } from './target.ts';

/** A target before its modules are loaded: those that are to be instrumented have to come after the instrumentation. */
export interface TargetEntry {
  readonly summary: string;
  /** Modules whose branches are watched: paths that begin so. */
  readonly modules: readonly string[];
  load(): Promise<Target>;
}

/** All targets by name. */
export const TARGETS: Readonly<Record<string, TargetEntry>> = {
  der: {
    summary: 'certificates, key descriptions, whole chains, PEM, provisioning CBOR, status lists',
    modules: ['src/attestation/', 'src/encoding/'],
    load: async () => (await import('./der.ts')).DER,
  },
  tlv: {
    summary: 'BER-TLV and the ICC data of a tap',
    modules: ['src/encoding/tlv.ts', 'src/emv/'],
    load: async () => (await import('./tlv.ts')).TLV,
  },
  intent: {
    summary: 'everything that a phone or the service signs as bytes: intents, grants, requests, reports',
    modules: [
      'src/wire/',
      'src/gen/tapgate/v1/',
      'src/gen/google/protobuf/',
      'src/encoding/signed.ts',
      'src/sessions/',
    ],
    load: async () => (await import('./intent.ts')).INTENT,
  },
  receipt: {
    summary: 'receipts: compact JWS, claims, what the vault signs',
    modules: ['src/encoding/', 'src/virtual/processing/receipt.ts', 'src/vault/operations/'],
    load: async () => (await import('./receipt.ts')).RECEIPT,
  },
  keyblock: {
    summary: 'key blocks of strangers and of partners who have the KBPK, headers, optional blocks',
    modules: ['src/payment-crypto/key-block/'],
    load: async () => (await import('./keyblock.ts')).KEY_BLOCK,
  },
  tr34: {
    summary: 'TR-34: key tokens, credentials, envelopes, certificates, random numbers',
    modules: ['src/payment-crypto/tr34/', 'src/encoding/der.ts'],
    load: async () => (await import('./tr34.ts')).TR34,
  },
  token: {
    summary: 'device tokens: compact JWS, claims',
    modules: ['src/encoding/', 'src/tokens/'],
    load: async () => (await import('./token.ts')).TOKEN,
  },
  control: {
    summary: 'planted bugs, to see that the fuzzer finds them: ends with findings',
    modules: ['test/fuzz/control/planted.ts'],
    load: async () => (await import('./control.ts')).CONTROL,
  },
};
