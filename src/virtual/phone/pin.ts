import type { KeyObject } from 'node:crypto';
import { accountDataHash } from '../../encoding/contexts.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { CONTEXT, type SignedBytes } from '../../encoding/signed.ts';
import type { EnterRequest, EnterResponse, PinEntryAbortCause } from '../../gen/tapgate/v1/pin_entry_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import { ClearPin } from '../../payment-crypto/pin-block/clear-pin.ts';
import { encipherFormat4 } from '../../payment-crypto/pin-block/format4.ts';
import { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { PinBlock } from '../../pin/entry.ts';
import type { EncryptedAccountData, PinGrant } from '../../pin/vault.ts';
import type { Random } from '../../ports/random.ts';
import { decodePinGrant, encodePinBlock, encodePinEntryRequest } from '../../wire/pin.ts';
import { encodePostureReport } from '../../wire/posture.ts';
import { signedToWire } from '../../wire/signed.ts';
import type { DeviceConnection } from './connection.ts';
import { type PhoneMemory, sessionOf, signFor } from './memory.ts';
import { exchange, PhoneRefused, ServiceNotTrusted } from './refused.ts';
import type { PhoneTransaction } from './session.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** What the customer does at the pad. */
export interface PinAtPad {
  /** 4 to 12 digits. */
  readonly pin: string;
  readonly pan: string;
  readonly accountData: EncryptedAccountData;
  /** The customer asks for the keypad in its usual order. */
  readonly accessibleLayout?: boolean;
}

/** What happens at a pad that shows, as an attacker or a test has it. */
export interface ShowingPad {
  readonly grant: PinGrant;
  /** Reports the phone's posture over the nonce that is out, or over another; waits until the service has taken it. */
  report(nonce?: Buffer): Promise<void>;
  /** The app takes the pad away. The service ends the stream with a reason of the cause. */
  abort(cause: PinEntryAbortCause): Promise<void>;
}

/** How an attacker may bend PIN entry. */
export interface PinTampering {
  readonly block?: (pin: Omit<PinBlock, 'signed'>) => Omit<PinBlock, 'signed'>;
  /** Takes the place of the one report that an honest phone makes before the customer is done. */
  readonly whilePadShows?: (pad: ShowingPad) => Promise<void>;
  /** What a man in the middle makes of the PIN grant. */
  readonly grant?: (message: SignedMessage) => SignedMessage;
  /** Who signs the block. */
  readonly signer?: KeyObject;
}

/** A PIN block that the service accepted. */
export interface EnteredPin {
  /** SHA-256 of the enciphered block. */
  readonly blockHash: Buffer;
  readonly ksn: Buffer;
  readonly heldUntil: Date;
  /** As it was sent. */
  readonly signed: SignedBytes;
}

/**
 * Enters a PIN under a grant: the layout is the service's, the block ISO 9564-1 format 4. Posture is reported while the
 * pad shows.
 */
export function enterPin(
  connection: DeviceConnection,
  memory: PhoneMemory,
  transaction: PhoneTransaction,
  pad: PinAtPad,
  random: Random,
  tampering: PinTampering = {},
): Promise<EnteredPin> {
  return exchange(async () => {
    if (memory.pinOff !== null) throw new PhoneRefused([memory.pinOff]);
    const session = sessionOf(memory);
    const { privateKey } = session.key;
    const stream = new PhoneStream<EnterRequest, EnterResponse>(connection.pinEntry.enter(), 'pin', memory.probe);
    try {
      const request = encodePinEntryRequest({
        grantId: transaction.grant.id,
        accountData: pad.accountData,
        posture: memory.posture,
        accessibleLayout: pad.accessibleLayout ?? false,
      });
      const signed = signedToWire(signFor(CONTEXT.pinEntry, request, privateKey));
      const intention = { $case: 'request' as const, value: signed };
      await stream.send({ message: { $case: 'begin', value: { deviceToken: session.token, intention } } });
      const granted = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (granted?.$case !== 'pinGrant') throw new ServiceNotTrusted('no PIN grant');
      const message = tampering.grant?.(granted.value) ?? granted.value;
      const showing = new PadOnPhone(stream, memory, openPinGrant(memory, transaction, pad, message));
      const { grant } = showing;
      await (tampering.whilePadShows?.(showing) ?? showing.report());
      const honest = {
        pinGrantId: grant.id,
        grantId: transaction.grant.id,
        pinKsn: transaction.pin.ksn.toBytes(),
        block: encipher(transaction, typed(pad.pin, grant.layout), pad.pan, random),
        accountDataHash: grant.accountDataHash,
      };
      const block = tampering.block?.(honest) ?? honest;
      const signedBlock = signFor(CONTEXT.pinBlock, encodePinBlock(block), tampering.signer ?? privateKey);
      await stream.send({ message: { $case: 'pinBlock', value: signedToWire(signedBlock) } });
      const heldUntil = (await accepted(stream)) ?? transaction.grant.expiresAt;
      return { blockHash: sha256(block.block), ksn: block.pinKsn, heldUntil, signed: signedBlock };
    } finally {
      stream.cancel();
    }
  });
}

/** Sends a block again that was sent before its stream was cut: the same bytes get the same answer. */
export function repeatPin(connection: DeviceConnection, memory: PhoneMemory, signed: SignedBytes): Promise<void> {
  return exchange(async () => {
    const stream = new PhoneStream<EnterRequest, EnterResponse>(connection.pinEntry.enter(), 'pin', memory.probe);
    try {
      const intention = { $case: 'repeat' as const, value: signedToWire(signed) };
      const { token } = sessionOf(memory);
      await stream.send({ message: { $case: 'begin', value: { deviceToken: token, intention } } });
      await accepted(stream);
    } finally {
      stream.cancel();
    }
  });
}

async function accepted(stream: PhoneStream<EnterRequest, EnterResponse>): Promise<Date | undefined> {
  const message = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
  if (message?.$case !== 'accepted') throw new ServiceNotTrusted('no acceptance');
  return message.value.heldUntil;
}

class PadOnPhone implements ShowingPad {
  readonly grant: PinGrant;
  readonly #stream: PhoneStream<EnterRequest, EnterResponse>;
  readonly #memory: PhoneMemory;
  #nonce: Buffer;

  constructor(stream: PhoneStream<EnterRequest, EnterResponse>, memory: PhoneMemory, grant: PinGrant) {
    this.#stream = stream;
    this.#memory = memory;
    this.grant = grant;
    this.#nonce = grant.nonce;
  }

  async report(nonce = this.#nonce): Promise<void> {
    const payload = encodePostureReport(nonce, this.#memory.posture);
    const signed = signFor(CONTEXT.postureReport, payload, sessionOf(this.#memory).key.privateKey);
    await this.#stream.send({ message: { $case: 'report', value: signedToWire(signed) } });
    const due = (await this.#stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
    if (due?.$case !== 'reportDue') throw new ServiceNotTrusted('no report request');
    this.#nonce = due.value.nonce;
  }

  async abort(cause: PinEntryAbortCause): Promise<void> {
    await this.#stream.send({ message: { $case: 'abort', value: { cause } } });
    await this.#stream.next({ withinMilliseconds: STEP_WITHIN });
  }
}

function openPinGrant(
  memory: PhoneMemory,
  transaction: PhoneTransaction,
  pad: PinAtPad,
  message: Parameters<PhoneMemory['trust']['open']>[1],
): PinGrant {
  const grant = decodePinGrant(memory.trust.open(CONTEXT.pinGrant, message).payload);
  if (!grant.ok) throw new ServiceNotTrusted('a malformed PIN grant');
  const { ksn, initializationVector, ciphertext } = pad.accountData;
  const ours =
    grant.value.grantId === transaction.grant.id &&
    equalBytes(grant.value.pinKsn, transaction.pin.ksn.toBytes()) &&
    grant.value.accessibleLayout === (pad.accessibleLayout ?? false) &&
    equalBytes(grant.value.accountDataHash, accountDataHash(ksn, initializationVector, ciphertext));
  if (!ours) throw new ServiceNotTrusted('the PIN grant is for something else');
  return grant.value;
}

/** The customer sees the digits in the layout's places and presses those of the PIN; the app reads places as digits. */
function typed(pin: string, layout: string): string {
  const places = [...pin].map((digit) => layout.indexOf(digit));
  return places.map((place) => layout[place]).join('');
}

function encipher(transaction: PhoneTransaction, digits: string, pan: string, random: Random): Buffer {
  const pin = ClearPin.parse(Buffer.from(digits, 'ascii'));
  const account = Pan.parse(Buffer.from(pan, 'ascii'));
  const key = transaction.pin.workingKey('pinEncryption', 'AES128');
  if (!pin.ok || !account.ok || !key.ok) throw new Error('the PIN or the PAN cannot be enciphered');
  const block = encipherFormat4(key.value, pin.value, account.value, random);
  pin.value.wipe();
  account.value.wipe();
  key.value.wipe();
  if (!block.ok) throw new Error(block.reason);
  return block.value;
}
