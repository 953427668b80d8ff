import type { DeviceStatus } from '../../../src/devices/device.ts';
import type { LifeCommands } from './commands.ts';
import { checkTokens, observe } from './invariants.ts';
import type { ModelPhone, Step } from './model.ts';

const STEPS: readonly Step[] = ['hello', 'challenge', 'evidence', 'result'];
const MOST_PHONES = 6;
const LONGEST_PAUSE = 2000;

/** One kind of command: how often it comes, and what it does. Where it cannot be done, nothing is. */
interface Kind {
  readonly name: string;
  readonly weight: number;
  run(on: LifeCommands): Promise<void>;
}

const unenrolled = (on: LifeCommands): ModelPhone[] => on.known.phones.filter((phone) => phone.deviceId === null);
const enrolled = (on: LifeCommands): ModelPhone[] => on.known.phones.filter((phone) => on.deviceOf(phone) !== null);
/** Two phones without a device. */
function twoWithout(on: LifeCommands): [ModelPhone, ModelPhone] {
  const [one = on.buyPhone(), other = on.buyPhone()] = unenrolled(on);
  return [one, other];
}

const lossOf = (on: LifeCommands): Step | null => (on.pick(3) === 0 ? on.any(STEPS) : null);

/** Runs with a phone that knows its device. */
function ofPhone(
  run: (
    on: LifeCommands,
    phone: ModelPhone,
    device: NonNullable<ReturnType<LifeCommands['deviceOf']>>,
  ) => Promise<void>,
): Kind['run'] {
  return async (on) => {
    const phone = on.any(enrolled(on));
    const device = phone && on.deviceOf(phone);
    if (phone !== null && device !== null) await run(on, phone, device);
  };
}

/** Runs with a device, mostly one on which the change has an effect. */
function ofDevice(change: Parameters<LifeCommands['stand']>[1], from: DeviceStatus): Kind['run'] {
  return async (on) => {
    const all = [...on.known.devices.values()];
    const fitting = all.filter(({ status }) => status === from);
    const device = on.any(fitting.length > 0 && on.pick(4) > 0 ? fitting : all);
    if (device !== null) await on.stand(device, change);
  };
}

const KINDS: readonly Kind[] = [
  {
    name: 'invite',
    weight: 8,
    run: async (on) => {
      await on.invite(null, on.pick(4) === 0 ? 2 : 3600);
    },
  },
  {
    name: 'invite to replace',
    weight: 4,
    run: async (on) => {
      const device = on.any([...on.known.devices.values()]);
      if (device !== null) await on.invite(device);
    },
  },
  {
    name: 'withdraw',
    weight: 3,
    run: async (on) => {
      const invite = on.any([...on.known.invites.values()]);
      if (invite !== null) await on.withdraw(invite);
    },
  },
  {
    name: 'enrol',
    weight: 16,
    run: async (on) => {
      const phone = on.any(unenrolled(on)) ?? (on.known.phones.length < MOST_PHONES ? on.buyPhone() : null);
      const invite = on.any([...on.known.invites.values()].slice(-6));
      if (phone !== null && invite !== null) await on.enrol(phone, invite, lossOf(on));
    },
  },
  {
    name: 'enrol two with one invite',
    weight: 3,
    run: async (on) => {
      const invite = on.any([...on.known.invites.values()].slice(-4));
      if (invite !== null) await on.enrolTwice(twoWithout(on), [invite, invite]);
    },
  },
  {
    name: 'replace one by two',
    weight: 3,
    run: ofPhone(async (on, _phone, device) => {
      const [one, other] = [await on.invite(device), await on.invite(device)];
      if (one === null || other === null) return;
      await on.enrolTwice(twoWithout(on), [one, other]);
    }),
  },
  { name: 'renew', weight: 14, run: ofPhone((on, phone, device) => on.renew(phone, device, lossOf(on))) },
  { name: 'come back', weight: 14, run: ofPhone((on, phone, device) => on.comeBack(phone, device, lossOf(on))) },
  { name: 'duplicate', weight: 6, run: ofPhone((on, phone, device) => on.duplicate(phone, device)) },
  { name: 'introspect', weight: 5, run: ofPhone((on, phone, device) => on.introspect(phone, device)) },
  {
    name: 'renew while suspended',
    weight: 5,
    run: ofPhone((on, phone, device) => on.renewWhileSuspended(phone, device)),
  },
  { name: 'suspend', weight: 6, run: ofDevice('suspend', 'active') },
  { name: 'resume', weight: 8, run: ofDevice('resume', 'suspended') },
  { name: 'revoke', weight: 3, run: ofDevice('revoke', 'active') },
  { name: 'forget', weight: 2, run: ofDevice('forget', 'revoked') },
  {
    name: 'false alarm',
    weight: 4,
    run: ofPhone(async (on, phone, device) => {
      if (device.status !== 'active') return;
      await on.stand(device, 'suspend');
      await on.stand(device, 'resume');
      await on.comeBack(phone, device);
    }),
  },
  {
    name: 'reinstall',
    weight: 2,
    run: async (on) => on.any(enrolled(on))?.reinstall(),
  },
  { name: 'reappraise', weight: 2, run: (on) => on.reappraise() },
  {
    name: 'list',
    weight: 2,
    run: async (on) => {
      const phone = on.any(on.known.phones);
      if (phone !== null) await on.list(phone);
    },
  },
  { name: 'restart a replica', weight: 2, run: (on) => on.setting.restart(on.which) },
  { name: 'lose Redis', weight: 2, run: (on) => on.setting.loseRedis() },
];

