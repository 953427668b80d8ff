import { beforeEach, describe, expect, test } from '@jest/globals';
import { POSTURE_SIGNS } from '../../src/devices/posture.ts';
import { accountDataHash } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT, verifySigned } from '../../src/encoding/signed.ts';
import { type PinBlock, repeatPinBlock, USUAL_LAYOUT } from '../../src/pin/entry.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { refuse } from '../../src/reasons/result.ts';
import { decodePinGrant } from '../../src/wire/pin.ts';
import { START } from '../support/clock.ts';
import { decisionOf, uniqueId } from '../support/enrolled.ts';
import { signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { MALFORMED_PIN_BLOCK } from '../support/vault.ts';
import { PIN_POLICY, PinTable } from './support.ts';

let table: PinTable;
beforeEach(async () => {
  table = await PinTable.lay();
});

describe('the pad is shown', () => {
  test('under a PIN grant that the service signed for this grant, this session and this account data', async () => {
    const { pinGrant: signed } = unwrap(await table.begin());
    expect(verifySigned(CONTEXT.pinGrant, signed, table.vault.serviceKey.publicKey)).toBe(true);
    const { pinGrant } = await (await PinTable.lay()).begun();
    expect(pinGrant).toMatchObject({ layout: '7294061835', minimumLength: 4, maximumLength: 12 });
    const other = await PinTable.lay();
    const own = await other.begun();
    const { ksn, initializationVector, ciphertext } = other.accountData;
    expect(own.pinGrant).toMatchObject({
      grantId: other.grant.id,
      thumbprint: other.key.thumbprint,
      pinKsn: other.grant.pinKsn,
      accountDataHash: accountDataHash(ksn, initializationVector, ciphertext),
      reportIntervalMilliseconds: PIN_POLICY.reportMilliseconds,
      expiresAt: secondsAfter(START, 60),
    });
  });

  test('no longer than the transaction is granted', async () => {
    const brief = await PinTable.lay({ expiresAt: secondsAfter(START, 20) });
    expect((await brief.begun()).pinGrant.expiresAt).toEqual(secondsAfter(START, 20));
  });

  test('once a grant, whoever asks and however many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => table.begin()));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await table.begin()).toMatchObject({ reason: 'PIN_ENTRY_BEGUN' });
  });

  test('never for a payment that is decided', async () => {
    const stored = await table.stores.grants.grantOf(table.grant.id, table.key.thumbprint);
    await table.stores.decisions.commit(decisionOf(stored!));
    expect(await table.begin()).toMatchObject({ reason: 'PIN_ENTRY_BEGUN' });
  });

  test.each<[string, () => ReturnType<PinTable['begin']>, Reason]>([
    [
      'a request that another key signed',
      () => table.begin(table.request({ signed: signingKey().sign(CONTEXT.pinEntry, Buffer.from('begin')) })),
      'SESSION_KEY_MISMATCH',
    ],
    [
      'a request signed for another purpose',
      () => table.begin(table.request({ signed: table.key.sign(CONTEXT.pinBlock, Buffer.from('begin')) })),
      'SESSION_KEY_MISMATCH',
    ],
    ['a grant that does not exist', () => table.begin(table.request({ grantId: uniqueId() })), 'GRANT_UNKNOWN'],
    [
      'a grant of another session',
      async () => table.begin(table.request({ grantId: (await PinTable.lay()).grant.id })),
      'GRANT_UNKNOWN',
    ],
    [
      'a grant that expires now',
      () => {
        table.clock.set(table.grant.expiresAt);
        return table.begin();
      },
      'GRANT_EXPIRED',
    ],
    [
      'a policy that allows no PIN any more',
      () => table.begin(table.request(), { ...PIN_POLICY, allowed: false }),
      'PIN_NOT_EXPECTED',
    ],
    [
      'account data at another counter',
      () => table.begin(table.request({ accountData: { ...table.accountData, ksn: Buffer.alloc(12) } })),
      'PIN_GRANT_MISMATCH',
    ],
  ])('never for %s', async (_what, begin, reason) => {
    expect(await begin()).toMatchObject({ ok: false, reason });
    table.clock.set(START);
    expect(await table.begin()).toMatchObject({ ok: true });
  });

  test('on a keypad in its usual order only as policy says and the phone asks, and it is kept how it was shown', async () => {
    const asked = { accessibleLayout: true };
    expect(await table.begin(table.request(asked))).toMatchObject({ reason: 'ACCESSIBLE_LAYOUT_REFUSED' });
    const shown: unknown[] = [];
    const beginPinEntry = async (...call: unknown[]) => {
      shown.push(call);
      return true;
    };
    const ports = { ...table.ports, grants: { ...table.stores.grants, beginPinEntry } };
    const policy = { ...PIN_POLICY, accessibleLayout: 'on-request' as const };
    for (const accessibleLayout of [true, false]) {
      const { pinGrant } = unwrap(await table.begin(table.request({ accessibleLayout }), policy, ports));
      const { layout } = unwrap(decodePinGrant(pinGrant.payload));
      expect(layout === USUAL_LAYOUT).toBe(accessibleLayout);
      expect(unwrap(decodePinGrant(pinGrant.payload)).accessibleLayout).toBe(accessibleLayout);
    }
    const { id } = table.grant;
    expect(shown).toEqual([
      [id, { at: START, layout: 'usual' }],
      [id, { at: START, layout: 'shuffled' }],
    ]);
    expect(table.vault.calls.filter((call) => call === 'shuffleLayout')).toHaveLength(1);
  });

  test('never where the grant allows no PIN', async () => {
    const without = await PinTable.lay({ pinAllowed: false });
    expect(await without.begin()).toMatchObject({ reason: 'PIN_NOT_EXPECTED' });
  });

  test.each(POSTURE_SIGNS)('or not with the sign %s, as policy says', async (sign) => {
    const answer = await table.begin(table.request({ posture: new Set([sign]) }));
    const forbidden = PIN_POLICY.postureForbidsPin.includes(sign);
    expect(answer).toMatchObject(forbidden ? { reason: 'POSTURE_REFUSED', detail: sign } : { ok: true });
  });

  test.each(['shuffleLayout', 'signPinGrant'] as const)(
    'not while the vault does not answer %s, which uses nothing up',
    async (operation) => {
      table.vault.refuse(operation, 'VAULT_UNAVAILABLE');
      expect(await table.begin()).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
      table.vault.recover();
      expect(await table.begin()).toMatchObject({ ok: true });
    },
  );
});

