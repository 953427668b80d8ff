import { tlv } from '../../encoding/tlv.ts';
import { secondsAfter } from '../../ports/clock.ts';
import type { PhoneTap } from '../phone/phone.ts';
import type { Target } from '../world/target.ts';
import { type Attack, saleOf } from './attack.ts';
import { submit, type TappedPhone, tapped, WITH_PIN, WITHOUT_PIN } from './payment.ts';

const NEEDS = ['processing'] as const;
/** Templates within templates: more than any kernel nests. */
const DEEP = 12;
/** Longer than the ICC data of any card. */
const LONG_BYTES = 3000;
const DAYS_BEHIND = 3;
const DAY_SECONDS = 86_400;

type About = Pick<Attack, 'name' | 'number' | 'story' | 'expects'>;

/** ICC data that is not what the card gave. */
function bentIcc(about: About, bend: (iccData: Buffer) => Buffer): Attack {
  return {
    ...about,
    needs: NEEDS,
    run: async (target) => {
      const { phone, tap } = await tapped(target, WITHOUT_PIN);
      return submit(target, phone.sign({ ...tap, iccData: bend(tap.iccData) }, null));
    },
  };
}

const appended =
  (tag: string, value: Uint8Array) =>
  (iccData: Buffer): Buffer =>
    Buffer.concat([iccData, tlv(tag, value)]);

function nested(iccData: Buffer): Buffer {
  let inner = tlv('9F7C', Buffer.of(1));
  // BF0C, the FCI issuer discretionary data, is a constructed tag.
  for (let depth = 0; depth < DEEP; depth += 1) inner = tlv('BF0C', inner);
  return Buffer.concat([iccData, inner]);
}

const mixedBrands: Attack = {
  name: 'brand and AID mixed up',
  number: 12,
  story: "the chip data of one scheme's card is sent with the account data of another's",
  expects: 'CARD_BRAND_MISMATCH',
  needs: NEEDS,
  run: async (target) => {
    const { phone, tap } = await tapped(target, WITHOUT_PIN);
    const { accountData } = phone.tap(tap.transaction, await target.card('mastercard'));
    return submit(target, phone.sign({ ...tap, accountData }, null));
  },
};

/** Enters the PIN of a tap with what the reader is said to have read. */
async function withPin(target: Target, { phone, tap }: TappedPhone, bend: (tap: PhoneTap) => PhoneTap) {
  const { pin, pan } = (await target.card()).account;
  return submit(target, phone.sign(bend(tap), await phone.enterPin(tap, { pin, pan })));
}

const stripeWithPin: Attack = {
  name: 'magnetic stripe with PIN',
  number: 16,
  story: 'a PIN is entered for a card that was read in magnetic-stripe mode',
  expects: 'EMV_MAGNETIC_STRIPE',
  needs: NEEDS,
  run: async (target) => {
    const asStripe = (tap: PhoneTap): PhoneTap => ({ ...tap, iccData: appended('9F39', Buffer.of(0x91))(tap.iccData) });
    return withPin(target, await tapped(target, WITH_PIN), asStripe);
  },
};

const clockBehind: Attack = {
  name: 'clock skew on the phone',
  number: 30,
  story: `the phone's clock is ${DAYS_BEHIND} days behind: what the card signed is dated then`,
  expects: 'EMV_DATE_MISMATCH',
  needs: NEEDS,
  run: async (target) => {
    const now = (): Date => secondsAfter(target.clock.now(), -DAYS_BEHIND * DAY_SECONDS);
    const phone = await target.phone('tee', undefined, { now });
    await phone.attest(await target.invite());
    await phone.injectKeys();
    const tap = phone.tap(await phone.begin(saleOf(target, WITHOUT_PIN)), await target.card());
    return submit(target, phone.sign(tap, null));
  },
};

/** Attacks by what a card is said to have given. */
export const CARD_ATTACKS: readonly Attack[] = [
  mixedBrands,
  bentIcc(
    {
      name: 'duplicated TLV',
      number: 13,
      story: 'the amount stands twice in the chip data, once as it was signed',
      expects: 'EMV_MALFORMED',
    },
    appended('9F02', Buffer.from('000000125000', 'hex')),
  ),
  bentIcc(
    {
      name: 'over-nested TLV',
      number: 14,
      story: `chip data has templates within templates, ${DEEP} deep`,
      expects: 'EMV_MALFORMED',
    },
    nested,
  ),
  bentIcc(
    {
      name: 'overlong TLV',
      number: 14,
      story: `chip data has an element of ${LONG_BYTES} bytes`,
      expects: 'EMV_MALFORMED',
    },
    appended('9F7C', Buffer.alloc(LONG_BYTES)),
  ),
  bentIcc(
    {
      name: 'length beyond the data',
      number: 14,
      story: 'the last element of the chip data says that it is longer than what follows',
      expects: 'EMV_MALFORMED',
    },
    (iccData) => Buffer.concat([iccData, Buffer.from('9F7C7F00', 'hex')]),
  ),
  bentIcc(
    {
      name: 'account data in clear',
      number: 15,
      story: 'the PAN travels beside the encrypted account data',
      expects: 'EMV_TAG_FORBIDDEN',
    },
    appended('5A', Buffer.from('4111111111111111', 'hex')),
  ),
  stripeWithPin,
  clockBehind,
];
