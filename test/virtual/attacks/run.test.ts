import { describe, expect, test } from '@jest/globals';
import { ALLOWED, type Attack, type AttackOutcome, outcomeOf } from '../../../src/virtual/attacks/attack.ts';
import {
  type AttackVerdict,
  isExpected,
  runAttack,
  runAttacks,
  verdictOfRun,
} from '../../../src/virtual/attacks/run.ts';
import { PhoneRefused, ServiceNotTrusted } from '../../../src/virtual/phone/refused.ts';
import type { TargetPlaces } from '../../../src/virtual/world/places.ts';
import { Target, TargetLacks } from '../../../src/virtual/world/target.ts';

const file = 'file.pem';
const PLACES: TargetPlaces = {
  issuer: 'https://tapgate.localhost',
  device: { address: 'localhost:1', ca: file, serviceAnchor: file },
  virtualPhones: 'factory',
  admin: { address: 'localhost:2', ca: file, certificate: file, key: file },
  acquirer: { name: 'acquirer', certificate: file, key: file, merchant: 'courier-7' },
};

class DeadTarget extends Target {
  readonly places: TargetPlaces;

  constructor(places: TargetPlaces = PLACES) {
    super({ clock: { now: () => new Date(0) }, random: { bytes: (length) => Buffer.alloc(length) } });
    this.places = places;
  }

  override async operatorView() {
    return { reason: 'CHAIN_REVOKED', detail: 'expired: yesterday' };
  }
}

const WITH_LOG: TargetPlaces = { ...PLACES, log: 'service.log' };

function attack(run: Attack['run'], more: Partial<Attack> = {}): Attack {
  return { name: 'attack', story: 'something', expects: 'TOKEN_INVALID', ...more, run };
}

const ending =
  (outcome: AttackOutcome): Attack['run'] =>
  async () =>
    outcome;

describe('an attack', () => {
  test.each<[AttackOutcome, AttackVerdict]>([
    ['TOKEN_INVALID', 'refused'],
    [ALLOWED, 'allowed'],
    [`${ALLOWED} (paid twice)`, 'allowed'],
    ['GRANT_UNKNOWN', 'unexpected'],
    ['TOKEN_INVALID (and more)', 'unexpected'],
    ['UNAVAILABLE', 'unexpected'],
    ['', 'unexpected'],
  ])('that ends as %p is %s', async (outcome, verdict) => {
    expect(await runAttack(attack(ending(outcome)), new DeadTarget())).toMatchObject({ verdict, outcome });
  });

  test('that expects to succeed is allowed all the same', async () => {
    const result = await runAttack(attack(ending(ALLOWED), { expects: ALLOWED }), new DeadTarget());
    expect(result.verdict).toBe('allowed');
  });

  test('that cannot be carried out is not run, and says why', async () => {
    const broken = attack(async () => {
      throw new Error('the honest payment was not paid');
    });
    const result = await runAttack(broken, new DeadTarget());
    expect(result).toMatchObject({ verdict: 'not-run', outcome: 'the honest payment was not paid' });
  });

  test('that does not end is not run', async () => {
    const endless = attack(() => new Promise(() => {}));
    expect(await runAttack(endless, new DeadTarget(), 1)).toMatchObject({ verdict: 'not-run' });
  });

  test('is not begun where the target lacks what it needs', async () => {
    let begun = false;
    const needy = attack(
      async () => {
        begun = true;
        return ALLOWED;
      },
      { needs: ['gate', 'rival'] },
    );
    const result = await runAttack(needy, new DeadTarget());
    expect(result).toMatchObject({
      verdict: 'lacking',
      outcome: expect.stringMatching(/^gate: .*; rival, with gate: /),
    });
    expect(begun).toBe(false);
  });

  test('may find out itself that the target lacks something', async () => {
    const needy = attack(async () => {
      throw new TargetLacks('a limit');
    });
    expect(await runAttack(needy, new DeadTarget())).toMatchObject({ verdict: 'lacking', outcome: 'a limit' });
  });
});