/** A KSN so many counters on. */
function counted(ksn: Buffer, by: number): Buffer {
  const other = Buffer.from(ksn);
  other.writeUInt32BE(ksn.readUInt32BE(8) + by, 8);
  return other;
}

describe('a PIN block', () => {
  test('is accepted and held, as it is, until the grant expires', async () => {
    const { entry, pinGrant } = await table.ready();
    const pin = table.block(pinGrant);
    expect(await entry.accept(pin)).toEqual({ ok: true, value: { heldUntil: table.grant.expiresAt } });
    table.clock.set(new Date(table.grant.expiresAt.getTime() - 1));
    expect(await table.held.get(table.grant.id)).toMatchObject({
      grantId: table.grant.id,
      pinGrantId: pinGrant.id,
      hash: sha256(pin.block),
      block: pin.block,
      accountDataHash: pinGrant.accountDataHash,
    });
    table.clock.advance(1);
    expect(await table.held.get(table.grant.id)).toBeNull();
  });

  test('keeps no more memory than its own bytes, wherever it came in', async () => {
    const { entry, pinGrant } = await table.ready();
    const pin = table.block(pinGrant);
    const message = Buffer.alloc(65_536);
    message.set(pin.block);
    const slice = message.subarray(0, pin.block.length);
    expect(await entry.accept({ ...pin, block: slice })).toMatchObject({ ok: true });
    const held = await table.held.get(table.grant.id);
    expect(held?.block.buffer.byteLength).toBe(pin.block.length);
    expect(held?.accountDataHash.buffer.byteLength).toBe(32);
  });

  test.each<[string, (pin: PinBlock) => Partial<PinBlock>, Reason]>([
    ['of another PIN grant', () => ({ pinGrantId: uniqueId() }), 'PIN_GRANT_MISMATCH'],
    ['of another grant', () => ({ grantId: uniqueId() }), 'PIN_GRANT_MISMATCH'],
    ['under another key', () => ({ pinKsn: Buffer.alloc(12) }), 'PIN_GRANT_MISMATCH'],
    ['at an earlier counter', ({ pinKsn }) => ({ pinKsn: counted(pinKsn, -1) }), 'PIN_KSN_STALE'],
    ['at a later counter', ({ pinKsn }) => ({ pinKsn: counted(pinKsn, 1) }), 'PIN_GRANT_MISMATCH'],
    ['for other account data', () => ({ accountDataHash: Buffer.alloc(32) }), 'PIN_GRANT_MISMATCH'],
    ['that is not of format 4', () => ({ block: MALFORMED_PIN_BLOCK }), 'PIN_BLOCK_MALFORMED'],
    [
      'that another key signed',
      () => ({ signed: signingKey().sign(CONTEXT.pinBlock, Buffer.from('block')) }),
      'SESSION_KEY_MISMATCH',
    ],
    [
      'signed for another purpose',
      () => ({ signed: table.key.sign(CONTEXT.pinEntry, Buffer.from('block')) }),
      'SESSION_KEY_MISMATCH',
    ],
  ])('%s ends the entry, and nothing is held', async (_what, bend, reason) => {
    const { entry, pinGrant } = await table.ready();
    const honest = table.block(pinGrant);
    expect(await entry.accept({ ...honest, ...bend(honest) })).toMatchObject({ reason });
    expect(await entry.accept(honest)).toMatchObject({ reason: 'PIN_ABORTED' });
    expect(await table.held.get(table.grant.id)).toBeNull();
  });

  test('is not accepted before the phone has reported once, however soon it comes', async () => {
    const { entry, pinGrant } = await table.begun();
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ reason: 'REPORT_OVERDUE' });
    expect(await table.held.get(table.grant.id)).toBeNull();
  });

  test('is not accepted from a phone that stands no longer as it did when the entry began', async () => {
    const { entry, pinGrant } = await table.ready();
    table.stands = refuse('DEVICE_REVOKED');
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ reason: 'DEVICE_REVOKED' });
    expect(await table.held.get(table.grant.id)).toBeNull();
  });

  test.each(['before', 'while'] as const)(
    'is not accepted where the entry is stopped %s it is checked',
    async (when) => {
      const { entry, pinGrant, nonce } = await table.ready();
      const pin = table.block(pinGrant);
      if (when === 'before') entry.stop();
      const answer = entry.accept(pin);
      entry.stop();
      expect(await answer).toMatchObject({ reason: 'PIN_ABORTED' });
      expect(entry.report(table.report(nonce))).toMatchObject({ reason: 'PIN_ABORTED' });
      expect(await table.held.get(table.grant.id)).toBeNull();
    },
  );

  test('is not accepted where its grant ends while it is checked', async () => {
    const { entry, pinGrant } = await table.ready();
    const { checkPinBlock } = table.vault;
    table.vault.checkPinBlock = async (check) => {
      table.clock.set(table.grant.expiresAt);
      return checkPinBlock.call(table.vault, check);
    };
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ reason: 'GRANT_EXPIRED' });
  });

  test('is checked by the vault with the account data that the entry began with', async () => {
    const { entry, pinGrant } = await table.ready();
    await entry.accept(table.block(pinGrant));
    expect(table.vault.calls).toEqual(['shuffleLayout', 'signPinGrant', 'checkPinBlock']);
  });

  test('is not accepted while the vault does not answer, and the entry is over', async () => {
    const { entry, pinGrant } = await table.ready();
    table.vault.refuse('checkPinBlock', 'VAULT_UNAVAILABLE');
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
    table.vault.recover();
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ reason: 'PIN_ABORTED' });
    expect(await table.held.get(table.grant.id)).toBeNull();
  });

  test('is accepted until the very instant at which the time of the pad ends, as reports are', async () => {
    const { entrySeconds, reportMilliseconds } = PIN_POLICY;
    const at = async (milliseconds: number) => {
      table = await PinTable.lay();
      const { entry, pinGrant, nonce: first } = await table.ready();
      let nonce = first;
      for (let passed = 0; passed < entrySeconds * 1000 - reportMilliseconds; passed += reportMilliseconds) {
        table.clock.advance(reportMilliseconds);
        ({ nonce } = unwrap(entry.report(table.report(nonce))));
      }
      table.clock.set(new Date(pinGrant.expiresAt.getTime() + milliseconds));
      return { entry, pin: table.block(pinGrant), report: table.report(nonce) };
    };
    for (const [milliseconds, answer] of [
      [-1, { ok: true }],
      [0, { reason: 'PIN_TIMEOUT' }],
    ] as const) {
      const one = await at(milliseconds);
      expect(one.entry.report(one.report)).toMatchObject(answer);
      const other = await at(milliseconds);
      expect(other.entry.millisecondsToReport()).toBe(Math.abs(milliseconds));
      expect(await other.entry.accept(other.pin)).toMatchObject(answer);
    }
  });

  test('is one of two that come at once', async () => {
    const { entry, pinGrant } = await table.ready();
    const another = table.block(pinGrant, { block: Buffer.alloc(16, 0x6c) });
    const answers = await Promise.all([entry.accept(table.block(pinGrant)), entry.accept(another)]);
    expect(answers).toMatchObject([{ ok: true }, { reason: 'PIN_ABORTED' }]);
  });

  test('is not accepted over one that is held already', async () => {
    const { entry, pinGrant } = await table.ready();
    const pin = table.block(pinGrant);
    const held = { ...pin, hash: Buffer.alloc(32, 1), heldUntil: table.grant.expiresAt };
    await table.held.putIfAbsent(table.grant.id, held, held.heldUntil);
    expect(await entry.accept(pin)).toMatchObject({ reason: 'PIN_ALREADY_ENTERED' });
  });
});

