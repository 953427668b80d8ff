import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { TEST_ACCOUNTS } from '../../src/virtual/card/account.ts';
import { createVirtualCard, type VirtualCard } from '../../src/virtual/card/card.ts';
import { makePhoneOfKind } from '../../src/virtual/kinds/kinds.ts';
import { connectDevice } from '../../src/virtual/phone/connection.ts';
import { type PhoneTap, VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { callUnary } from '../../src/wire/call.ts';
import { processMicroseconds } from '../cpu.ts';
import type { BenchInstallation } from '../devices/installation.ts';
import { untilIdle } from '../gate/setting.ts';

const CALL_WITHIN = 15_000;
const INVITE_SECONDS = 600;
const CURRENCY = 978;
/** Above policy's limit for payments without a PIN. */
const AMOUNT = 12_500n;

/** Merchant of every phone of the group. */
export const MERCHANT = 'courier-7';

/** What work took. */
export interface Cost {
  /** CPU of service and vault a piece. */
  readonly cpuMicroseconds: number;
  /** Microseconds of time that passed, a piece. */
  readonly elapsedMicroseconds: number;
}

/** A phone that is enrolled in earnest, with keys of its own. */
export async function readyPhone(installation: BenchInstallation): Promise<VirtualPhone> {
  const invites = await installation.invites();
  const { acquirer } = installation;
  const request = { acquirer, merchant: MERCHANT, validForSeconds: INVITE_SECONDS, replacesDeviceId: '' };
  const { code } = await callUnary(invites.createInvite.bind(invites), request, CALL_WITHIN);
  const kind = makePhoneOfKind('tee', await installation.factory(systemClock), systemClock);
  if (kind === null) throw new Error('there is no phone of that kind');
  const phone = new VirtualPhone({
    connection: connectDevice(
      installation.address('device'),
      await readFile(installation.certificate('device', 'ca.crt')),
    ),
    keymint: kind.keymint,
    application: kind.application,
    serviceAnchor: createPublicKey(await readFile(installation.serviceAnchor)).export({ format: 'der', type: 'spki' }),
    now: () => systemClock.now(),
    random: systemRandom,
  });
  await phone.attest(code);
  await phone.injectKeys();
  return phone;
}

/** PIN entries of a few phones, one after the other at each. */
export class PinEntries {
  readonly #phones: readonly VirtualPhone[];
  readonly #card: VirtualCard;
  readonly #pids: readonly number[];
  #order = 0;

  constructor(phones: readonly VirtualPhone[], pids: readonly number[]) {
    this.#phones = phones;
    this.#pids = pids;
    const issuerMasterKey = SecretKey.generate('AES', 128, systemRandom);
    this.#card = createVirtualCard({ ...TEST_ACCOUNTS.visa, issuerMasterKey, random: systemRandom });
  }

  /** Has cards tapped, and then enters so many PINs at each phone. */
  async measure(entriesAPhone: number): Promise<Cost> {
    const taps = await Promise.all(this.#phones.map((phone) => this.#tap(phone, entriesAPhone)));
    await untilIdle(this.#pids);
    const before = processMicroseconds(this.#pids);
    const began = performance.now();
    await Promise.all(this.#phones.map((phone, index) => this.#enter(phone, taps[index]!)));
    const elapsed = (performance.now() - began) * 1000;
    const cpu = processMicroseconds(this.#pids) - before;
    const entries = entriesAPhone * this.#phones.length;
    return { cpuMicroseconds: cpu / entries, elapsedMicroseconds: elapsed / entries };
  }

  async #tap(phone: VirtualPhone, count: number): Promise<readonly PhoneTap[]> {
    const session = await phone.openSession();
    const taps: PhoneTap[] = [];
    try {
      for (let index = 0; index < count; index += 1) {
        this.#order += 1;
        const order = `pin-${this.#order}`;
        const terms = { type: 'sale', amountMinor: AMOUNT, currency: CURRENCY, merchant: MERCHANT, order } as const;
        taps.push(phone.tap(await session.begin(terms), this.#card));
      }
    } finally {
      session.close();
    }
    return taps;
  }

  async #enter(phone: VirtualPhone, taps: readonly PhoneTap[]): Promise<void> {
    const { pin, pan } = this.#card.account;
    for (const tap of taps) await phone.enterPin(tap, { pin, pan });
  }
}
