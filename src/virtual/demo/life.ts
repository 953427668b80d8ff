import { setTimeout as sleep } from 'node:timers/promises';
import type { Verifier } from '../../verifier/index.ts';
import { outcomeOf, saleOf } from '../attacks/attack.ts';
import { honestProfiles } from '../keymint/profiles.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import { listKeybox } from '../world/status-list.ts';
import type { World } from '../world/world.ts';
import type { DemoStep } from './step.ts';

/** What processing is promised: a suspension or revocation reaches it within a second. */
const SEEN_WITHIN = 1000;
/** Longer than that and the step fails for what it waits for, not for its time. */
const PATIENCE = 10_000;

const idOf = (phone: VirtualPhone): string => phone.memory.deviceId ?? '';
const tokenOf = (phone: VirtualPhone): string => phone.memory.session?.token ?? '';

function expectSame(what: string, found: string, expected: string): void {
  if (found !== expected) throw new Error(`${what}: ${expected} was expected, ${found} came`);
}

async function pays(world: World, phone: VirtualPhone): Promise<void> {
  const payment = await phone.pay(saleOf(world, 300n), await world.card(), null);
  const { outcome, reasons } = await (await world.processing()).submit(payment);
  expectSame('payment', [outcome, ...reasons].join(', '), 'paid');
}

/** Processing's word on the phone's token: `genuine`, or the reason against it. */
async function wordOf(verifier: Verifier, token: string): Promise<string> {
  const verified = await verifier.verify(token);
  return verified.ok ? 'genuine' : verified.reason;
}

/** Has the token voided, and answers how many milliseconds after the call's answer processing refuses it. */
async function untilVoid(verifier: Verifier, phone: VirtualPhone, makeVoid: () => Promise<unknown>): Promise<number> {
  const token = tokenOf(phone);
  expectSame('token before', await wordOf(verifier, token), 'genuine');
  await makeVoid();
  const since = performance.now();
  for (;;) {
    const word = await wordOf(verifier, token);
    const milliseconds = Math.ceil(performance.now() - since);
    if (word === 'TOKEN_REVOKED' && milliseconds <= SEEN_WITHIN) return milliseconds;
    if (word === 'TOKEN_REVOKED') throw new Error(`processing knew after ${milliseconds} ms only`);
    expectSame('token meanwhile', word, 'genuine');
    if (milliseconds > PATIENCE) throw new Error('processing still takes the token');
    await sleep(1);
  }
}

const processEnded: DemoStep = {
  name: 'app is ended and resumes',
  run: async (world) => {
    const phone = await world.readyPhone();
    const before = phone.memory.session?.thumbprint ?? '';
    phone.endProcess();
    await phone.resume();
    expectSame('session key', phone.memory.session?.thumbprint ?? '', before);
    await pays(world, phone);
    return 'same session key, no new evidence, a new token, and it pays';
  },
};

const replaced: DemoStep = {
  name: 'lost phone is replaced',
  run: async (world) => {
    const verifier = await world.verifier();
    const lost = await world.readyPhone();
    const code = await world.invite('courier-7', 'acquirer', idOf(lost));
    const phone = await world.phone();
    const milliseconds = await untilVoid(verifier, lost, () => phone.attest(code));
    const refusal = await outcomeOf(world, () => lost.attest(null));
    expectSame('lost phone', refusal, 'DEVICE_REVOKED');
    await phone.injectKeys();
    await pays(world, phone);
    return `one invite: the old one ${refusal}, its token void at processing in ${milliseconds} ms; the new one pays`;
  },
};

const suspended: DemoStep = {
  name: 'phone is suspended, and resumed',
  run: async (world) => {
    const verifier = await world.verifier();
    const phone = await world.readyPhone();
    const session = await phone.openSession();
    const suspend = () => world.security((team) => team.suspend(idOf(phone), 'seen in a wrong place'));
    const milliseconds = await untilVoid(verifier, phone, suspend);
    const [ended = ''] = await session.untilEnded(PATIENCE);
    expectSame('open session', ended, 'DEVICE_SUSPENDED');
    expectSame('attestation', await outcomeOf(world, () => phone.attest(null)), 'DEVICE_SUSPENDED');
    await world.security((team) => team.resume(idOf(phone), 'found again'));
    expectSame('old token', await wordOf(verifier, tokenOf(phone)), 'TOKEN_REVOKED');
    await phone.attest(null);
    expectSame('new token', await wordOf(verifier, tokenOf(phone)), 'genuine');
    await pays(world, phone);
    return `${ended}, known to processing in ${milliseconds} ms; resumed it attests anew, keeps its keys and pays`;
  },
};

/** The serial number is one of a keybox that nobody else has. */
const keyboxLeaks: DemoStep = {
  name: 'its keybox leaks while it is used',
  run: async (world) => {
    const batchSerial = `54${world.random.bytes(7).toString('hex')}`;
    const keymint = (await world.factory()).provision({ ...honestProfiles(world.clock.now()).tee, batchSerial });
    const phone = await world.phone({ ...(await world.kind('tee')), keymint });
    await phone.attest(await world.invite());
    const other = await world.readyPhone();
    const verifier = await world.verifier();
    const [session, others] = [await phone.openSession(), await other.openSession()];
    await listKeybox(world.folder, batchSerial);
    const changed = await world.security((team) => team.refreshRevocationList());
    expectSame('list', changed ? 'changed' : 'as before', 'changed');
    const [ended = ''] = await session.untilEnded(PATIENCE);
    expectSame('open session', ended, 'SESSION_ENDED');
    const refusal = await outcomeOf(world, () => phone.attest(null));
    expectSame('attestation', refusal, 'ATTESTATION_REFUSED (CHAIN_REVOKED)');
    await others.reportAndWait();
    others.close();
    expectSame('token of another', await wordOf(verifier, tokenOf(other)), 'genuine');
    await pays(world, other);
    return `${ended} once its certificate is listed, then ${refusal}; another phone goes on and pays`;
  },
};

/** What becomes of enrolled phones. */
export const LIFE_STEPS: readonly DemoStep[] = [processEnded, replaced, suspended, keyboxLeaks];
