import type { ExportByTr34, ExportKeyAnswer, ExportKeyCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { isTolerance, type Tolerance } from '../../keys/tolerance.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Tr34Deviation } from '../../payment-crypto/tr34/deviation.ts';
import { makeKeyToken } from '../../payment-crypto/tr34/key-distribution-host.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { slotToWire } from '../../wire/key-slot.ts';
import type { Custodian } from '../keystore/custodian.ts';
import { type OpenedKeystore, symmetric } from '../keystore/document.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { openSlot, type Slot } from '../keystore/slot.ts';
import { openParty, readBinding } from '../keystore/tr34-slot.ts';
import { exportedAttributes, exportedLabels, zoneKeyBlock } from '../keystore/zone-key-block.ts';
import type { VaultPorts } from '../ports.ts';
import { readTolerances } from './import-key.ts';
import { custodyRefusal, isPerson } from './key-slots.ts';
import { checkListed, type Tr34Fault, tr34Fault } from './tr34.ts';

type ExportFault =
  | KeystoreFault
  | Tr34Fault
  | 'KEY_SLOT_UNKNOWN'
  | 'KEY_NOT_EXPORTABLE'
  | 'KEY_STATE_NOT_ALLOWED'
  | 'ZONE_KEK_MISSING';

type Exported = Pick<ExportKeyAnswer, 'keyBlock' | 'tr34KeyToken' | 'tolerated'>;

/** A zone key that may leave: before it serves, and while it does. */
function exportable(slots: readonly Slot[], slotId: string): Result<Slot & { acquirer: string }, ExportFault> {
  const slot = slots.find(({ id }) => id === slotId);
  if (slot === undefined) return refuse('KEY_SLOT_UNKNOWN', slotId.slice(0, 64));
  const { kind, state, acquirer, entered } = slot;
  if ((kind !== 'zone-pin' && kind !== 'zone-data') || acquirer === undefined)
    return refuse('KEY_NOT_EXPORTABLE', kind);
  if (entered?.exportability === 'N') return refuse('KEY_NOT_EXPORTABLE', 'came in as not exportable');
  if (state !== 'prepared' && state !== 'active') return refuse('KEY_STATE_NOT_ALLOWED', state);
  return ok({ ...slot, acquirer });
}

function toDevice(
  slot: Slot & { readonly acquirer: string },
  key: SecretKey,
  destination: ExportByTr34,
  tolerate: ReadonlySet<Tolerance>,
  keystore: OpenedKeystore,
  { clock, random }: VaultPorts,
): Result<Exported, ExportFault> {
  const binding = readBinding(keystore, 'host', slot.acquirer);
  if (!binding.ok) return binding;
  const { bound, own } = binding.value;
  const now = clock.now();
  const listed = checkListed(bound.certificate, bound.authority, destination.deviceRevocationList, now);
  if (!listed.ok) return listed;
  if (now.getTime() > own.notAfter || now.getTime() < own.notBefore)
    return refuse('TR34_CERTIFICATE_REFUSED', "this side's certificate");
  const host = openParty(binding.value, keystore);
  if (!host.ok) return host;
  const distribution = {
    host: host.value,
    device: bound,
    randomNumberToken: destination.randomNumberToken,
    key,
    attributes: exportedAttributes(slot),
    optional: exportedLabels(slot, key),
    revocationList: destination.revocationList,
  };
  const strict = makeKeyToken(distribution, now, random);
  if (strict.ok) return ok({ keyBlock: '', tr34KeyToken: strict.value, tolerated: [] });
  const departure = strict.reason === 'TR34_DEVIATION' ? strict.detail : undefined;
  if (departure === undefined || !isTolerance(departure) || !tolerate.has(departure)) return tr34Fault(strict);
  const policy = { tolerate: new Set([departure]) as ReadonlySet<string> as ReadonlySet<Tr34Deviation> };
  const made = makeKeyToken(distribution, now, random, policy);
  return made.ok ? ok({ keyBlock: '', tr34KeyToken: made.value, tolerated: [departure] }) : tr34Fault(made);
}

/**
 * Gives a zone key to its acquirer: X9.143 version D under its zone KEK, or by TR-34 to the device that was bound in a
 * ceremony. Every other kind is refused with KEY_NOT_EXPORTABLE, and so is a zone key that came in as not exportable.
 */
export function exportKey(call: ExportKeyCall, custodian: Custodian, ports: VaultPorts): Result<ExportKeyAnswer> {
  const { slotId, tr34, by } = call;
  if (!isPerson(by)) return refuse('MALFORMED_MESSAGE', 'by');
  const tolerate = readTolerances(call.tolerate);
  if (tolerate === null) return refuse('MALFORMED_MESSAGE', 'tolerate');
  if (tr34 !== undefined && tr34.revocationList.length === 0) return refuse('MALFORMED_MESSAGE', 'revocation list');
  const exported = custodian.read<Exported, ExportFault>((keystore) => {
    const slot = exportable(keystore.slots, slotId);
    if (!slot.ok) return slot;
    const opened = openSlot(slot.value, keystore.kek);
    if (!opened.ok) return opened;
    const key = symmetric(opened.value);
    try {
      if (tr34 !== undefined) return toDevice(slot.value, key, tr34, tolerate, keystore, ports);
      const block = zoneKeyBlock(slot.value, key, keystore, ports.random);
      return block.ok ? ok({ keyBlock: block.value, tr34KeyToken: Buffer.alloc(0), tolerated: [] }) : block;
    } finally {
      key.wipe();
    }
  });
  const nothing = { slot: undefined, keyBlock: '', tr34KeyToken: Buffer.alloc(0), tolerated: [] };
  if (!exported.ok)
    return exported.reason === 'KEY_DEVIATION'
      ? ok({ ...nothing, notTolerated: exported.detail ?? '' })
      : custodyRefusal(exported);
  const slots = custodian.list();
  if (!slots.ok) return custodyRefusal(slots);
  const slot = slots.value.find(({ id }) => id === slotId);
  return ok({ ...exported.value, slot: slot && slotToWire(slot), notTolerated: '' });
}
