import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KeyTransport } from '../../src/gen/tapgate/v1/key_transport.ts';
import { type ExchangeRequest, ExchangeResponse } from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { randomUuid } from '../../src/ports/random.ts';
import { EXIT } from '../../src/vault/exit-code.ts';
import { openKeystore } from '../../src/vault/keystore/document.ts';
import { openSlot } from '../../src/vault/keystore/slot.ts';
import {
  ACQUIRER,
  random,
  softwareKey,
  unwrap,
  type VaultFixture,
  vaultFixture,
  ZONE_KEK,
} from './support/keystore.ts';
import { grantCall, testGrant, testPayment } from './support/payment.ts';
import { CARD_TLV, encipherPin, PAN, PIN, type TestPhone, testPhone } from './support/phone.ts';
import { testPinCheck } from './support/pin-check.ts';
import { RawConnection, request } from './support/raw-connection.ts';
import { formsOf, tracesIn } from './support/traces.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'vault', 'main.ts');

let fixture: VaultFixture;
let socket: string;
let output: Buffer[];
const running: ChildProcess[] = [];
const open: (() => void)[] = [];
beforeEach(() => {
  fixture = vaultFixture();
  socket = join(fixture.directory, '..', 'run', 'vault.sock');
  output = [];
});
afterEach(() => {
  for (const close of open.splice(0)) close();
  for (const child of running.splice(0)) child.kill('SIGKILL');
  fixture.remove();
});

/** Starts the vault's process as an operator would; all that it writes is kept. */
function start(
  more: readonly string[] = [],
  given = ['--directory', fixture.directory, '--socket', socket],
): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...given, ...more], { stdio: ['pipe', 'pipe', 'pipe'], env: {} });
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => output.push(bytes));
  running.push(child);
  return child;
}
const written = (): Buffer => Buffer.concat(output);
async function ready(child: ChildProcess): Promise<void> {
  while (!written().includes('"ready"')) await once(child.stdout ?? child, 'data');
}
const exitCode = async (child: ChildProcess): Promise<number | null> =>
  ((await once(child, 'close')) as [number | null])[0];

/** An exchange whose answers are kept as the bytes that came. */
class RawExchange {
  readonly #connection = new RawConnection(socket);
  readonly answers: Buffer[] = [];
  #next = 1n;

