import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KeyOffer } from '../../src/gen/tapgate/v1/key_injection_service.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { outcomeOf, saleOf } from '../../src/virtual/attacks/attack.ts';
import type { InjectedKeys } from '../../src/virtual/phone/inject.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';
import { placeInFile, SealedRegisters } from '../../src/virtual/phone/registers.ts';
import type { PhoneMoment } from '../../src/virtual/phone/stream.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { changePolicy, killVault, persistently, startWorld } from './support.ts';

let world: World;
let end: () => Promise<void> = async () => {};
let folder: string;

const MOST_TRANSACTIONS = 5;

beforeAll(async () => {
  ({ world, end } = await startWorld());
  folder = await mkdtemp(join(tmpdir(), 'tapgate-registers-'));
  await changePolicy(world, [[['keys', 'maximumTransactions'], MOST_TRANSACTIONS]]);
}, 120_000);

afterAll(async () => {
  await end();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Identifiers of all initial keys that any phone of these tests was offered. */
const offeredIds: string[] = [];

/** A phone whose registers lie in a file, which notes what it is offered. */
async function phoneWithFile(): Promise<VirtualPhone> {
  const path = join(folder, `${world.random.bytes(8).toString('hex')}.registers`);
  const key = SecretKey.generate('AES', 256, world.random);
  return world.phone('tee', new SealedRegisters(key, world.random, placeInFile(path)));
}

const inject = (phone: VirtualPhone): Promise<InjectedKeys> =>
  phone.injectKeys({
    offer: (offer) => {
      const { envelopes } = KeyOffer.decode(offer.payload);
      offeredIds.push(...envelopes.map(({ initialKeyId }) => initialKeyId.toString('hex')));
      return offer;
    },
  });

async function ready(): Promise<VirtualPhone> {
  const phone = await phoneWithFile();
  await phone.attest(await world.invite());
  await inject(phone);
  return phone;
}

/** Something befalls the phone's injection, once, at one message; its process ends there. */
async function befallen(phone: VirtualPhone, at: PhoneMoment, happens: () => Promise<void>): Promise<void> {
  let happened = false;
  phone.memory.probe = async ({ exchange, direction, number }) => {
    if (exchange !== 'inject' || direction !== at.direction || number !== at.number) return;
    happened = true;
    await happens();
    throw new Error('the process of the app ends');
  };
  await expect(inject(phone)).rejects.toThrow('the process of the app ends');
  expect(happened).toBe(true);
  phone.memory.probe = async () => {};
  phone.endProcess();
}

const NOT_DECIDED = new Set(['VAULT_UNAVAILABLE', 'SERVICE_UNAVAILABLE', 'SHUTTING_DOWN']);

/** Tries again while nothing is decided: the service is away, or says that the vault is. */
function throughOutage<T>(step: () => Promise<T>): Promise<T> {
  return persistently(async () => {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof PhoneRefused) || !error.reasons.some((reason) => NOT_DECIDED.has(reason))) throw error;
      throw new Error(error.message);
    }
  });
}

/** What the service says of the keys that the phone uses: `valid`, or why they are not. */
function wordOnKeys(phone: VirtualPhone): Promise<string> {
  const begin = async (): Promise<string> => {
    try {
      await phone.begin(saleOf(world, 100n));
      return 'valid';
    } catch (error) {
      const [reason = ''] = error instanceof PhoneRefused ? error.reasons : [];
      if (reason === '' || NOT_DECIDED.has(reason)) throw error;
      return reason;
    }
  };
  return throughOutage(begin);
}

const MOMENTS: readonly (readonly [string, PhoneMoment])[] = (['sent', 'received'] as const).flatMap((direction) =>
  [1, 2, 3].map((number) => [`${direction} ${number}`, { exchange: 'inject', direction, number }] as const),
);

const EVENTS: readonly (readonly [string, () => Promise<void>])[] = [
  ['the stream is cut', async () => {}],
  [
    'the service is killed',
    async () => {
      await world.killService();
      await world.startService();
    },
  ],
  ['the vault is killed', () => killVault(world)],
];

