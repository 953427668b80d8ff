import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../../src/encoding/digest.ts';
import { approval, intentOf, Shop, submit } from './support/shop.ts';

const AGAIN = { parentGrantId: 'grant-1', pinTriesLeft: 2 };

describe('what became of a payment', () => {
  test('is reported with its grant and intent once it is paid, and not again', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    await shop.processing.submit(submission);
    await shop.processing.submit(submission);
    const { grantId } = intentOf(submission);
    const intentHash = sha256(submission.intent.payload);
    expect(shop.gate.reported).toEqual([{ grantId, intentHash, outcome: 'approved' }]);
  });

  test('tells the phone that a wrong PIN may be entered again', async () => {
    using shop = new Shop();
    shop.gate.again = AGAIN;
    const answer = await shop.processing.submit(submit({ order: 'o-1', pin: '4321' }));
    expect(answer).toEqual({ outcome: 'declined', reasons: [], again: AGAIN });
    expect(shop.gate.reported).toMatchObject([{ outcome: 'pin-wrong' }]);
  });

  test('is a lost PIN where the gate has lost it, refused or approved', async () => {
    using shop = new Shop();
    shop.gate.again = AGAIN;
    shop.gate.answer = () => ({ outcome: 'refused', reasons: ['PIN_LOST'] });
    const refused = await shop.processing.submit(submit({ order: 'o-1', pin: '1234' }));
    expect(refused).toEqual({ outcome: 'refused', reasons: ['PIN_LOST'], again: AGAIN });
    shop.gate.answer = (submission) => approval(submission, { pinBlock: null, pinLost: true });
    const declined = await shop.processing.submit(submit({ order: 'o-2', pin: '1234' }));
    expect(declined).toEqual({ outcome: 'declined', reasons: ['PIN_LOST'], again: AGAIN });
    expect(shop.gate.reported.map(({ outcome }) => outcome)).toEqual(['pin-lost', 'pin-lost']);
  });

  test('that cannot be reported changes nothing of the answer', async () => {
    using shop = new Shop();
    shop.gate.reportOutcome = async () => {
      throw new Error('the gate is away');
    };
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toMatchObject({ outcome: 'paid' });
    const wrong = await shop.processing.submit(submit({ order: 'o-2', pin: '4321' }));
    expect(wrong).toEqual({ outcome: 'declined', reasons: [] });
  });
});
