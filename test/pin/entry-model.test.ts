import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PinBlock, type PinEntry, repeatPinBlock } from '../../src/pin/entry.ts';
import type { PinGrant } from '../../src/pin/vault.ts';
import { refuse } from '../../src/reasons/result.ts';
import { signingKey } from '../support/signing-key.ts';
import { MALFORMED_PIN_BLOCK } from '../support/vault.ts';
import { PIN_POLICY, PinTable } from './support.ts';

// Ends soon after the first report, so that runs meet both ends: a report that is late, and a pad that shows too long.
const POLICY = { ...PIN_POLICY, entrySeconds: 12 };
const LATE = PIN_POLICY.reportMilliseconds + PIN_POLICY.reportGraceMilliseconds;
const stranger = signingKey();

// Mostly clean reports and small jumps: what ends an entry must not come so often that no run gets anywhere.
const step = fc.oneof(
  { weight: 10, arbitrary: fc.constant('report') },
  { weight: 1, arbitrary: fc.constantFrom('dirty report', 'stale report', 'foreign report') },
  { weight: 2, arbitrary: fc.constantFrom('block', 'another block') },
  { weight: 1, arbitrary: fc.constantFrom('malformed block', 'foreign block', 'stray block') },
  { weight: 3, arbitrary: fc.constant('repeat') },
  { weight: 1, arbitrary: fc.constantFrom('stopped', 'killed') },
  { weight: 1, arbitrary: fc.constantFrom('vault down', 'vault up', 'past the due time', 'past the hold') },
  { weight: 4, arbitrary: fc.constantFrom('to the due time', 'to the expiry') },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: LATE }) },
);

/** What is known of an entry from outside: everything that decides the next answer. */
class Model {
  over = false;
  reported = false;
  killed = false;
  vaultUp = true;
  dueAt: number;
  nonce: Buffer;
  stale: Buffer;
  accepted: PinBlock | null = null;
  readonly expiresAt: number;

  constructor({ nonce, expiresAt }: PinGrant, now: number) {
    this.nonce = nonce;
    this.stale = Buffer.alloc(16);
    this.expiresAt = expiresAt.getTime();
    this.dueAt = now + LATE;
  }

  inTime(now: number): boolean {
    return now <= this.dueAt && now < this.expiresAt;
  }
}

async function act(happening: string, table: PinTable, entry: PinEntry, pinGrant: PinGrant, model: Model) {
  const now = table.clock.now().getTime();
  const alive = !model.over;
  if (happening.endsWith('report')) {
    const nonce = happening === 'stale report' ? model.stale : model.nonce;
    const signs = happening === 'dirty report' ? (['overlay'] as const) : [];
    const answer = entry.report(table.report(nonce, signs, happening === 'foreign report' ? stranger : table.key));
    const clean = happening === 'report' && alive && model.inTime(now);
    expect([happening, answer.ok]).toEqual([happening, clean]);
    model.over ||= !clean;
    if (answer.ok) {
      model.stale = model.nonce;
      model.reported = true;
      model.nonce = answer.value.nonce;
      model.dueAt = now + LATE;
    }
  } else {
    const pin = {
      block: table.block(pinGrant),
      'another block': table.block(pinGrant, { block: Buffer.alloc(16, 0x6c) }),
      'malformed block': table.block(pinGrant, { block: MALFORMED_PIN_BLOCK }),
      'foreign block': table.block(pinGrant, {}, stranger),
      'stray block': table.block(pinGrant, { pinGrantId: 'another' }),
    }[happening]!;
    const answer = await entry.accept(pin);
    const good = (happening === 'block' || happening === 'another block') && model.vaultUp && model.reported;
    expect([happening, answer.ok]).toEqual([happening, good && alive && !model.killed && model.inTime(now)]);
    if (answer.ok) {
      expect(model.accepted).toBeNull();
      model.accepted = pin;
    }
    model.over = true;
  }
}

// Random reports, blocks, repetitions, outages and jumps of the clock, against what is known from outside.
test('an entry accepts at most one block, in time, after clean reports, none once it is stopped; a repetition gets the same answer', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
      const table = await PinTable.lay();
      const { entry, pinGrant } = await table.begun(POLICY);
      const model = new Model(pinGrant, table.clock.now().getTime());
      for (const happening of steps) {
        const now = table.clock.now().getTime();
        if (typeof happening === 'number') table.clock.advance(happening);
        else if (happening === 'to the due time') table.clock.advance(Math.max(0, model.dueAt - now));
        else if (happening === 'past the due time') table.clock.advance(Math.max(0, model.dueAt + 1 - now));
        else if (happening === 'to the expiry') table.clock.advance(Math.max(0, model.expiresAt - now));
        else if (happening === 'past the hold') table.clock.advance(120_000);
        else if (happening === 'stopped') {
          entry.stop();
          model.over = true;
        } else if (happening === 'killed') {
          table.stands = refuse('DEVICE_REVOKED');
          model.killed = true;
        } else if (happening === 'vault up') {
          table.vault.recover();
          model.vaultUp = true;
        } else if (happening === 'vault down') {
          table.vault.refuse('checkPinBlock', 'VAULT_UNAVAILABLE');
          model.vaultUp = false;
        } else if (happening === 'repeat') {
          const pin = model.accepted ?? table.block(pinGrant);
          const answer = await repeatPinBlock(table.session, table.key.publicKey, pin, table.ports);
          const held = model.accepted !== null && table.clock.now() < table.grant.expiresAt;
          expect(answer).toEqual(
            held ? { ok: true, value: { heldUntil: table.grant.expiresAt } } : { ok: false, reason: 'PIN_LOST' },
          );
        } else await act(happening, table, entry, pinGrant, model);
      }
      if (model.accepted !== null) accepted += 1;
    }),
    { seed: 11, numRuns: 400 },
  );
  // The runs would prove nothing if none of them came as far as an accepted block.
  expect(accepted).toBeGreaterThan(20);
});
