import { CONTEXT } from '../../encoding/signed.ts';
import { signFor } from '../phone/memory.ts';
import type { PhoneSessionStream } from '../phone/session.ts';
import type { Target } from '../world/target.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';

const PATIENCE = 15_000;

/** An attack on the open session of a phone with keys. */
function onOpenSession(
  name: string,
  story: string,
  expects: string,
  step: (session: PhoneSessionStream, target: Target) => Promise<unknown>,
): Attack {
  return {
    name,
    story,
    expects,
    run: async (target) => {
      const phone = await target.readyPhone();
      const session = await phone.openSession();
      const outcome = await outcomeOf(target, () => step(session, target));
      session.close();
      return outcome;
    },
  };
}

const stolenToken: Attack = {
  name: 'stolen token',
  number: 5,
  story: 'a device token is used without the session key that it names',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (target) => {
    const victim = await target.readyPhone();
    const thief = await target.readyPhone();
    const { session } = thief.memory;
    if (session === null || victim.memory.session === null) throw new Error('both phones have attested');
    thief.memory.session = { ...session, token: victim.memory.session.token };
    return outcomeOf(target, () => thief.openSession());
  },
};

const screenRecorded: Attack = {
  name: 'payment while the screen is recorded',
  story: 'a transaction is begun while another app captures the screen',
  expects: 'POSTURE_REFUSED',
  run: async (target) => {
    const phone = await target.readyPhone();
    phone.memory.posture = new Set(['screen-capture']);
    return outcomeOf(target, () => phone.begin(saleOf(target, 100n)));
  },
};

const unsignedReport: Attack = {
  name: 'unsigned report',
  story: 'a clean report is sent with a signature by a key of the attacker',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (target) => {
    const phone = await target.readyPhone();
    const { deviceKey } = phone.memory;
    if (deviceKey === null) throw new Error('an enrolled phone has a device key');
    const session = await phone.openSession();
    const sign = (payload: Buffer) => signFor(CONTEXT.postureReport, payload, deviceKey.privateKey);
    return outcomeOf(target, () => session.reportAndWait({ sign }));
  },
};

const secondSession: Attack = {
  name: 'second session',
  story: 'a copy of the app opens a session beside the one that is open; the older one goes on',
  expects: 'SESSION_UNKNOWN',
  run: async (target) => {
    const phone = await target.readyPhone();
    const first = await phone.openSession();
    const second = await phone.openSession();
    const [ended = 'NOT_ENDED'] = await first.untilEnded(PATIENCE);
    await second.reportAndWait();
    second.close();
    return ended;
  },
};

const silentPhone: Attack = {
  name: 'silent phone',
  story: 'an app that is granted a payment reports nothing more, and begins the next one',
  expects: 'REPORT_OVERDUE',
  lasting: true,
  run: async (target) => {
    const phone = await target.readyPhone();
    const session = await phone.openSession();
    await session.begin(saleOf(target, 100n));
    // Reports are due within 5 seconds of a grant, and late after 5 more.
    await session.stay(10_500, { silent: true });
    const outcome = await outcomeOf(target, () => session.begin(saleOf(target, 100n)));
    session.close();
    return outcome;
  },
};

/** Attacks on sessions and grants. */
export const SESSION_ATTACKS: readonly Attack[] = [
  stolenToken,
  screenRecorded,
  unsignedReport,
  onOpenSession(
    'report over an old nonce',
    'a report that was signed when the phone was clean is kept for later',
    'REPORT_NONCE_STALE',
    async (session) => {
      const { before } = session.nonces;
      await session.reportAndWait();
      await session.reportAndWait({ nonce: before });
    },
  ),
  onOpenSession(
    'forged grant',
    'a man in the middle changes the amount of a grant',
    'REFUSED_BY_PHONE',
    (session, target) =>
      session.begin(saleOf(target, 100n), {
        grant: (message) => {
          const payload = Buffer.from(message.payload);
          payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1;
          return { ...message, payload };
        },
      }),
  ),
  secondSession,
  silentPhone,
];
