import { accountDataHash } from '../../encoding/contexts.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { EnterRequest, EnterResponse } from '../../gen/tapgate/v1/pin_entry_service.ts';
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
import { exchange, ServiceNotTrusted } from './refused.ts';
import type { PhoneTransaction } from './session.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** What the customer does at the pad. */
export interface PinAtPad {
  /** 4 to 12 digits. */
  readonly pin: string;
  readonly pan: string;
  readonly accountData: EncryptedAccountData;
}

/** How an attacker may bend PIN entry. */
export interface PinTampering {
  readonly block?: (pin: Omit<PinBlock, 'signed'>) => Omit<PinBlock, 'signed'>;
}

/** A PIN block that the service accepted. */
export interface EnteredPin {
  /** SHA-256 of the enciphered block. */
  readonly blockHash: Buffer;
  readonly ksn: Buffer;
  readonly heldUntil: Date;
}

/** Enters a PIN under a grant: the layout is the service's, the block ISO 9564-1 format 4. */
export function enterPin(
  connection: DeviceConnection,
  memory: PhoneMemory,
  transaction: PhoneTransaction,
  pad: PinAtPad,
  random: Random,
  tampering: PinTampering = {},
): Promise<EnteredPin> {
  return exchange(async () => {
    const session = sessionOf(memory);
    const signed = (
      context: typeof CONTEXT.pinEntry | typeof CONTEXT.postureReport | typeof CONTEXT.pinBlock,
      bytes: Uint8Array,
    ) => signedToWire(signFor(context, bytes, session.key.privateKey));
    const stream = new PhoneStream<EnterRequest, EnterResponse>(connection.pinEntry.enter(), 'pin', memory.probe);
    const next = async () => (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
    try {
      const request = encodePinEntryRequest({
        grantId: transaction.grant.id,
        accountData: pad.accountData,
        posture: memory.posture,
      });
      const intention = { $case: 'request' as const, value: signed(CONTEXT.pinEntry, request) };
      await stream.send({ message: { $case: 'begin', value: { deviceToken: session.token, intention } } });
      const granted = await next();
      if (granted?.$case !== 'pinGrant') throw new ServiceNotTrusted('no PIN grant');
      const grant = openPinGrant(memory, transaction, pad, granted.value);
      const report = encodePostureReport(grant.nonce, memory.posture);
      await stream.send({ message: { $case: 'report', value: signed(CONTEXT.postureReport, report) } });
      if ((await next())?.$case !== 'reportDue') throw new ServiceNotTrusted('no report request');
      const honest = {
        pinGrantId: grant.id,
        grantId: transaction.grant.id,
        pinKsn: transaction.pin.ksn.toBytes(),
        block: encipher(transaction, typed(pad.pin, grant.layout), pad.pan, random),
        accountDataHash: grant.accountDataHash,
      };
      const block = tampering.block?.(honest) ?? honest;
      await stream.send({ message: { $case: 'pinBlock', value: signed(CONTEXT.pinBlock, encodePinBlock(block)) } });
      const accepted = await next();
      if (accepted?.$case !== 'accepted') throw new ServiceNotTrusted('no acceptance');
      const heldUntil = accepted.value.heldUntil ?? transaction.grant.expiresAt;
      return { blockHash: sha256(block.block), ksn: block.pinKsn, heldUntil };
    } finally {
      stream.cancel();
    }
  });
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
