import { setTimeout as sleep } from 'node:timers/promises';
import type { PostureSign } from '../../devices/posture.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { PinBlock } from '../../pin/entry.ts';
import { randomUuid } from '../../ports/random.ts';
import { decodePinBlock, encodePinBlock } from '../../wire/pin.ts';
import type { VirtualCard } from '../card/card.ts';
import { signFor } from '../phone/memory.ts';
import type { PhoneTap, VirtualPhone } from '../phone/phone.ts';
import type { PinAtPad, PinTampering } from '../phone/pin.ts';
import type { Target } from '../world/target.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';
import { phoneOfKind } from './hostile-phone.ts';

/** Needs a PIN by the policy of the demo. */
const WITH_PIN = 9900n;

interface Tapped {
  readonly phone: VirtualPhone;
  readonly card: VirtualCard;
  readonly tap: PhoneTap;
}

/** A ready phone with a card tapped for an amount that needs a PIN. */
async function tapped(target: Target): Promise<Tapped> {
  const phone = await target.readyPhone();
  const card = await target.card();
  return { phone, card, tap: phone.tap(await phone.begin(saleOf(target, WITH_PIN)), card) };
}

const padOf = ({ account }: VirtualCard): Omit<PinAtPad, 'accountData'> => ({ pin: account.pin, pan: account.pan });

/** An attack on one PIN entry; what is bent is made from the phone that enters. */
function onEntry(
  name: string,
  story: string,
  expects: string,
  bend: (at: Tapped, target: Target) => PinTampering | Promise<PinTampering>,
  more: Pick<Attack, 'lasting' | 'number'> = {},
): Attack {
  return {
    name,
    story,
    expects,
    ...more,
    run: async (target) => {
      const at = await tapped(target);
      const tampering = await bend(at, target);
      return outcomeOf(target, () => at.phone.enterPin(at.tap, padOf(at.card), tampering));
    },
  };
}

/** A sign that is there before the pad shows, or comes up while it does. */
function underSign(name: string, story: string, sign: PostureSign, when: 'before' | 'while'): Attack {
  return onEntry(name, story, 'POSTURE_REFUSED', ({ phone }) => {
    const show = (): void => {
      phone.memory.posture = new Set([sign]);
    };
    if (when === 'before') show();
    return {
      whilePadShows: async (pad) => {
        await pad.report();
        show();
        await pad.report();
      },
    };
  });
}

const blockOf = (bend: (pin: Omit<PinBlock, 'signed'>) => Partial<PinBlock>): PinTampering => ({
  block: (pin) => ({ ...pin, ...bend(pin) }),
});

/** The same KSN, so many counters on. */
function counted(ksn: Buffer, by: number): Buffer {
  const other = Buffer.from(ksn);
  other.writeUInt32BE(ksn.readUInt32BE(8) + by, 8);
  return other;
}

const withoutGrant: Attack = {
  name: 'PIN without a grant',
  story: 'a pad is asked for under a grant that the service never made',
  expects: 'GRANT_UNKNOWN',
  run: async (target) => {
    const { phone, tap, card } = await tapped(target);
    const grant = { ...tap.transaction.grant, id: randomUuid(target.random) };
    const invented = { ...tap, transaction: { ...tap.transaction, grant } };
    return outcomeOf(target, () => phone.enterPin(invented, padOf(card)));
  },
};

const grantOfAnother: Attack = {
  name: "PIN under another phone's grant",
  story: 'a pad is asked for under the grant of another phone',
  expects: 'GRANT_UNKNOWN',
  run: async (target) => {
    const { tap, card } = await tapped(target);
    const thief = await target.readyPhone();
    return outcomeOf(target, () => thief.enterPin(tap, padOf(card)));
  },
};

const anotherCard: Attack = {
  name: 'PIN block of another card',
  story: 'the PIN is enciphered for another PAN than the one that was tapped',
  expects: 'PIN_BLOCK_MALFORMED',
  run: async (target) => {
    const { phone, tap, card } = await tapped(target);
    const other = await target.card('mastercard');
    return outcomeOf(target, () => phone.enterPin(tap, { pin: card.account.pin, pan: other.account.pan }));
  },
};

const otherBytes: Attack = {
  name: 'second PIN block under one grant',
  story: 'a PIN was accepted; then other bytes are sent as its repetition',
  expects: 'PIN_ALREADY_ENTERED',
  run: async (target) => {
    const { phone, tap, card } = await tapped(target);
    const { signed } = await phone.enterPin(tap, padOf(card));
    await phone.repeatPin(signed);
    const pin = decodePinBlock(signed);
    if (!pin.ok || phone.memory.session === null) throw new Error('the phone has entered a PIN');
    const payload = encodePinBlock({ ...pin.value, block: target.random.bytes(16) });
    const other = signFor(CONTEXT.pinBlock, payload, phone.memory.session.key.privateKey);
    return outcomeOf(target, () => phone.repeatPin(other));
  },
};

const forbidden: Attack = {
  name: 'PIN where policy forbids it',
  story: 'an app that others may watch, granted a payment without a PIN, asks for a pad all the same',
  expects: 'PIN_NOT_EXPECTED',
  run: async (target) => {
    const phone = await phoneOfKind(target, 'play-capturing');
    await phone.attest(await target.invite());
    await phone.injectKeys();
    const card = await target.card();
    const tap = phone.tap(await phone.begin(saleOf(target, 100n)), card);
    return outcomeOf(target, () => phone.enterPin(tap, padOf(card)));
  },
};

