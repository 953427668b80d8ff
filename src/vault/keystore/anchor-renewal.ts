import { ServiceKey } from '../../gen/tapgate/v1/signed.ts';
import { useOf } from '../../keys/state.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { changeKeystore } from './change.ts';
import { type OpenedKeystore, onlyActive } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { newSlotId } from './initialise.ts';
import { asSigningKey, makeSigningSlot, openKey, wipeKey } from './opened-key.ts';
import type { KeystorePlace } from './place.ts';
import { endedSlot } from './renewal.ts';
import type { FileSystem } from './replace.ts';
import { endorse, endorseAnchor, endorsePublished } from './service-key.ts';
import type { SigningKey } from './signing-key.ts';
import { isPublished, type Slot, withChange, wrapSlot } from './slot.ts';
import { resealSlot } from './token-slot.ts';
import type { SlotTurn } from './turn.ts';

/** Anchors that a keystore may have had: every phone is told the links between all of them. */
const MOST_ANCHORS = 8;

/** Why a keystore gets no new anchor. `ANCHORS_FULL`: it has had as many as phones can be led through. */
export type AnchorFault = KeystoreFault | 'ANCHORS_FULL';

/**
 * Gives a keystore a new anchor in one durable step: the old one endorses it, it endorses every signing key that is held, and
 * the old one's private key is destroyed. Phones that ship the old anchor follow by its endorsement, which is given out from
 * then on. Answers the new anchor: SubjectPublicKeyInfo, DER.
 */
export function renewAnchor(place: KeystorePlace, turn: SlotTurn, files?: FileSystem): Result<Buffer, AnchorFault> {
  let anchor: Buffer | null = null;
  const changed = changeKeystore<AnchorFault>(
    place,
    (keystore) => {
      const { slots } = keystore;
      if (slots.filter(({ kind }) => kind === 'anchor').length >= MOST_ANCHORS) return refuse('ANCHORS_FULL');
      const old = onlyActive(slots, 'anchor');
      if (!old.ok) return old;
      const before = openKey(old.value, keystore);
      if (!before.ok) return before;
      try {
        const made = makeAnchor(asSigningKey(before.value), keystore, turn);
        if (!made.ok) return made;
        const renewed = endorsedAnew(keystore, old.value, made.value, turn);
        anchor = renewed.ok ? renewed.value.anchor : null;
        return renewed.ok ? ok(renewed.value.slots) : renewed;
      } finally {
        wipeKey(before.value);
      }
    },
    files,
  );
  if (!changed.ok) return changed;
  // The compiler does not see that the work above has run.
  return ok(anchor as unknown as Buffer);
}

function makeAnchor(before: SigningKey, keystore: OpenedKeystore, turn: SlotTurn): Result<Slot, never> {
  const { random, clock, by } = turn;
  const history = withChange(undefined, { state: 'active', at: clock.now(), by });
  const description = { id: newSlotId('anchor', random), kind: 'anchor', state: 'active', history } as const;
  return makeSigningSlot(description, keystore, random, (key) => ok({ endorsement: endorseAnchor(before, key) }));
}

function endorsedAnew(
  keystore: OpenedKeystore,
  old: Slot,
  made: Slot,
  turn: SlotTurn,
): Result<{ readonly slots: Slot[]; readonly anchor: Buffer }, KeystoreFault> {
  const opened = openKey(made, keystore);
  if (!opened.ok) return opened;
  try {
    const anchor = asSigningKey(opened.value);
    const slots: Slot[] = [];
    for (const slot of keystore.slots) {
      const held = isPublished(slot.kind) && useOf(slot.state).isHeld;
      const next = held
        ? underAnchor(slot, anchor, keystore, turn)
        : ok(slot.id === old.id ? endedSlot(slot, turn) : slot);
      if (!next.ok) return next;
      slots.push(next.value);
    }
    return ok({ slots: [...slots, made], anchor: anchor.spki });
  } finally {
    wipeKey(opened.value);
  }
}

/** A signing key's slot with the endorsements of another anchor: a service key's to the same time. */
function underAnchor(
  slot: Slot,
  anchor: SigningKey,
  keystore: OpenedKeystore,
  { random }: SlotTurn,
): Result<Slot, KeystoreFault> {
  const key = openKey(slot, keystore);
  if (!key.ok) return key;
  try {
    const { kcv: _kcv, block: _block, token, ...description } = slot;
    const signing = asSigningKey(key.value);
    const published = { ...description, published: endorsePublished(anchor, slot.kind, signing) };
    const endorsed =
      slot.endorsement === undefined
        ? published
        : { ...published, endorsement: endorse(anchor, signing, endOfSeconds(slot.endorsement)) };
    if (token !== undefined) return resealSlot(slot, endorsed, keystore.kek);
    if (!('wipe' in key.value)) return refuse('KEYSTORE_CORRUPT', slot.id);
    return ok(wrapSlot(endorsed, key.value, keystore.kek, random));
  } finally {
    wipeKey(key.value);
  }
}

/** Unix time in seconds at which an endorsement ends. */
function endOfSeconds({ payload }: NonNullable<Slot['endorsement']>): number {
  return Number(ServiceKey.decode(Buffer.from(payload, 'base64url')).notAfter);
}