describe.each(EVENTS)('where %s and the app ends with it', (_event, happens) => {
  test.each(MOMENTS)('at message %s: the phone has a valid key, and knows which', async (_name, moment) => {
    const phone = await ready();
    const before = phone.memory.keys?.pin.initialKeyId.toString();
    await befallen(phone, moment, happens);
    await throughOutage(() => phone.resume());
    // The very registers are back; a proven injection is known, or waits for its answer.
    const held = [phone.memory.keys, phone.memory.pending].map((keys) => keys?.pin.initialKeyId.toString());
    expect(held).toContain(before);
    const word = await wordOnKeys(phone);
    expect(['valid', 'KEYS_NOT_ACTIVE']).toContain(word);
    const waiting = phone.memory.pending?.pin.initialKeyId.toString();
    if (word !== 'valid') expect(waiting).toBeDefined();
    const { opened } = await throughOutage(() => inject(phone));
    // Keys that were active already are found, not replaced.
    if (word !== 'valid') {
      expect(opened).toBeNull();
      expect(phone.memory.keys?.pin.initialKeyId.toString()).toBe(waiting);
    }
    expect(phone.memory.pending).toBeNull();
    expect(await wordOnKeys(phone)).toBe('valid');
  });
});

describe('keys that were offered', () => {
  test('are good for nothing until they are proven; the ones before serve', async () => {
    const phone = await ready();
    const before = phone.memory.keys;
    await befallen(phone, { exchange: 'inject', direction: 'received', number: 2 }, async () => {});
    await phone.resume();
    expect(phone.memory.pending).toBeNull();
    expect(await wordOnKeys(phone)).toBe('valid');
    const unproven = phone.injectKeys({
      confirmation: () => {
        throw new Error('cut before the proof');
      },
    });
    await expect(unproven).rejects.toThrow('cut before the proof');
    expect(before).not.toBeNull();
    const { keys, pending } = phone.memory;
    phone.memory.keys = pending;
    expect(await wordOnKeys(phone)).toBe('KEYS_NOT_ACTIVE');
    phone.memory.keys = keys;
    expect(await wordOnKeys(phone)).toBe('valid');
  });

  test('to a session that was replaced are not confirmed by the next one; the phone gets others', async () => {
    const phone = await ready();
    const cut = phone.injectKeys({
      confirmation: () => {
        throw new Error('cut before the proof');
      },
    });
    await expect(cut).rejects.toThrow('cut before the proof');
    await phone.attest(null);
    const { opened } = await inject(phone);
    expect(opened).not.toBeNull();
    expect(await wordOnKeys(phone)).toBe('valid');
  });

  test('and proven are known as active to the session after, too', async () => {
    const phone = await ready();
    await befallen(phone, { exchange: 'inject', direction: 'received', number: 3 }, async () => {});
    await phone.attest(null);
    expect(await wordOnKeys(phone)).toBe('KEYS_NOT_ACTIVE');
    expect(await inject(phone)).toMatchObject({ opened: null });
    expect(await wordOnKeys(phone)).toBe('valid');
  });
});

describe('an initial key', () => {
  test('ends after as many transactions as policy allows, and another one follows', async () => {
    const phone = await ready();
    const words: string[] = [];
    for (let count = 0; count <= MOST_TRANSACTIONS; count += 1) words.push(await wordOnKeys(phone));
    expect(words).toEqual([...Array.from({ length: MOST_TRANSACTIONS }, () => 'valid'), 'KEYS_EXHAUSTED']);
    await inject(phone);
    expect(await wordOnKeys(phone)).toBe('valid');
  });

  test('was given to nobody twice, whatever happened', () => {
    expect(offeredIds.length).toBeGreaterThan(2 * EVENTS.length * MOMENTS.length);
    expect(new Set(offeredIds).size).toBe(offeredIds.length);
  });
});

describe('the transports', () => {
  test.each(['key-agreement', 'rsa', 'secure-import'] as const)(
    '%s: keys that the service takes',
    async (transport) => {
      const phone = await world.phone();
      await phone.attest(await world.invite());
      const { opened } = await phone.injectKeys({ transports: [transport] });
      expect(opened?.transport).toBe(transport);
      expect(await wordOnKeys(phone)).toBe('valid');
    },
  );

  test('are tried in the order of policy: a phone without key agreement gets keys by RSA', async () => {
    const phone = await world.phone('old-keymaster');
    const enrolled = await outcomeOf(world, async () => phone.attest(await world.invite()));
    expect(enrolled).toBe('ALLOWED');
    const { opened } = await phone.injectKeys();
    expect(opened?.transport).toBe('rsa');
  });

  test('of several keys the service takes the first that policy names', async () => {
    const phone = await world.phone();
    await phone.attest(await world.invite());
    const { opened } = await phone.injectKeys({ transports: ['secure-import', 'rsa', 'key-agreement'] });
    expect(opened?.transport).toBe('key-agreement');
  });
});