const usualKeypad: Attack = {
  name: 'keypad in its usual order',
  story: 'a phone asks for a keypad that is not shuffled, where policy allows none',
  expects: 'ACCESSIBLE_LAYOUT_REFUSED',
  run: async (target) => {
    const { phone, tap, card } = await tapped(target);
    return outcomeOf(target, () => phone.enterPin(tap, { ...padOf(card), accessibleLayout: true }));
  },
};

const padTwice: Attack = {
  name: 'pad shown twice under one grant',
  story: 'a second block could be enciphered under the same KSN',
  expects: 'PIN_ENTRY_BEGUN',
  run: async (target) => {
    const { phone, tap, card } = await tapped(target);
    await phone.enterPin(tap, padOf(card));
    return outcomeOf(target, () => phone.enterPin(tap, padOf(card)));
  },
};

/** Attacks on PIN entry. */
export const PIN_ATTACKS: readonly Attack[] = [
  underSign('overlay during PIN entry', 'another window lies over the pad', 'overlay', 'before'),
  underSign(
    'accessibility service at the pad',
    'an accessibility service may read it',
    'accessibility-service',
    'while',
  ),
  underSign('screen captured in mid-PIN', 'a recorder starts while the pad shows', 'screen-capture', 'while'),
  underSign('debugger at the pad', 'a debugger is attached while the pad shows', 'debugger', 'while'),
  underSign('hooked app at the pad', 'the app is tampered with', 'hooking', 'before'),
  underSign('focus lost in mid-PIN', 'another window takes the focus while the pad shows', 'focus-lost', 'while'),
  withoutGrant,
  grantOfAnother,
  forbidden,
  usualKeypad,
  onEntry('forged PIN grant', 'a man in the middle changes the layout of the pad', 'REFUSED_BY_PHONE', () => ({
    grant: (message) => ({ ...message, payload: Buffer.concat([message.payload, Buffer.of(0x60, 0x00)]) }),
  })),
  onEntry('report over an old nonce at the pad', 'the first report is sent again', 'REPORT_NONCE_STALE', () => ({
    whilePadShows: async (pad) => {
      await pad.report();
      await pad.report(pad.grant.nonce);
    },
  })),
  onEntry('PIN without a report', 'a block comes before the phone has said how it stands', 'REPORT_OVERDUE', () => ({
    whilePadShows: async () => {},
  })),
  onEntry(
    'PIN for another grant',
    'a PIN block is signed over the grant of another transaction',
    'PIN_GRANT_MISMATCH',
    async ({ phone }, target) => {
      const other = await phone.begin(saleOf(target, WITH_PIN));
      return blockOf(() => ({ grantId: other.grant.id }));
    },
    { number: 9 },
  ),
  anotherCard,
  onEntry(
    "another phone's PIN block",
    'the block that another phone enciphered takes the place of the own one',
    'PIN_BLOCK_MALFORMED',
    async (_at, target) => {
      const victim = await tapped(target);
      let stolen = Buffer.alloc(16);
      await victim.phone.enterPin(victim.tap, padOf(victim.card), {
        block: (pin) => {
          stolen = Buffer.from(pin.block);
          return pin;
        },
      });
      return blockOf(() => ({ block: stolen }));
    },
  ),
  onEntry(
    'PIN block that another phone signed',
    'the block comes under the signature of another phone',
    'SESSION_KEY_MISMATCH',
    async (_at, target) => {
      const { session } = (await target.readyPhone()).memory;
      if (session === null) throw new Error('a ready phone has attested');
      return { signer: session.key.privateKey };
    },
  ),
  onEntry('PIN in format 0', 'the PIN comes as a block of 8 bytes', 'PIN_FORMAT_REFUSED', () =>
    blockOf(({ block }) => ({ block: block.subarray(0, 8) })),
  ),
  onEntry('stale KSN', 'the block is under the counter of an earlier transaction', 'PIN_KSN_STALE', () =>
    blockOf(({ pinKsn }) => ({ pinKsn: counted(pinKsn, -1) })),
  ),
  onEntry('skipped KSN', 'the block is under a counter that was not granted yet', 'PIN_GRANT_MISMATCH', () =>
    blockOf(({ pinKsn }) => ({ pinKsn: counted(pinKsn, 1) })),
  ),
  padTwice,
  otherBytes,
  onEntry(
    'device revoked in mid-PIN',
    'the security team revokes the phone while its pad shows',
    'DEVICE_REVOKED',
    async ({ phone }, target) => ({
      whilePadShows: async (pad) => {
        await pad.report();
        await target.security((team) => team.revoke(phone.memory.deviceId ?? '', 'reported lost'));
      },
    }),
  ),
  onEntry(
    'late PIN block',
    'the block comes long after the last report',
    'REPORT_OVERDUE',
    () => ({
      whilePadShows: async (pad) => {
        await pad.report();
        // A report is due within 5 seconds, and late after 3 more.
        await sleep(8500);
      },
    }),
    { lasting: true },
  ),
];
