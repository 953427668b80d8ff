import { generateKeyPairSync, sign } from 'node:crypto';
import { p256PublicKey } from '../../../src/encoding/p256.ts';
import { CONTEXT, signingInput, verifySigned } from '../../../src/encoding/signed.ts';
import { KeyConfirmation, KeyRequest } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import type { Result } from '../../../src/reasons/result.ts';
import { decodeKeyConfirmation, decodeKeyRequest, transportToWire } from '../../../src/wire/injection.ts';
import {
  decodePinBlock,
  decodePinEntryRequest,
  decodePinGrant,
  encodePinBlock,
  encodePinEntryRequest,
  encodePinGrant,
} from '../../../src/wire/pin.ts';
import { decodePosture, decodePostureReport, encodePosture, encodePostureReport } from '../../../src/wire/posture.ts';
import { decodeBeginTransaction, encodeBeginTransaction } from '../../../src/wire/session.ts';
import { decodeGrant, decodeIntent, encodeGrant, encodeIntent } from '../../../src/wire/transaction.ts';
import { invariant, type Reader, sameBytes, type Target } from './target.ts';
import {
  BEGIN_VALUE,
  bytes,
  GRANT_VALUE,
  INTENT_VALUE,
  PIN_BLOCK_VALUE,
  PIN_ENTRY_VALUE,
  PIN_GRANT_VALUE,
  PIN_INTENT_VALUE,
  unsigned,
} from './wire/seeds.ts';

const MAXIMUM = 2048;
const SALE = '0801';

/** Keys of fields, lengths, and values that protobuf decodes with care. */
const TOKENS: readonly Uint8Array[] = [
  ...Array.from({ length: 16 }, (_, field) => Buffer.of((field << 3) | 2, 0)),
  ...Array.from({ length: 16 }, (_, field) => Buffer.of(field << 3, 1)),
  ...[SALE, 'ffffffffffffffffff01', 'ffffffffffffffffffff', '80808080808080808001', 'ffffffff0f', 'ffffffff07'].map(
    (hex) => Buffer.from(hex, 'hex'),
  ),
  ...[
    '08ffffffffffffffffff01',
    '0880808080f8ffffffff01',
    '0b0c',
    '0a00',
    '7a00',
    '0d00000000',
    '090000000000000000',
  ].map((hex) => Buffer.from(hex, 'hex')),
  ...['c328', 'eda080', 'f09f9880', 'e280a8', '0a0a', '00'].map((hex) => Buffer.from(hex, 'hex')),
];

interface Message<T> {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  readonly decode: (payload: Uint8Array) => Result<T, string>;
  readonly encode: (value: T) => Uint8Array;
  /** What every accepted value keeps to. */
  readonly holds?: (value: T) => void;
}

/** A message that is accepted says the same when it is written and read again. */
function messageReader<T>({ name, seeds, decode, encode, holds }: Message<T>): Reader {
  return {
    name,
    weight: 1,
    maximumBytes: MAXIMUM,
    seeds,
    tokens: TOKENS,
    read: (input) => {
      const decoded = decode(input);
      if (!decoded.ok) return false;
      holds?.(decoded.value);
      const written = encode(decoded.value);
      const again = decode(written);
      invariant(again.ok, 'what was accepted is refused once it is written again');
      sameBytes(encode(again.value), written, 'what was accepted says something else once it is written again');
      return true;
    },
  };
}

const isInstant = (date: Date): boolean => Number.isFinite(date.getTime());