const WEIGHT = KINDS.reduce((sum, { weight }) => sum + weight, 0);

/** Milliseconds between two commands: often none, so that much happens within a second of the tokens' own times. */
function pauseOf(on: LifeCommands): number {
  const drawn = on.pick(40);
  if (drawn === 0) return 20_000;
  return drawn <= 25 ? 0 : on.pick(LONGEST_PAUSE);
}

function kindOf(on: LifeCommands): Kind {
  let left = on.pick(WEIGHT);
  for (const kind of KINDS) {
    if (left < kind.weight) return kind;
    left -= kind.weight;
  }
  throw new Error('the weights do not add up');
}

/** Brings everybody on: no honest phone is without a way to a token that processing takes. */
async function settle(on: LifeCommands): Promise<void> {
  for (const phone of on.known.phones) {
    if (on.isListed(phone)) continue;
    const device = on.deviceOf(phone);
    if (device?.status === 'suspended') await on.stand(device, 'resume');
    if (device?.status === 'active') await on.renew(phone, device);
    else await enrolAnew(on, phone);
    if (phone.phone.memory.session === null) throw new Error(`${phone.name} is stuck`);
  }
}

/** A certificate is listed while its phone is in use: whatever else a life has met, it has met this. */
async function leak(on: LifeCommands): Promise<void> {
  let phone = on.buyPhone();
  while (phone.serial === null) phone = on.buyPhone();
  const invite = await on.invite(null);
  if (invite !== null) await on.enrol(phone, invite);
  await on.list(phone);
  const device = on.deviceOf(phone);
  if (device !== null) await on.comeBack(phone, device);
}

/** The way of a phone without a device, or whose device is revoked: an invite, to replace what it had if that lives. */
async function enrolAnew(on: LifeCommands, phone: ModelPhone): Promise<void> {
  phone.reinstall();
  const before = [...on.known.devices.values()].find(({ owner, status }) => owner === phone && status !== 'revoked');
  // An invite to replace the same device may have been used by another phone, which had it revoked.
  const invite = await on.invite(before ?? null);
  if (invite !== null) await on.enrol(phone, invite);
}

async function checkAll(on: LifeCommands): Promise<void> {
  await observe(on.setting, on.known);
  await checkTokens(on.setting, on.known);
}

/** Runs as many commands, and has everything checked after each. Throws with the way that led there. */
export async function live(on: LifeCommands, commands: number): Promise<void> {
  const way: string[] = [];
  const step = async (name: string, run: () => Promise<void>): Promise<void> => {
    way.push(name);
    await run();
    await checkAll(on);
  };
  try {
    for (let number = 1; number <= commands; number += 1) {
      const kind = kindOf(on);
      on.setting.clock.advance(pauseOf(on));
      await step(`${number} ${kind.name}`, () => kind.run(on));
    }
    await step('leak', () => leak(on));
    await step('settle', () => settle(on));
  } catch (error) {
    throw new Error(`after ${way.slice(-12).join(', ')}`, { cause: error });
  }
}
