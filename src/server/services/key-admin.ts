import {
  KeyAdminServiceService,
  type RotateKeyResponse,
  RotationStep as WireStep,
} from '../../gen/tapgate/v1/key_admin_service.ts';
import type { KeySlot as WireSlot } from '../../gen/tapgate/v1/key_slot.ts';
import type { KeyCustody, ShownSlot } from '../../keys/custody.ts';
import { isOfAcquirer, isSlotKind } from '../../keys/kind.ts';
import type { RotationPolicy } from '../../keys/policy.ts';
import {
  mayActivate,
  mayRetire,
  nextRotationStep,
  nextStepAt,
  type Resting,
  type RotationFault,
  type TooEarly,
} from '../../keys/rotation.ts';
import { seriesOf as ofSeries, type SlotSeries } from '../../keys/slots.ts';
import type { SlotState } from '../../keys/state.ts';
import { drainingBdkOf, type KeySetsResting, type KeyUse } from '../../keys/use.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Result } from '../../reasons/result.ts';
import { slotsThatFit, slotToWire } from '../../wire/key-slot.ts';
import type { CallContext } from '../transport/context.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';
import { keyExchange } from './key-exchange.ts';

const READERS = ['security', 'operator', 'auditor'];
const MAX_CAUSE = 500;

/** What the key service is made of. */
export interface KeyAdminServiceParts {
  readonly custody: KeyCustody;
  readonly clock: Clock;
  readonly policy: () => RotationPolicy;
  /** Has this replica look at the vault's keys, before a change is answered. */
  readonly look: () => Promise<boolean>;
  /** What of the phones still rests on base derivation keys. */
  readonly use: KeyUse;
}

/** KeyAdminService: the vault keeps the state machine, this service the times between its steps. */
export function keyAdminService(parts: KeyAdminServiceParts) {
  const { custody, clock, policy } = parts;
  const shownWith =
    (resting: Resting) =>
    (slot: ShownSlot): WireSlot =>
      slotToWire(slot, nextStepAt(slot, policy(), resting), resting.get(slot.id));
  const shown = shownWith(new Map());
  const change = async (slotId: string, to: SlotState, context: CallContext, cause = ''): Promise<WireSlot[]> => {
    const { person } = requireRole(context.caller, ['security']);
    const changed = orRefuse(await custody.changeKeyState(slotId, to, person));
    await parts.look();
    for (const { id, kind, state } of changed) {
      context.logger.warn({ slot: id, kind, state, by: person, ...(cause && { cause }) }, 'key slot changed');
    }
    return changed.map(shownWith(await restingOn(changed, parts)));
  };
  const generate = async (series: SlotSeries, context: CallContext) => {
    const { person } = requireRole(context.caller, ['security']);
    const { slot, keyBlock } = orRefuse(await custody.generateKey(series, person));
    await parts.look();
    context.logger.warn({ slot: slot.id, kind: slot.kind, state: slot.state, by: person }, 'key slot made');
    return { slot: shown(slot), keyBlock };
  };
  const exchange = keyExchange({ custody, look: parts.look, seriesOf, shown });
  return service(KeyAdminServiceService, {
    importKey: unary(exchange.importKey),
    exportKey: unary(exchange.exportKey),
    getTr34Credential: unary(exchange.getTr34Credential),
    requestTr34Key: unary(exchange.requestTr34Key),
    listKeys: unary(async ({ kind, acquirer, after }, context) => {
      requireRole(context.caller, READERS);
      const slots = orRefuse(await custody.listKeys());
      const wanted = (slot: ShownSlot): boolean =>
        (kind === '' || slot.kind === kind) && (acquirer === '' || slot.acquirer === acquirer);
      const last = after === '' ? -1 : slots.findIndex(({ id }) => id === after);
      if (after !== '' && last < 0) throw new CallRefused(['KEY_SLOT_UNKNOWN'], 'after');
      const left = slots.slice(last + 1).filter(wanted);
      const told = slotsThatFit(left.map(shownWith(await restingOn(left, parts))));
      return { slots: told, more: told.length < left.length };
    }),
    getKey: unary(async ({ slotId }, context) => {
      requireRole(context.caller, READERS);
      const slot = await slotOf(slotId, custody);
      return { slot: shownWith(await restingOn([slot], parts))(slot) };
    }),
    generateKey: unary(async ({ kind, acquirer }, context) => {
      requireRole(context.caller, ['security']);
      return generate(seriesOf(kind, acquirer), context);
    }),
    activateKey: unary(async ({ slotId }, context) => {
      requireRole(context.caller, ['security']);
      orTooEarly(mayActivate(await slotOf(slotId, custody), policy(), clock.now()), clock);
      return { changed: await change(slotId, 'active', context) };
    }),
    retireKey: unary(async ({ slotId }, context) => {
      requireRole(context.caller, ['security']);
      const slot = await slotOf(slotId, custody);
      orTooEarly(mayRetire(slot, policy(), clock.now(), await restingOn([slot], parts)), clock);
      return { changed: await change(slotId, 'retired', context) };
    }),
    destroyKey: unary(async ({ slotId }, context) => ({ changed: await change(slotId, 'destroyed', context) })),
    markCompromised: unary(async ({ slotId, cause }, context) => {
      requireRole(context.caller, ['security']);
      if (cause.length > MAX_CAUSE) throw new CallRefused(['MALFORMED_MESSAGE'], 'cause: over 500 characters');
      return { changed: await change(slotId, 'compromised', context, cause) };
    }),
    rotateKey: unary(async ({ kind, acquirer, begin, again }, context): Promise<RotateKeyResponse> => {
      requireRole(context.caller, ['security']);
      const series = seriesOf(kind, acquirer);
      const start = again ? 'while-draining' : begin ? 'if-complete' : 'no';
      const slots = ofSeries(orRefuse(await custody.listKeys()), series);
      const resting = await restingOn(slots, parts);
      const next = nextRotationStep(slots, series, policy(), clock.now(), start, resting);
      switch (next.step) {
        case 'generate': {
          const { slot, keyBlock } = await generate(series, context);
          return { ...rotated(WireStep.GENERATE, [slot]), keyBlock };
        }
        case 'complete':
          return rotated(WireStep.COMPLETE, []);
        case 'activate':
          return rotated(WireStep.ACTIVATE, await change(next.slot.id, 'active', context));
        case 'retire':
          return rotated(WireStep.RETIRE, await change(next.slot.id, 'retired', context));
        case 'wait': {
          const after = next.slot.state === 'prepared' ? WireStep.ACTIVATE : WireStep.RETIRE;
          const waiting = slots.filter(({ id }) => id === next.slot.id).map(shownWith(resting));
          return { ...rotated(WireStep.WAIT, []), waitUntil: next.until, next: after, waiting };
        }
      }
    }),
  });
}