  constructor() {
    open.push(() => this.#connection.cut());
  }

  async call(call: ExchangeRequest['call']): Promise<ExchangeResponse['answer']> {
    this.#connection.send(request(call, this.#next++));
    const bytes = await this.#connection.nextBytes();
    this.answers.push(bytes);
    return ExchangeResponse.decode(bytes).answer;
  }

  end(): void {
    this.#connection.end();
  }
}

describe("the vault's process", () => {
  test.each([
    ['no arguments', []],
    ['no socket', ['--directory', '/tmp']],
    ['an option that it does not know', ['--directory', '/tmp', '--socket', '/tmp/x', '--export-keys']],
  ])('says how it is used, given %s', async (_, given) => {
    expect(await exitCode(start([], given))).toBe(EXIT.usage);
    expect(written().toString()).toMatch(/^usage: /);
  });

  test('ends when its standard input closes', async () => {
    const child = start();
    await ready(child);
    child.stdin?.end();
    expect(await exitCode(child)).toBe(EXIT.stopped);
  });

  test('that stands alone does not', async () => {
    const child = start(['--standalone']);
    child.stdin?.end();
    await ready(child);
    const vault = new RawExchange();
    expect((await vault.call({ $case: 'shuffleLayout', value: {} }))?.$case).toBe('shuffleLayout');
    vault.end();
    child.kill('SIGTERM');
    expect(await exitCode(child)).toBe(EXIT.stopped);
  });

  test('finishes what its client has open after SIGTERM, then ends', async () => {
    const child = start();
    await ready(child);
    const vault = new RawExchange();
    await vault.call({ $case: 'shuffleLayout', value: {} });
    child.kill('SIGTERM');
    expect((await vault.call({ $case: 'shuffleLayout', value: {} }))?.$case).toBe('shuffleLayout');
    const ended = exitCode(child);
    vault.end();
    expect(await ended).toBe(EXIT.stopped);
    expect(written().toString()).toContain('"drained"');
  });
});

test('nothing of a key, a PIN or a card shows in what the process writes or answers', async () => {
  const child = start();
  await ready(child);
  const vault = new RawExchange();
  await exerciseEverything(vault, testPhone(fixture));
  vault.end();
  child.kill('SIGTERM');
  await exitCode(child);
  const everything = Buffer.concat([written(), ...vault.answers]);
  const forms = new Map(secrets().flatMap(([name, secret]) => [...formsOf(name, secret)]));
  expect(tracesIn(everything, forms)).toEqual([]);
  // The search itself works: what was answered in clear is found.
  expect(tracesIn(everything, formsOf('anchor', fixture.keys.anchor))).toEqual(['anchor, raw']);
});

/** Every secret of the fixture: keys, scalars of private keys, PIN, card data. */
function secrets(): [string, Buffer][] {
  const { keys, zone } = fixture;
  const symmetric = [
    softwareKey(keys.pinBdk),
    softwareKey(keys.accountDataBdk),
    keys.cardReference,
    zone.pin,
    zone.data,
  ];
  return [
    ['master key', readFileSync(join(fixture.directory, 'master.key'))],
    ['zone KEK', ZONE_KEK],
    ...symmetric.map((key, at): [string, Buffer] => [`key ${at}`, key.use((bytes) => Buffer.from(bytes))]),
    ...scalars(),
    ['PIN, ASCII', Buffer.from(PIN)],
    ['PIN, BCD', Buffer.from(PIN, 'hex')],
    ['PAN, ASCII', Buffer.from(PAN)],
    ['PAN, BCD', Buffer.from(PAN, 'hex')],
    ['card data', CARD_TLV],
  ];
}

/** The scalars of the private keys, out of their slots. */
function scalars(): [string, Buffer][] {
  const { slots, kek } = unwrap(openKeystore(fixture.directory));
  const signing = slots.filter(({ kind }) => ['device-token', 'receipt', 'grant'].includes(kind));
  expect(signing).toHaveLength(3);
  return signing.map((slot): [string, Buffer] => {
    const key = unwrap(openSlot(slot, kek)).use((bytes) =>
      createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' }),
    );
    return [`scalar of ${slot.kind}`, Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url')];
  });
}

/** Each operation once with success and once, or more, with a refusal. */
async function exerciseEverything(vault: RawExchange, phone: TestPhone): Promise<void> {
  const now = new Date();
  const pinCheck = testPinCheck(fixture, phone, { now });
  const proof = {
    pinInitialKeyId: phone.pin.initialKeyId,
    accountDataInitialKeyId: phone.accountData.initialKeyId,
    offer: Buffer.from('offer'),
    pinCmac: Buffer.alloc(16),
    accountDataCmac: Buffer.alloc(16),
  };
  const offer = {
    injectionId: randomUuid(random),
    deviceId: 'device-1',
    acquirer: ACQUIRER,
    sessionKeyThumbprint: phone.thumbprint,
    transport: KeyTransport.KEY_AGREEMENT,
    transportPublicKey: phone.sessionPublicKey,
    nonce: random.bytes(32),
    pinInitialKeyId: phone.pin.initialKeyId,
    accountDataInitialKeyId: phone.accountData.initialKeyId,
    expiresAt: 1_770_000_000_000n,
  };
  const garbled = testPayment(fixture, phone, { now, pinBlock: encipherPin(phone, 8) });
  const wrongCard = testPayment(fixture, phone, { now, cardTlv: Buffer.from(`5A08${PAN}5A08${PAN}`, 'hex') });
  const calls: [ExchangeRequest['call'], string][] = [
    [{ $case: 'describeKeys', value: { knownGeneration: 0n } }, 'describeKeys'],
    [{ $case: 'signDeviceToken', value: { claims: `{"sub":"${PAN}"}` } }, 'refused'],
    [{ $case: 'signGrant', value: grantCall(fixture, testGrant(phone, now)) }, 'signed'],
    [{ $case: 'signGrant', value: { ...grantCall(fixture, testGrant(phone, now)), payload: CARD_TLV } }, 'refused'],
    [{ $case: 'signPinGrant', value: { payload: CARD_TLV, grant: undefined } }, 'refused'],
    [{ $case: 'offerKeys', value: offer }, 'offerKeys'],
    [{ $case: 'offerKeys', value: { ...offer, deviceId: '' } }, 'refused'],
    [{ $case: 'verifyKeyProof', value: proof }, 'verifyKeyProof'],
    [{ $case: 'verifyKeyProof', value: { ...proof, offer: Buffer.alloc(0) } }, 'refused'],
    [{ $case: 'shuffleLayout', value: {} }, 'shuffleLayout'],
    [{ $case: 'checkPinBlock', value: pinCheck }, 'checkPinBlock'],
    [{ $case: 'checkPinBlock', value: { ...pinCheck, block: Buffer.alloc(16) } }, 'refused'],
    [{ $case: 'authorizePayment', value: testPayment(fixture, phone, { now }).call }, 'authorizePayment'],
    [{ $case: 'authorizePayment', value: garbled.call }, 'refused'],
    [{ $case: 'authorizePayment', value: wrongCard.call }, 'refused'],
    [undefined, 'refused'],
  ];
  for (const [call, expected] of calls) {
    expect([call?.$case, (await vault.call(call))?.$case]).toEqual([call?.$case, expected]);
  }
}
