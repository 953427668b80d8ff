import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SCHEMES, type Scheme } from '../../src/emv/scheme.ts';
import {
  type LimitedPayment,
  type VerificationLimit,
  verificationFor,
  verificationLimitsSchema,
} from '../../src/sessions/verification-limits.ts';

const RUB = 643;
const EUR = 978;
const RU = 643;

type Row = Partial<VerificationLimit> & { readonly noPinAmountMinor: number };

/** Euros: 50 without a PIN, 5000 at the most, no device. Roubles: 1000 without a PIN. */
const CURRENCIES = [
  { currency: EUR, maximumAmountMinor: 500_000, noPinAmountMinor: 5_000 },
  { currency: RUB, maximumAmountMinor: 50_000_000, noPinAmountMinor: 100_000, deviceVerification: 'allowed' as const },
];

function limits(...rows: Row[]) {
  return {
    currencies: CURRENCIES,
    verificationLimits: verificationLimitsSchema.parse(rows.map((row) => ({ currency: RUB, ...row }))),
  };
}

const PAYMENT: LimitedPayment = {
  scheme: 'visa',
  country: RU,
  currency: RUB,
  acquirer: 'acquirer-a',
  amountMinor: 0n,
  at: new Date('2026-06-15T12:00:00Z'),
};

/** The largest amount that is paid without a PIN, by what is refused or asked above it. */
function edge(rows: Row[], over: Partial<LimitedPayment>, noPin: number, above: 'online-pin' | 'device'): void {
  const policy = limits(...rows);
  const at = (amountMinor: bigint) => verificationFor({ ...PAYMENT, ...over, amountMinor }, policy);
  expect(at(BigInt(noPin))).toEqual({ ok: true, value: 'none' });
  expect(at(BigInt(noPin) + 1n)).toEqual({ ok: true, value: above });
}