describe('what is expected', () => {
  test.each([
    ['TOKEN_INVALID', 'TOKEN_INVALID', true, true],
    ['ATTESTATION_REFUSED (CHAIN_REVOKED)', 'ATTESTATION_REFUSED', true, false],
    ['ATTESTATION_REFUSED (CHAIN_REVOKED)', 'ATTESTATION_REFUSED', false, true],
    ['ATTESTATION_REFUSED (CHAIN_REVOKED)', 'ATTESTATION_REFUSED (CHAIN_EXPIRED)', false, false],
    ['ATTESTATION_REFUSED (CHAIN_REVOKED)', 'TOKEN_INVALID', false, false],
    ['TOKEN_INVALID', 'ATTESTATION_REFUSED', false, false],
  ])('%s, and %s came (log at hand: %p): %p', (expected, outcome, tellsOperators, same) => {
    expect(isExpected(expected, outcome, tellsOperators)).toBe(same);
  });
});

describe('the outcome of a step', () => {
  test.each<[string, unknown, TargetPlaces, AttackOutcome]>([
    ['a refusal', new PhoneRefused(['TOKEN_INVALID', 'OTHER']), PLACES, 'TOKEN_INVALID'],
    ['what the phone is not told', new PhoneRefused(['ATTESTATION_REFUSED'], 'c1'), PLACES, 'ATTESTATION_REFUSED'],
    [
      'what the log says of it',
      new PhoneRefused(['ATTESTATION_REFUSED'], 'c1'),
      WITH_LOG,
      'ATTESTATION_REFUSED (CHAIN_REVOKED)',
    ],
    ['what is said of an invite', new PhoneRefused(['INVITE_INVALID'], 'c1'), WITH_LOG, 'INVITE_INVALID (expired)'],
    ['a refusal by the phone', new ServiceNotTrusted('a grant'), PLACES, 'REFUSED_BY_PHONE'],
    ['a refusal without a reason', new PhoneRefused([]), PLACES, 'UNKNOWN'],
  ])('is %s', async (_what, error, places, outcome) => {
    expect(await outcomeOf(new DeadTarget(places), () => Promise.reject(error))).toBe(outcome);
  });

  test('is ALLOWED where nothing refuses, and anything else is no outcome', async () => {
    const target = new DeadTarget();
    expect(await outcomeOf(target, async () => {})).toBe(ALLOWED);
    await expect(outcomeOf(target, () => Promise.reject(new Error('cut off')))).rejects.toThrow('cut off');
  });
});

describe('a run', () => {
  const verdicts = (...of: readonly AttackVerdict[]) =>
    of.map((verdict) => ({ attack: attack(ending('')), verdict, outcome: '', milliseconds: 0 }));

  test.each<[readonly AttackVerdict[], ReturnType<typeof verdictOfRun>]>([
    [['refused', 'refused'], 'held'],
    [['refused', 'allowed'], 'failed'],
    [['refused', 'unexpected'], 'failed'],
    [['refused', 'not-run'], 'failed'],
    [['lacking', 'allowed'], 'failed'],
    [['refused', 'lacking'], 'incomplete'],
    [['lacking'], 'incomplete'],
    [[], 'incomplete'],
  ])('of %p is %s', (of, verdict) => {
    expect(verdictOfRun(verdicts(...of))).toBe(verdict);
  });

  test('tells results in the order of the attacks, and lets those that wait begin at once', async () => {
    const begun: string[] = [];
    const named = (name: string, more: Partial<Attack> = {}): Attack =>
      attack(
        async () => {
          begun.push(name);
          return 'TOKEN_INVALID';
        },
        { name, ...more },
      );
    const told: string[] = [];
    const attacks = [named('first'), named('second'), named('waits', { lasting: true })];
    const results = await runAttacks(attacks, new DeadTarget(), ({ attack: { name } }) => told.push(name));
    expect(begun).toEqual(['waits', 'first', 'second']);
    expect(told).toEqual(['first', 'second', 'waits']);
    expect(results.map(({ verdict }) => verdict)).toEqual(['refused', 'refused', 'refused']);
  });
});
