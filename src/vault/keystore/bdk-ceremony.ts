import type { KeyEntry } from '../../keys/custody.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { planGeneration, type SlotFault } from '../../keys/slots.ts';
import type { Tolerance } from '../../keys/tolerance.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { changeKeystore } from './change.ts';
import { type ComponentFault, joinComponents, type KeyComponent } from './components.ts';
import type { KeystoreFault } from './fault.ts';
import { checkFresh, formOf, type IncomingFault, openIncomingBlock } from './incoming-key.ts';
import { newSlotId } from './initialise.ts';
import type { KeystorePlace } from './place.ts';
import { checkValueOf, keySlotOf, type SlotDescription, shown, withChange, wrapSlot } from './slot.ts';
import { sealDerivationSlot } from './token-slot.ts';
import type { SlotTurn } from './turn.ts';

/** Why a base derivation key is not entered. */
export type BdkCeremonyFault =
  | KeystoreFault
  | SlotFault
  | ComponentFault
  | IncomingFault
  /** Not 8 hexadecimal digits, one that a slot has or had, or another than the key block says. */
  | 'BDK_ID';

/** A base derivation key (AES-128) from another HSM. */
export interface IncomingBdk {
  readonly kind: SlotKind & ('bdk-pin' | 'bdk-account-data');
  /** 8 hexadecimal digits; it is this service's alone, since it gives its initial keys from the first one on. */
  readonly bdkId: string;
  /** The key's own components; or with `keyBlock` those of the key that the block is under. */
  readonly components: readonly KeyComponent[];
  /** X9.143 version D, usage B0. */
  readonly keyBlock?: string;
  readonly tolerate?: ReadonlySet<Tolerance>;
}

interface OpenedBdk {
  readonly key: SecretKey;
  readonly entered: { readonly by: KeyEntry; readonly exportability: 'E' | 'N' | 'S' };
  readonly tolerated: readonly string[];
}

/** What the custodians are told, to compare it with what the other side shows. */
export interface EnteredBdk {
  readonly slotId: string;
  readonly kcv: string;
  /** Of the key that the key block was under; null without a key block. */
  readonly kekKcv: string | null;
  readonly tolerated: readonly string[];
}

function open(incoming: IncomingBdk): Result<OpenedBdk & { readonly kekKcv: string | null }, BdkCeremonyFault> {
  const { kind, bdkId, components, keyBlock, tolerate = new Set() } = incoming;
  const joined = joinComponents(components);
  if (!joined.ok) return joined;
  const { key, kcv } = joined.value;
  const form = formOf(kind);
  if (keyBlock === undefined) {
    if (key.bits === form.bits)
      return ok({ key, entered: { by: 'components', exportability: 'N' }, tolerated: [], kekKcv: null });
    key.wipe();
    return refuse('KEY_ATTRIBUTES_MISMATCH', 'length');
  }
  const opened = openIncomingBlock(keyBlock, key, form, tolerate);
  key.wipe();
  if (!opened.ok) return opened;
  const { optional, exportability, tolerated } = opened.value;
  const named = optional.find(({ id }) => id === 'BI');
  if (named?.id === 'BI' && (named.dukpt !== 'AES' || named.bdkId !== bdkId)) {
    opened.value.key.wipe();
    return refuse('BDK_ID', 'another than the key block says');
  }
  return ok({ key: opened.value.key, entered: { by: 'key-block', exportability }, tolerated, kekKcv: kcv });
}

/**
 * Enters a base derivation key from another HSM into a prepared slot: by components, or as a key block under a key that is
 * entered by components for this one block. Where the keystore has a token, the key is put there, sensitive and not
 * extractable; it has been known elsewhere, and its slot says so. A ceremony at the vault's machine only: whoever could
 * bring a base derivation key of his own over the network could read every PIN after its activation.
 */
export function enterBdk(
  place: KeystorePlace,
  incoming: IncomingBdk,
  { random, clock, by }: SlotTurn,
): Result<EnteredBdk, BdkCeremonyFault> {
  const { kind, bdkId } = incoming;
  if (!/^[0-9A-F]{8}$/.test(bdkId)) return refuse('BDK_ID', 'not 8 hexadecimal digits');
  const opened = open(incoming);
  if (!opened.ok) return opened;
  const { key, entered, tolerated, kekKcv } = opened.value;
  const slotId = newSlotId(kind, random);
  const kcv = shown(checkValueOf(key));
  try {
    const changed = changeKeystore<BdkCeremonyFault>(place, ({ slots, kek, token }) => {
      const allowed = planGeneration(slots.map(keySlotOf), { kind });
      if (!allowed.ok) return allowed;
      if (slots.some((slot) => slot.bdkId === bdkId)) return refuse('BDK_ID', 'a slot has it, or had it');
      const fresh = checkFresh(slots, kcv);
      if (!fresh.ok) return fresh;
      const history = withChange(undefined, { state: 'prepared', at: clock.now(), by });
      const description: SlotDescription = { id: slotId, kind, state: 'prepared', bdkId, history, entered };
      const slot =
        token === null
          ? wrapSlot(description, key, kek, random)
          : sealDerivationSlot(description, token.enterDerivationKey(slotId, key), kek);
      return ok([...slots, slot]);
    });
    return changed.ok ? ok({ slotId, kcv, kekKcv, tolerated }) : changed;
  } finally {
    key.wipe();
  }
}