describe('the limits of cardholder verification', () => {
  test.each<[string, Row[], Partial<LimitedPayment>, number, 'online-pin' | 'device']>([
    ['of the currency, where no other is', [], {}, 100_000, 'device'],
    ['of another currency', [], { currency: EUR }, 5_000, 'online-pin'],
    ['of every card', [{ noPinAmountMinor: 7 }], {}, 7, 'online-pin'],
    ['not of another currency', [{ noPinAmountMinor: 7, currency: EUR }], {}, 100_000, 'device'],
    ['of the scheme', [{ noPinAmountMinor: 7, scheme: 'visa' }], {}, 7, 'online-pin'],
    ['not of another scheme', [{ noPinAmountMinor: 7, scheme: 'mir' }], {}, 100_000, 'device'],
    ['of the country', [{ noPinAmountMinor: 7, country: RU }], {}, 7, 'online-pin'],
    ['not of another country', [{ noPinAmountMinor: 7, country: 276 }], {}, 100_000, 'device'],
    ['of the acquirer', [{ noPinAmountMinor: 7, acquirer: 'acquirer-a' }], {}, 7, 'online-pin'],
    ['not of another acquirer', [{ noPinAmountMinor: 7, acquirer: 'acquirer-b' }], {}, 100_000, 'device'],
    [
      'of the acquirer before the scheme',
      [
        { noPinAmountMinor: 7, acquirer: 'acquirer-a' },
        { noPinAmountMinor: 8, scheme: 'visa', country: RU },
      ],
      {},
      7,
      'online-pin',
    ],
    [
      'of the scheme before the country',
      [
        { noPinAmountMinor: 7, scheme: 'visa' },
        { noPinAmountMinor: 8, country: RU },
      ],
      {},
      7,
      'online-pin',
    ],
    [
      'of scheme and country before the scheme',
      [
        { noPinAmountMinor: 7, scheme: 'visa', country: RU },
        { noPinAmountMinor: 8, scheme: 'visa' },
      ],
      {},
      7,
      'online-pin',
    ],
    [
      'of the scheme of old before everybody of late',
      [
        { noPinAmountMinor: 7, scheme: 'visa', from: '2019-01-01' },
        { noPinAmountMinor: 8, from: '2026-06-01' },
      ],
      {},
      7,
      'online-pin',
    ],
    ['with a device', [{ noPinAmountMinor: 7, deviceVerification: 'allowed' }], {}, 7, 'device'],
  ])('%s', (_what, rows, over, noPin, above) => {
    edge(rows, over, noPin, above);
    edge([...rows].reverse(), over, noPin, above);
  });

  test.each<[string, number]>([
    ['2019-04-12T23:59:59.999Z', 100_000],
    ['2019-04-13T00:00:00.000Z', 300_000],
    ['2026-03-18T23:59:59.999Z', 300_000],
    ['2026-03-19T00:00:00.000Z', 500_000],
    ['2030-01-01T00:00:00.000Z', 500_000],
  ])('hold from their day on: at %s it is %s', (at, noPin) => {
    const rows: Row[] = [
      { scheme: 'visa', noPinAmountMinor: 300_000, from: '2019-04-13' },
      { scheme: 'visa', noPinAmountMinor: 500_000, from: '2026-03-19' },
    ];
    edge(rows, { at: new Date(at) }, noPin, noPin === 100_000 ? 'device' : 'online-pin');
  });

  test.each<[string, Row[], Partial<LimitedPayment>, bigint]>([
    ['of the currency', [], { currency: EUR }, 500_000n],
    ['of the currency, where the limit names none', [{ noPinAmountMinor: 7 }], {}, 50_000_000n],
    ['of the limit', [{ noPinAmountMinor: 7, maximumAmountMinor: 900 }], {}, 900n],
    ['of the limit, above the currency', [{ noPinAmountMinor: 7, maximumAmountMinor: 60_000_000 }], {}, 60_000_000n],
  ])('the largest amount is the one %s', (_what, rows, over, largest) => {
    const at = (amountMinor: bigint) => verificationFor({ ...PAYMENT, ...over, amountMinor }, limits(...rows));
    expect(at(largest).ok).toBe(true);
    expect(at(largest + 1n)).toMatchObject({ ok: false, reason: 'AMOUNT_OVER_LIMIT' });
  });

  test('a currency that is not allowed is refused, whatever limits name it', () => {
    const policy = { ...limits({ noPinAmountMinor: 7 }), currencies: CURRENCIES.slice(0, 1) };
    expect(verificationFor(PAYMENT, policy)).toMatchObject({ ok: false, reason: 'CURRENCY_NOT_ALLOWED' });
  });
});

