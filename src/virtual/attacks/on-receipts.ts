import { generateKeyPairSync, sign } from 'node:crypto';
import { sha256 } from '../../encoding/digest.ts';
import { readCompact } from '../../encoding/jws.ts';
import type { SignedPayment } from '../phone/intent.ts';
import { verifyReceipt } from '../processing/receipt.ts';
import type { Target } from '../world/target.ts';
import { ALLOWED, type Attack, type AttackOutcome } from './attack.ts';
import { honestPayment, intentOf, pay } from './payment.ts';

const NEEDS = ['processing', 'gate', 'cards'] as const;

interface Paid {
  readonly payment: SignedPayment;
  readonly receipt: string;
}

async function paid(target: Target): Promise<Paid> {
  const payment = await honestPayment(target);
  return { payment, receipt: (await pay(target, payment)).receipt };
}

/** What processing says of a receipt that comes for a payment, by the keys that the service publishes. */
async function verdictOf(target: Target, payment: SignedPayment, receipt: string): Promise<AttackOutcome> {
  const { grantId, terms } = intentOf(payment);
  const { issuer, acquirer } = target.places;
  const intentHash = sha256(payment.intent?.payload ?? Buffer.alloc(0));
  const expected = { issuer, acquirer: acquirer.name, grantId, intentHash, terms };
  const keys = await (await target.gateConnection('acquirer')).fetchReceiptKeys();
  const verified = verifyReceipt(receipt, expected, keys);
  return verified.ok ? ALLOWED : `REFUSED_BY_PROCESSING (${verified.reason})`;
}

/** A receipt of another payment is shown for a payment; the genuine one has to be taken, or nothing is proven. */
function shown(
  about: Pick<Attack, 'name' | 'number' | 'story' | 'expects'>,
  plant: (genuine: string, target: Target) => string | Promise<string>,
): Attack {
  return {
    ...about,
    needs: NEEDS,
    run: async (target) => {
      const { payment, receipt } = await paid(target);
      const control = await verdictOf(target, payment, receipt);
      if (control !== ALLOWED) throw new Error(`the genuine receipt is ${control}`);
      return verdictOf(target, payment, await plant(receipt, target));
    },
  };
}

const base64Url = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

/** The same claims under the same key id, signed by somebody else. */
function signedAnew(genuine: string): string {
  const [header = '', claims = ''] = genuine.split('.');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${header}.${claims}.${signature.toString('base64url')}`;
}

/** The genuine signature over other claims. */
function withClaims(genuine: string, claims: object): string {
  const read = readCompact(genuine);
  if (!read.ok) throw new Error('the receipt is no JWS');
  const [header = '', , signature = ''] = genuine.split('.');
  return `${header}.${base64Url({ ...read.value.claims, ...claims })}.${signature}`;
}

/** Attacks on receipts, at processing. */
export const RECEIPT_ATTACKS: readonly Attack[] = [
  shown(
    {
      name: 'forged receipt',
      number: 21,
      story: 'a man between gate and processing signs a receipt with a key of his own, under the key id of the service',
      expects: 'REFUSED_BY_PROCESSING (JWS_SIGNATURE)',
    },
    signedAnew,
  ),
  shown(
    {
      name: 'changed receipt',
      number: 21,
      story: 'a man between gate and processing changes the amount in a receipt',
      expects: 'REFUSED_BY_PROCESSING (JWS_SIGNATURE)',
    },
    (genuine) => withClaims(genuine, { amount: '125000' }),
  ),
  shown(
    {
      name: 'receipt of another intent',
      number: 22,
      story: 'the genuine receipt of one payment is shown for another',
      expects: 'REFUSED_BY_PROCESSING (RECEIPT_CLAIM)',
    },
    async (_genuine, target) => (await paid(target)).receipt,
  ),
];