const messages: readonly Reader[] = [
  messageReader({
    name: 'intent',
    seeds: [encodeIntent(INTENT_VALUE), encodeIntent(PIN_INTENT_VALUE)],
    decode: decodeIntent,
    encode: encodeIntent,
    holds: ({ pin, claimedVerification, accountData }) => {
      invariant(pin === null || claimedVerification === 'online-pin', 'a PIN without a claim of one');
      invariant(accountData.ksn.length === 12 && accountData.ciphertext.length > 16, 'account data of another length');
    },
  }),
  messageReader({
    name: 'grant',
    seeds: [encodeGrant(GRANT_VALUE)],
    decode: decodeGrant,
    encode: encodeGrant,
    holds: ({ issuedAt, expiresAt }) =>
      invariant(
        isInstant(issuedAt) && isInstant(expiresAt),
        'a grant whose expiry is no instant: it would never expire',
      ),
  }),
  messageReader({
    name: 'begin-transaction',
    seeds: [encodeBeginTransaction(BEGIN_VALUE)],
    decode: (payload) => decodeBeginTransaction(unsigned(payload)),
    encode: encodeBeginTransaction,
  }),
  messageReader({
    name: 'pin-entry',
    seeds: [encodePinEntryRequest(PIN_ENTRY_VALUE)],
    decode: (payload) => decodePinEntryRequest(unsigned(payload)),
    encode: encodePinEntryRequest,
  }),
  messageReader({
    name: 'pin-grant',
    seeds: [encodePinGrant(PIN_GRANT_VALUE)],
    decode: decodePinGrant,
    encode: encodePinGrant,
    holds: ({ expiresAt, layout }) => {
      invariant(isInstant(expiresAt), 'a PIN grant whose expiry is no instant: it would never expire');
      invariant([...layout].sort().join('') === '0123456789', `a layout without every digit: ${layout}`);
    },
  }),
  messageReader({
    name: 'pin-block',
    seeds: [encodePinBlock(PIN_BLOCK_VALUE)],
    decode: (payload) => decodePinBlock(unsigned(payload)),
    encode: encodePinBlock,
  }),
  messageReader({
    name: 'posture-report',
    seeds: [encodePostureReport(bytes(16, 'nonce'), new Set(['overlay']))],
    decode: (payload) => decodePostureReport(unsigned(payload)),
    encode: ({ nonce, posture }) => encodePostureReport(nonce, posture),
  }),
  messageReader({
    name: 'posture',
    seeds: [encodePosture(new Set()), encodePosture(new Set(['hooking', 'background']))],
    decode: decodePosture,
    encode: encodePosture,
  }),
  messageReader({
    name: 'key-request',
    seeds: [
      KeyRequest.encode({
        nonce: bytes(32, 'nonce'),
        transport: KeyTransport.KEY_AGREEMENT,
        transportKeyChain: [bytes(32, 'leaf'), bytes(32, 'root')],
        alternatives: [{ transport: KeyTransport.RSA, chain: [bytes(32, 'another leaf')] }],
      }).finish(),
    ],
    decode: (payload) => decodeKeyRequest(unsigned(payload)),
    encode: ({ nonce, transportKeys }) => {
      const [first, ...others] = transportKeys.map(({ transport, chain }) => ({
        transport: transportToWire(transport),
        chain: chain.map((certificate) => Buffer.from(certificate)),
      }));
      const { transport = KeyTransport.UNSPECIFIED, chain = [] } = first ?? {};
      return KeyRequest.encode({ nonce, transport, transportKeyChain: chain, alternatives: others }).finish();
    },
    holds: ({ transportKeys }) => {
      invariant(transportKeys.length > 0 && transportKeys.length <= 3, 'another number of keys');
      invariant(
        new Set(transportKeys.map(({ transport }) => transport)).size === transportKeys.length,
        'a transport twice',
      );
      for (const { chain } of transportKeys)
        invariant(chain.length > 0 && chain.length <= 16, 'a chain of another length');
    },
  }),
  messageReader({
    name: 'key-confirmation',
    seeds: [confirmation('injection-1', bytes(16, 'pin'), bytes(16, 'account data'))],
    decode: (payload) => decodeKeyConfirmation(unsigned(payload)),
    encode: ({ injectionId, pinCmac, accountDataCmac }) => confirmation(injectionId, pinCmac, accountDataCmac),
  }),
];

function confirmation(injectionId: string, pin: Buffer, accountData: Buffer): Uint8Array {
  const proofs = [
    { domain: KeyDomain.PIN, cmac: pin },
    { domain: KeyDomain.ACCOUNT_DATA, cmac: accountData },
  ];
  return KeyConfirmation.encode({ injectionId, proofs }).finish();
}

interface Prepared {
  readonly spki: string;
  readonly signature: string;
}

const PAYLOAD = encodeIntent(INTENT_VALUE);

/** No other bytes than those that the key's holder made pass for a signature, and none is an exception. */
function signatureReader({ spki, signature }: Prepared): Reader {
  const genuine = Buffer.from(signature, 'hex');
  const key = p256PublicKey(Buffer.from(spki, 'hex'));
  if (key === null) throw new Error('not a P-256 key');
  return {
    name: 'signature',
    weight: 1,
    maximumBytes: 128,
    seeds: [genuine],
    elements: true,
    read: (input) => {
      if (!verifySigned(CONTEXT.paymentIntent, { ...unsigned(PAYLOAD), signature: input }, key)) return false;
      sameBytes(input, genuine, 'a signature that nobody made is verified');
      return true;
    },
  };
}

/** Everything that phone and service sign as bytes. */
export const INTENT: Target = {
  prepare: async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const prepared: Prepared = {
      spki: publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
      signature: sign('sha256', signingInput(CONTEXT.paymentIntent, PAYLOAD), privateKey).toString('hex'),
    };
    return JSON.stringify(prepared);
  },
  open: (prepared) => [...messages, signatureReader(JSON.parse(prepared) as Prepared)],
};
