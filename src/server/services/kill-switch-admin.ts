import { setTimeout as sleep } from 'node:timers/promises';
import { checkedKill, isHit } from '../../devices/kill-switch.ts';
import { killProgress, liftKill, setKill } from '../../devices/kill-switch-setting.ts';
import type { KillSwitchStore, RecordedKill } from '../../devices/kill-switch-store.ts';
import {
  KillSwitchAdminServiceService,
  type SetKillSwitchResponse,
} from '../../gen/tapgate/v1/kill_switch_admin_service.ts';
import type { Random } from '../../ports/random.ts';
import type { OpenCalls } from '../../sessions/presence.ts';
import { awaitedToWire, killScopeFromWire, killSelectorFromWire, killToWire } from '../../wire/kill-switch.ts';
import { requireRole } from '../transport/peer.ts';
import { orRefuse } from '../transport/refused.ts';
import { type Answers, serverStream, service, unary } from '../transport/service.ts';

const READERS = ['security', 'operator', 'auditor'];
/** To stop takes one person of either; what is lifted lets phones in again. */
const SETTERS = ['security', 'operator'];
const LIFTERS = ['security'];
const SAMPLE = 10;
const SHOWN = 500;
const LOOK_MILLISECONDS = 20;
const TELL_MILLISECONDS = 1_000;
const LIMITS = { maximumLifetimeMilliseconds: 600_000 };

/** What the kill switch service is made of. */
export interface KillSwitchAdminServiceParts {
  readonly kills: KillSwitchStore;
  readonly random: Random;
  readonly sessions: Pick<OpenCalls, 'countWhere'>;
  readonly pinEntries: Pick<OpenCalls, 'countWhere'>;
  /** Has this replica enforce what was set or lifted here, at once. */
  readonly refresh: () => Promise<void>;
}

/** KillSwitchAdminService. */
export function killSwitchAdminService(parts: KillSwitchAdminServiceParts) {
  const { kills } = parts;
  return service(KillSwitchAdminServiceService, {
    previewKillSwitch: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const scope = orRefuse(killScopeFromWire(request.scope));
      const selector = orRefuse(checkedKill(orRefuse(killSelectorFromWire(request.selector)), scope));
      const { devices, merchants, acquirers, sample } = await kills.preview(selector, SAMPLE);
      const open = (calls: Pick<OpenCalls, 'countWhere'>) =>
        BigInt(calls.countWhere((subject) => isHit(selector, subject)));
      return {
        devices: BigInt(devices),
        merchants: BigInt(merchants),
        acquirers: BigInt(acquirers),
        openSessions: open(parts.sessions),
        openPinEntries: open(parts.pinEntries),
        sample: sample.map((device) => ({ ...device })),
      };
    }),
    setKillSwitch: serverStream(async (request, answers, context) => {
      const { person } = requireRole(context.caller, SETTERS);
      const scope = orRefuse(killScopeFromWire(request.scope));
      const selector = orRefuse(killSelectorFromWire(request.selector));
      const kill = orRefuse(await setKill({ selector, scope, cause: request.cause, by: person }, parts));
      context.logger.warn({ switch: kill.id, by: person, selector: kill.selector.kind, scope }, 'kill switch set');
      await untilInForce(kill, answers, parts);
    }, LIMITS),
    listKillSwitches: unary(async ({ withLifted }, context) => {
      requireRole(context.caller, READERS);
      const listed = await kills.list(withLifted, SHOWN);
      const progress = await Promise.all(listed.map((kill) => killProgress(kill, kills)));
      return { killSwitches: progress.map(({ kill }) => killToWire(kill)) };
    }),
    liftKillSwitch: unary(async ({ id, cause }, context) => {
      const { person } = requireRole(context.caller, LIFTERS);
      const kill = orRefuse(await liftKill({ id, cause, by: person }, kills));
      context.logger.warn({ switch: id, by: person }, 'kill switch lifted');
      await parts.refresh();
      return { killSwitch: killToWire(kill) };
    }),
  });
}

/** Tells how far a switch is enforced: at once, where that changes, every second, and last that it is in force. */
async function untilInForce(
  set: RecordedKill,
  answers: Answers<SetKillSwitchResponse>,
  { kills, refresh }: KillSwitchAdminServiceParts,
): Promise<void> {
  const since = performance.now();
  const elapsed = () => BigInt(Math.round(performance.now() - since));
  await answers.send({ killSwitch: killToWire(set), awaited: [], milliseconds: 0n });
  await refresh();
  let told = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  while (!answers.signal.aborted) {
    const { kill, awaited } = await killProgress(set, kills);
    const names = awaited.map(({ name, live }) => `${name} ${live}`).join();
    const isDone = awaited.length === 0;
    if (isDone || names !== told || performance.now() - toldAt >= TELL_MILLISECONDS) {
      told = names;
      toldAt = performance.now();
      const message = { killSwitch: killToWire(kill), awaited: awaited.map(awaitedToWire), milliseconds: elapsed() };
      await answers.send(message);
    }
    if (isDone) return;
    await sleep(LOOK_MILLISECONDS, undefined, { signal: answers.signal }).catch(() => {});
  }
}
