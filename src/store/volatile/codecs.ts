import { z } from 'zod';
import type { PendingOffer } from '../../injection/exchange.ts';
import type { HeldPinBlock } from '../../pin/store.ts';
import type { Arrival } from '../../sessions/arrivals.ts';
import { type Codec, jsonCodec } from './codec.ts';

const SHA256 = 32;
/** ISO 9564-1 format 4. */
const PIN_BLOCK = 16;
/** An attestation's hello and an injection's offer, as the edge and the vault bound them. */
const LONGEST_MESSAGE = 4_096;
const THUMBPRINT = /^[\w-]{43}$/;

const base64 = (maximum: number) => z.base64().max(Math.ceil(maximum / 3) * 4);

/** Bytes as base64. */
const octets = (minimum: number, maximum: number) =>
  z.codec(
    base64(maximum),
    z.custom<Buffer>((value) => Buffer.isBuffer(value) && value.length >= minimum && value.length <= maximum),
    {
      decode: (text) => Buffer.from(text, 'base64'),
      encode: (bytes) => bytes.toString('base64'),
    },
  );

/** Bytes of a message as base64; a message may come as any byte array. */
const message = z.codec(
  base64(LONGEST_MESSAGE),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= LONGEST_MESSAGE),
  {
    decode: (text) => Buffer.from(text, 'base64'),
    encode: (bytes) => Buffer.from(bytes).toString('base64'),
  },
);

const exactly = (length: number) => octets(length, length);

/** An instant as milliseconds since 1970. */
const instant = z.codec(z.int().min(0), z.date(), {
  decode: (milliseconds) => new Date(milliseconds),
  encode: (date) => date.getTime(),
});

const name = z.string().min(1).max(128);
const thumbprint = z.string().regex(THUMBPRINT);

/** SHA-256 in hex. */
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const offerSchema = z.strictObject({
  thumbprint,
  payload: message,
});

const pinBlockSchema = z.strictObject({
  grantId: name,
  pinGrantId: name,
  hash: exactly(SHA256),
  block: exactly(PIN_BLOCK),
  accountDataHash: exactly(SHA256),
  heldUntil: instant,
});

const arrivalSchema = z.strictObject({
  deviceId: z.uuid(),
  number: z.int().min(1),
});

/** The hash of the hello that a challenge was given for. */
export const challengeCodec: Codec<string> = jsonCodec(digest);

/** The thumbprint of the session that an injection's nonce was given to. */
export const injectionNonceCodec: Codec<string> = jsonCodec(thumbprint);

/** An offer of keys that waits for its proof. */
export const offerCodec: Codec<PendingOffer> = jsonCodec(offerSchema);

/** An enciphered PIN block, held until its grant expires. */
export const pinBlockCodec: Codec<HeldPinBlock> = jsonCodec(pinBlockSchema);

/** A phone's session that was opened at a replica. */
export const arrivalCodec: Codec<Arrival> = jsonCodec(arrivalSchema);