describe('before the tap', () => {
  const before = { scheme: null, country: null };
  test.each<[string, Row[], bigint, string]>([
    ['the strictest scheme', [{ scheme: 'visa', noPinAmountMinor: 50_000 }], 60_000n, 'online-pin'],
    ['all other schemes', [{ scheme: 'mir', noPinAmountMinor: 300_000 }], 200_000n, 'device'],
    ['none where none could ask', [{ scheme: 'visa', noPinAmountMinor: 50_000 }], 50_000n, 'none'],
    ['the strictest country', [{ country: 276, noPinAmountMinor: 50_000 }], 60_000n, 'online-pin'],
    [
      'scheme and country together',
      [
        { scheme: 'visa', country: 276, noPinAmountMinor: 50_000 },
        { scheme: 'visa', noPinAmountMinor: 400_000 },
      ],
      60_000n,
      'online-pin',
    ],
    [
      'a card that could pay so much',
      [{ scheme: 'visa', noPinAmountMinor: 10, maximumAmountMinor: 20_000 }],
      60_000n,
      'none',
    ],
  ])('what is expected is that of %s', (_what, rows, amountMinor, value) => {
    expect(verificationFor({ ...PAYMENT, ...before, amountMinor }, limits(...rows))).toEqual({ ok: true, value });
  });

  test('nothing is expected that no card could pay', () => {
    const policy = limits({ scheme: 'visa', noPinAmountMinor: 10, maximumAmountMinor: 20 });
    const amountMinor = 50_000_001n;
    expect(verificationFor({ ...PAYMENT, ...before, amountMinor }, policy).ok).toBe(false);
  });

  test('it is never less strict than what the card and the place turn out to ask', () => {
    const strictness = ['none', 'device', 'online-pin'];
    const row = fc.record({
      scheme: fc.option(fc.constantFrom<Scheme>(...SCHEMES)),
      country: fc.option(fc.constantFrom(276, RU)),
      acquirer: fc.option(fc.constantFrom('acquirer-a', 'acquirer-b')),
      from: fc.constantFrom('2019-01-01', '2026-06-15', '2026-06-16'),
      noPinAmountMinor: fc.integer({ min: 0, max: 20 }),
      maximumAmountMinor: fc.option(fc.integer({ min: 0, max: 30 })),
      deviceVerification: fc.constantFrom<'allowed' | 'refused'>('allowed', 'refused'),
    });
    const selector = (one: { scheme: unknown; country: unknown; acquirer: unknown; from: unknown }) =>
      JSON.stringify([one.scheme, one.country, one.acquirer, one.from]);
    fc.assert(
      fc.property(
        fc.uniqueArray(row, { maxLength: 6, selector }),
        fc.constantFrom<Scheme>(...SCHEMES),
        fc.constantFrom(276, RU, 643, 826),
        fc.bigInt({ min: 0n, max: 30n }),
        (rows, scheme, country, amountMinor) => {
          const policy = limits(...rows);
          const known = verificationFor({ ...PAYMENT, scheme, country, amountMinor }, policy);
          const unknown = verificationFor({ ...PAYMENT, ...before, amountMinor }, policy);
          if (!known.ok) return;
          expect(unknown.ok).toBe(true);
          if (unknown.ok) {
            expect(strictness.indexOf(unknown.value)).toBeGreaterThanOrEqual(strictness.indexOf(known.value));
          }
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('the table of limits', () => {
  const ROW = { currency: RUB, noPinAmountMinor: 1 };
  test('is as strict as can be by default', () => {
    expect(verificationLimitsSchema.parse([ROW])).toEqual([
      {
        ...ROW,
        scheme: null,
        country: null,
        acquirer: null,
        from: '1970-01-01',
        maximumAmountMinor: null,
        deviceVerification: 'refused',
      },
    ]);
  });

  test.each<[string, unknown[]]>([
    ['two for the same', [ROW, { ...ROW, noPinAmountMinor: 2 }]],
    ['a currency of 0', [{ ...ROW, currency: 0 }]],
    ['a currency of four digits', [{ ...ROW, currency: 1000 }]],
    ['an unknown scheme', [{ ...ROW, scheme: 'girocard' }]],
    ['a country of 0', [{ ...ROW, country: 0 }]],
    ['a country of four digits', [{ ...ROW, country: 1000 }]],
    ['no name of an acquirer', [{ ...ROW, acquirer: '' }]],
    ['a day that is none', [{ ...ROW, from: '2026-02-30' }]],
    ['a negative amount', [{ ...ROW, noPinAmountMinor: -1 }]],
    ['half a cent', [{ ...ROW, noPinAmountMinor: 0.5 }]],
    ['an amount that is no longer exact', [{ ...ROW, noPinAmountMinor: 2 ** 53 }]],
    ['an unknown member', [{ ...ROW, noPinAmount: 1 }]],
    ['too many', Array.from({ length: 501 }, (_, index) => ({ ...ROW, country: index + 1 }))],
  ])('refuses %s', (_what, rows) => {
    expect(verificationLimitsSchema.safeParse(rows).success).toBe(false);
  });

  test('takes the same cards from another day, and as many rows as there may be', () => {
    expect(verificationLimitsSchema.safeParse([ROW, { ...ROW, from: '2026-01-01' }]).success).toBe(true);
    const rows = Array.from({ length: 500 }, (_, index) => ({ ...ROW, country: index + 1 }));
    expect(verificationLimitsSchema.safeParse(rows).success).toBe(true);
  });
});