function rotated(step: WireStep, changed: WireSlot[]): RotateKeyResponse {
  return { step, changed, waitUntil: undefined, next: WireStep.UNSPECIFIED, keyBlock: '', waiting: [] };
}

/** What rests on those of the slots that drain, by slot id. */
async function restingOn(slots: readonly ShownSlot[], { use, clock }: KeyAdminServiceParts): Promise<Resting> {
  const resting = new Map<string, KeySetsResting>();
  for (const slot of slots) {
    const bdk = drainingBdkOf(slot);
    if (bdk !== null) resting.set(slot.id, await use.restingOn(bdk, clock.now()));
  }
  return resting;
}

async function slotOf(slotId: string, custody: KeyCustody): Promise<ShownSlot> {
  const slot = orRefuse(await custody.listKeys()).find(({ id }) => id === slotId);
  if (slot === undefined) throw new CallRefused(['KEY_SLOT_UNKNOWN'], slotId.slice(0, 64));
  return slot;
}

function seriesOf(kind: string, acquirer: string): SlotSeries {
  if (!isSlotKind(kind)) throw new CallRefused(['MALFORMED_MESSAGE'], 'kind');
  if ((acquirer !== '') !== isOfAcquirer(kind)) throw new CallRefused(['MALFORMED_MESSAGE'], 'acquirer');
  return acquirer === '' ? { kind } : { kind, acquirer };
}

/** Refuses a step that is not possible; where it only is too early, RetryInfo says for how long. */
function orTooEarly(allowed: Result<null, RotationFault> | TooEarly, clock: Clock): void {
  if (allowed.ok) return;
  if (!('possibleAt' in allowed)) throw CallRefused.from(allowed);
  const minimumMilliseconds = Math.max(0, allowed.possibleAt.getTime() - clock.now().getTime());
  throw new CallRefused([allowed.reason], allowed.detail, { minimumMilliseconds, spreadMilliseconds: 0 });
}
