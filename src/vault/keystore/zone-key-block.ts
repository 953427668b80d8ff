import type { KeyBlockAttributes } from '../../payment-crypto/key-block/attributes.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import type { OptionalContent } from '../../payment-crypto/key-block/optional-content.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { onlyActive, symmetric } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { checkValueOf, openSlot, type Slot, shown } from './slot.ts';

/** A zone key's slot, as far as its block says it. */
type ZoneKeyName = Pick<Slot, 'id' | 'kind'>;

/** What a zone key says of itself on its way to the acquirer: mode of use D, since the acquirer deciphers with it. */
export function exportedAttributes({ kind }: ZoneKeyName): KeyBlockAttributes {
  const usage = kind === 'zone-pin' ? 'P0' : 'D0';
  return { usage, algorithm: 'A', modeOfUse: 'D', keyVersion: '00', exportability: 'E' };
}

/** The name that both sides know the key by, and its check value. */
export function exportedLabels({ id }: ZoneKeyName, key: SecretKey): OptionalContent[] {
  return [
    { id: 'LB', text: id },
    { id: 'KC', method: 'cmac', value: shown(checkValueOf(key)) },
  ];
}

/** A zone key for its acquirer: X9.143 version D under its zone KEK, strictly, padded so that its length does not show. */
export function zoneKeyBlock(
  slot: ZoneKeyName & { readonly acquirer: string },
  key: SecretKey,
  { slots, kek }: { readonly slots: readonly Slot[]; readonly kek: SecretKey },
  random: Random,
): Result<string, KeystoreFault | 'ZONE_KEK_MISSING'> {
  const kekSlot = onlyActive(slots, 'zone-kek', slot.acquirer);
  if (!kekSlot.ok) return refuse('ZONE_KEK_MISSING');
  const opened = openSlot(kekSlot.value, kek);
  if (!opened.ok) return opened;
  const zoneKek = symmetric(opened.value);
  try {
    const kekCheckValue = { id: 'KP', method: 'cmac', value: shown(checkValueOf(zoneKek)) } as const;
    const optional = [...exportedLabels(slot, key), kekCheckValue];
    const content = { version: 'D', attributes: exportedAttributes(slot), key, optional } as const;
    const block = exportKeyBlock(content, zoneKek, random);
    if (!block.ok) throw new TypeError(`a zone key block: ${block.reason}`);
    return ok(block.value);
  } finally {
    zoneKek.wipe();
  }
}
