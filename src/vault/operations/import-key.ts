import { NAME_FORM } from '../../certs/uri-name.ts';
import type { ImportKeyAnswer, ImportKeyCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { isTolerance, type Tolerance } from '../../keys/tolerance.ts';
import type { Tr34Deviation } from '../../payment-crypto/tr34/deviation.ts';
import { acceptKeyToken } from '../../payment-crypto/tr34/key-receiving-device.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { slotToWire } from '../../wire/key-slot.ts';
import type { Custodian } from '../keystore/custodian.ts';
import { type OpenedKeystore, onlyActive, symmetric } from '../keystore/document.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import {
  checkForm,
  checkFresh,
  checkStated,
  formOf,
  type IncomingFault,
  type IncomingKey,
  openIncomingBlock,
} from '../keystore/incoming-key.ts';
import { newSlotId } from '../keystore/initialise.ts';
import { checkValueOf, openSlot, type Slot, shown, withChange, wrapSlot } from '../keystore/slot.ts';
import { openParty, readBinding } from '../keystore/tr34-slot.ts';
import type { SlotTurn } from '../keystore/turn.ts';
import type { VaultPorts } from '../ports.ts';
import { custodyRefusal, isPerson } from './key-slots.ts';
import { type Tr34Fault, tr34Fault } from './tr34.ts';

const MOST_TOLERANCES = 32;

type ImportFault = KeystoreFault | IncomingFault | Tr34Fault | 'ZONE_KEK_MISSING';

type ZoneKind = 'zone-pin' | 'zone-data';

function isZoneKind(kind: string): kind is ZoneKind {
  return kind === 'zone-pin' || kind === 'zone-data';
}

/** Tolerances by their names; null where one is unknown, or there are too many. */
export function readTolerances(names: readonly string[]): ReadonlySet<Tolerance> | null {
  if (names.length > MOST_TOLERANCES || !names.every(isTolerance)) return null;
  return new Set(names);
}

interface Incoming {
  readonly kind: ZoneKind;
  readonly acquirer: string;
  readonly tolerate: ReadonlySet<Tolerance>;
}

/** A block of version B or C is under a key of TDEA, any other under one of AES: an acquirer may have either. */
function openBlock(
  block: string,
  { kind, acquirer, tolerate }: Incoming,
  { slots, kek }: OpenedKeystore,
): Result<IncomingKey, ImportFault> {
  const kekKind = /^[BC]/.test(block) ? 'zone-kek-tdea' : 'zone-kek';
  const slot = onlyActive(slots, kekKind, acquirer);
  if (!slot.ok) return refuse('ZONE_KEK_MISSING', kekKind);
  const opened = openSlot(slot.value, kek);
  if (!opened.ok) return opened;
  const zoneKek = symmetric(opened.value);
  const incoming = openIncomingBlock(block, zoneKek, formOf(kind), tolerate);
  zoneKek.wipe();
  return incoming;
}

function openToken(
  token: Buffer,
  randomNumber: Buffer,
  { kind, acquirer, tolerate }: Incoming,
  keystore: OpenedKeystore,
  now: Date,
): Result<IncomingKey, ImportFault> {
  const binding = readBinding(keystore, 'device', acquirer);
  if (!binding.ok) return binding;
  const device = openParty(binding.value, keystore);
  if (!device.ok) return device;
  const reception = { device: device.value, host: binding.value.bound, randomNumber };
  const policy = { tolerate: tolerate as ReadonlySet<string> as ReadonlySet<Tr34Deviation> };
  const accepted = acceptKeyToken(token, reception, now, policy);
  if (!accepted.ok) return tr34Fault(accepted);
  const { key, header, tolerated } = accepted.value;
  const formed = checkForm(key, header, formOf(kind), tolerate);
  if (!formed.ok) return formed;
  return ok({ ...formed.value, optional: [], tolerated: [...tolerated, ...formed.value.tolerated] });
}

/**
 * Takes a zone key that comes enciphered, by a key block under the acquirer's zone KEK or by TR-34 from the host that was
 * bound in a ceremony: usage, algorithm, mode, length and check value are looked at, and the key is put in a prepared slot.
 * A random number of TR-34 is used up whatever comes of it.
 */
export function importKey(call: ImportKeyCall, custodian: Custodian, ports: VaultPorts): Result<ImportKeyAnswer> {
  const { kind, acquirer, source, by, keyCheckValue } = call;
  if (!isZoneKind(kind)) return refuse('KEY_NOT_IMPORTABLE', kind.slice(0, 32));
  if (!NAME_FORM.test(acquirer)) return refuse('MALFORMED_MESSAGE', 'acquirer');
  if (!isPerson(by)) return refuse('MALFORMED_MESSAGE', 'by');
  const tolerate = readTolerances(call.tolerate);
  if (tolerate === null) return refuse('MALFORMED_MESSAGE', 'tolerate');
  if (source === undefined) return refuse('MALFORMED_MESSAGE', 'source');
  const incoming = { kind, acquirer, tolerate };
  const now = ports.clock.now();
  const randomNumber = source.$case === 'tr34KeyToken' ? custodian.tr34.take(acquirer, now) : null;
  if (source.$case === 'tr34KeyToken' && randomNumber === null) return refuse('TR34_RANDOM_NUMBER_UNKNOWN');
  let tolerated: readonly string[] = [];
  const make = (keystore: OpenedKeystore, turn: SlotTurn): Result<Slot, ImportFault> => {
    const opened =
      source.$case === 'keyBlock' || randomNumber === null
        ? openBlock(String(source.value), incoming, keystore)
        : openToken(Buffer.from(source.value), randomNumber, incoming, keystore, now);
    if (!opened.ok) return opened;
    const { key, exportability } = opened.value;
    try {
      const stated = checkStated(key, keyCheckValue);
      if (!stated.ok) return stated;
      const fresh = checkFresh(keystore.slots, shown(checkValueOf(key)));
      if (!fresh.ok) return fresh;
      tolerated = opened.value.tolerated;
      const entered = { by: source.$case === 'keyBlock' ? 'key-block' : 'tr-34', exportability } as const;
      const history = withChange(undefined, { state: 'prepared', at: turn.clock.now(), by });
      const description = {
        id: newSlotId(kind, turn.random),
        kind,
        state: 'prepared',
        acquirer,
        history,
        entered,
      } as const;
      return ok(wrapSlot(description, key, keystore.kek, turn.random));
    } finally {
      key.wipe();
    }
  };
  const added = custodian.add({ kind, acquirer }, by, make);
  if (added.ok) return ok({ slot: slotToWire(added.value), tolerated: [...tolerated], notTolerated: '' });
  if (added.reason !== 'KEY_DEVIATION') return custodyRefusal(added);
  return ok({ slot: undefined, tolerated: [], notTolerated: added.detail ?? '' });
}