describe('a PIN block that is sent again after a cut', () => {
  const repeat = (pin: PinBlock, by = table) => repeatPinBlock(by.session, by.key.publicKey, pin, table.ports);

  const accepted = async (): Promise<PinBlock> => {
    const { entry, pinGrant } = await table.ready();
    const pin = table.block(pinGrant);
    unwrap(await entry.accept(pin));
    return pin;
  };

  test('gets the same answer, as often as it is sent', async () => {
    const pin = await accepted();
    for (let time = 0; time < 3; time += 1) {
      expect(await repeat(pin)).toEqual({ ok: true, value: { heldUntil: table.grant.expiresAt } });
    }
  });

  test('is refused where another one was accepted', async () => {
    const pin = await accepted();
    expect(await repeat({ ...pin, block: Buffer.alloc(16, 0x6c) })).toMatchObject({ reason: 'PIN_ALREADY_ENTERED' });
    expect(await repeat({ ...pin, pinGrantId: uniqueId() })).toMatchObject({ reason: 'PIN_ALREADY_ENTERED' });
  });

  test('is lost where none was accepted, or it is held no more', async () => {
    const { pinGrant } = await table.ready();
    expect(await repeat(table.block(pinGrant))).toMatchObject({ reason: 'PIN_LOST' });
    table = await PinTable.lay();
    const pin = await accepted();
    table.clock.set(table.grant.expiresAt);
    expect(await repeat(pin)).toMatchObject({ reason: 'PIN_LOST' });
  });

  test('is nothing to another session, nor under another signature', async () => {
    const pin = await accepted();
    const thief = await PinTable.lay();
    const stolen = { ...pin, signed: thief.key.sign(CONTEXT.pinBlock, Buffer.from('block')) };
    expect(await repeat(stolen, thief)).toMatchObject({ reason: 'GRANT_UNKNOWN' });
    expect(await repeat(stolen)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
  });
});
