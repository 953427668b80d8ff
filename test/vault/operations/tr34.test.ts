import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import forge from 'node-forge';
import type {
  ExportByTr34,
  ExportKeyAnswer,
  ImportKeyAnswer,
} from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import {
  bindDevice,
  bindHost,
  formatDeviceCredential,
  formatHostCredential,
} from '../../../src/payment-crypto/tr34/credential.ts';
import { makeKeyToken } from '../../../src/payment-crypto/tr34/key-distribution-host.ts';
import { acceptKeyToken } from '../../../src/payment-crypto/tr34/key-receiving-device.ts';
import { formatRandomNumberToken, newRandomNumber } from '../../../src/payment-crypto/tr34/random-number.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import type { Result } from '../../../src/reasons/result.ts';
import {
  bindTr34,
  makeTr34Key,
  type Tr34CeremonyFault,
  type Tr34Papers,
  type Tr34Subject,
} from '../../../src/vault/keystore/tr34-ceremony.ts';
import { exportKey } from '../../../src/vault/operations/export-key.ts';
import { importKey } from '../../../src/vault/operations/import-key.ts';
import { requestTr34Key, tr34Credential } from '../../../src/vault/operations/tr34.ts';
import {
  device,
  deviceAuthority,
  deviceCertificate,
  deviceKeys,
  deviceList,
  host,
  hostAuthority,
  hostCertificate,
  hostList,
  shortDevice,
} from '../../payment-crypto/tr34/parties.ts';
import { ACQUIRER, NOW, random, turn, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

const PERSON = 'ann';
const AS_DEVICE: Tr34Subject = { acquirer: ACQUIRER, role: 'device' };
const AS_HOST: Tr34Subject = { acquirer: ACQUIRER, role: 'host' };

let now = NOW;
const ports = { random, clock: { now: () => now } };
let vault: VaultFixture;
beforeEach(() => {
  now = NOW;
  vault = vaultFixture();
});
afterEach(() => vault.remove());

/** The public key of a certificate request, which another reader has verified. */
function requested(request: Buffer): KeyObject {
  const read = forge.pki.certificationRequestFromAsn1(forge.asn1.fromDer(request.toString('latin1')));
  expect(read.verify()).toBe(true);
  if (read.publicKey === null) throw new Error('no key');
  return createPublicKey(forge.pki.publicKeyToPem(read.publicKey));
}

const make = (subject: Tr34Subject, replace = false): KeyObject =>
  requested(unwrap(makeTr34Key(vault.directory, subject, { ...turn, replace })).request);

const hostPapers = (publicKey: KeyObject): Tr34Papers => ({
  certificate: hostCertificate({ publicKey, serial: 0x51 }),
  peer: formatDeviceCredential(device.certificate),
  authority: deviceAuthority.der,
});

const devicePapers = (publicKey: KeyObject): Tr34Papers => ({
  certificate: deviceCertificate({ publicKey, serial: 0x52 }),
  peer: formatHostCredential(host.certificate, hostList()),
  authority: hostAuthority.der,
});

const bind = (
  subject: Tr34Subject,
  papers: Tr34Papers,
  replace = false,
): Result<{ readonly slotId: string }, Tr34CeremonyFault> =>
  bindTr34(vault.directory, subject, papers, { ...turn, replace });

function bound(subject: Tr34Subject): void {
  unwrap(bind(subject, (subject.role === 'device' ? devicePapers : hostPapers)(make(subject))));
  unwrap(vault.custodian.reload());
}

const statesOf = (kind: string): string[] =>
  unwrap(vault.custodian.list())
    .filter((slot) => slot.kind === kind)
    .map(({ state }) => state);

describe('a binding', () => {
  test('is a key whose certificate another authority made, and the other side that is bound to it', () => {
    make(AS_DEVICE);
    expect(statesOf('tr34-device')).toEqual(['prepared']);
    expect(bind(AS_DEVICE, devicePapers(make(AS_DEVICE, true)))).toMatchObject({ ok: true });
    expect(statesOf('tr34-device')).toEqual(['destroyed', 'active']);
    const call = { acquirer: ACQUIRER, host: false, revocationList: Buffer.alloc(0) };
    const credential = unwrap(tr34Credential(call, vault.custodian));
    expect(credential.boundNotAfter).toBe(BigInt(host.certificate.notAfter));
    const read = unwrap(bindDevice(credential.credentialToken, deviceAuthority, NOW));
    expect(BigInt(read.certificate.notAfter)).toBe(credential.ownNotAfter);
  });

  test('as a host comes with a revocation list', () => {
    bound(AS_HOST);
    const call = { acquirer: ACQUIRER, host: true, revocationList: hostList() };
    const { credentialToken } = unwrap(tr34Credential(call, vault.custodian));
    expect(bindHost(credentialToken, hostAuthority, NOW)).toMatchObject({ ok: true });
    const without = { ...call, revocationList: Buffer.alloc(0) };
    expect(tr34Credential(without, vault.custodian)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    const asDevice = { ...call, host: false };
    expect(tr34Credential(asDevice, vault.custodian)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  });

  test('is replaced where the ceremony says so, and the key before is destroyed', () => {
    bound(AS_DEVICE);
    const papers = devicePapers(make(AS_DEVICE));
    expect(bind(AS_DEVICE, papers)).toMatchObject({ ok: false, reason: 'TR34_KEY_EXISTS' });
    expect(bind(AS_DEVICE, papers, true)).toMatchObject({ ok: true });
    expect(statesOf('tr34-device')).toEqual(['destroyed', 'active']);
  });

  test.each<[string, string, (publicKey: KeyObject) => Tr34Papers]>([
    ['a certificate of another key', 'TR34_OTHER_KEY', () => devicePapers(deviceKeys.publicKey)],
    [
      'a certificate that has ended',
      'TR34_CERTIFICATE_EXPIRED',
      (publicKey) => ({
        ...devicePapers(publicKey),
        certificate: deviceCertificate({ publicKey, notAfter: '20260101000000' }),
      }),
    ],
    ['another authority', 'TR34_CERTIFICATE', (key) => ({ ...devicePapers(key), authority: deviceAuthority.der })],
    [
      'a host that is revoked',
      'TR34_CERTIFICATE_REVOKED',
      (key) => ({
        ...devicePapers(key),
        peer: formatHostCredential(host.certificate, hostList({ revoked: [0x34000006] })),
      }),
    ],
    ["a device's credential", 'TR34_CERTIFICATE', (key) => ({ ...devicePapers(key), peer: hostPapers(key).peer })],
    ["a host's certificate alone", 'TR34_CRL', (key) => ({ ...devicePapers(key), peer: host.certificate.der })],
    ['no certificate', 'TR34_MALFORMED', (key) => ({ ...devicePapers(key), certificate: Buffer.from('x') })],
  ])('is not made with %s', (_, reason, papers) => {
    const publicKey = make(AS_DEVICE);
    expect(bind(AS_DEVICE, papers(publicKey))).toMatchObject({ ok: false, reason });
    expect(statesOf('tr34-device')).toEqual(['prepared']);
  });

  test('takes certificates in the place of credentials, of a host with its revocation list', () => {
    const papers = { ...devicePapers(make(AS_DEVICE)), peer: host.certificate.der, revocationList: hostList() };
    expect(bind(AS_DEVICE, papers)).toMatchObject({ ok: true });
    expect(bind(AS_HOST, { ...hostPapers(make(AS_HOST)), peer: device.certificate.der })).toMatchObject({ ok: true });
  });

  test('rests on a key that was made for it', () => {
    expect(bind(AS_DEVICE, devicePapers(deviceKeys.publicKey))).toMatchObject({ reason: 'TR34_KEY_MISSING' });
    make(AS_DEVICE);
    expect(makeTr34Key(vault.directory, AS_DEVICE, turn)).toMatchObject({ reason: 'TR34_KEY_EXISTS' });
    expect(makeTr34Key(vault.directory, { ...AS_DEVICE, acquirer: '../x' }, turn)).toMatchObject({
      reason: 'ACQUIRER_NAME',
    });
  });
});

describe('a key from the host that is bound', () => {
  interface TokenForm {
    readonly key?: SecretKey;
    readonly usage?: string;
    readonly mode?: string;
    readonly number?: Buffer;
    readonly list?: Buffer;
  }

  /** What the acquirer's host makes for this side's device. */
  function tokenFor(randomNumberToken: Buffer, form: TokenForm = {}): Buffer {
    const { key = SecretKey.generate('AES', 128, random), usage = 'P0', mode = 'E', list = hostList() } = form;
    const call = { acquirer: ACQUIRER, host: false, revocationList: Buffer.alloc(0) };
    const { credentialToken } = unwrap(tr34Credential(call, vault.custodian));
    const receiver = unwrap(bindDevice(credentialToken, deviceAuthority, NOW));
    const attributes = { usage, algorithm: 'A', modeOfUse: mode, keyVersion: '00', exportability: 'E' };
    const distribution = { host, device: receiver, randomNumberToken, key, attributes, revocationList: list };
    return unwrap(makeKeyToken(distribution, NOW, random));
  }

  const requestNumber = (): Buffer =>
    unwrap(requestTr34Key({ acquirer: ACQUIRER }, vault.custodian, ports)).randomNumberToken;

  const take = (token: Buffer, changes: object = {}): Result<ImportKeyAnswer> => {
    const source = { $case: 'tr34KeyToken', value: token } as const;
    const call = { kind: 'zone-pin', acquirer: ACQUIRER, source, tolerate: [], keyCheckValue: '', by: PERSON };
    return importKey({ ...call, ...changes }, vault.custodian, ports);
  };

  beforeEach(() => bound(AS_DEVICE));

  test('is prepared, and is what the host sent', () => {
    const key = SecretKey.generate('AES', 128, random);
    const { slot } = unwrap(take(tokenFor(requestNumber(), { key })));
    expect(slot).toMatchObject({ kind: 'zone-pin', enteredBy: 'tr-34' });
    unwrap(vault.custodian.change(slot?.slotId ?? '', 'active', PERSON));
    expect(vault.custodian.keys.zones.get(ACQUIRER)?.pin.key.equals(key)).toBe(true);
  });

  test('is taken once for each number, whatever comes of it', () => {
    const token = tokenFor(requestNumber());
    expect(take(Buffer.from('no token'))).toMatchObject({ ok: false, reason: 'TR34_TOKEN_REFUSED' });
    expect(take(token)).toMatchObject({ ok: false, reason: 'TR34_RANDOM_NUMBER_UNKNOWN' });
    const first = requestNumber();
    const second = requestNumber();
    expect(take(tokenFor(first))).toMatchObject({ ok: false, reason: 'TR34_RANDOM_NUMBER_UNKNOWN' });
    expect(take(tokenFor(second))).toMatchObject({ ok: false, reason: 'TR34_RANDOM_NUMBER_UNKNOWN' });
  });

  test.each([
    [86_399, 'taken'],
    [86_400, 'not expected any more'],
  ])('is, %i seconds after it was asked for, %s', (seconds, outcome) => {
    const token = tokenFor(requestNumber());
    now = secondsAfter(NOW, seconds);
    const answer = take(token);
    if (outcome === 'taken') expect(answer).toMatchObject({ ok: true });
    else expect(answer).toMatchObject({ ok: false, reason: 'TR34_RANDOM_NUMBER_UNKNOWN' });
  });

  test.each<[string, string, TokenForm]>([
    ['of another usage', 'KEY_ATTRIBUTES_MISMATCH', { usage: 'D0' }],
    ['that deciphers', 'KEY_ATTRIBUTES_MISMATCH', { mode: 'D' }],
    ['from a host that is revoked since', 'TR34_CERTIFICATE_REFUSED', { list: hostList({ revoked: [0x34000006] }) }],
    [
      'with a revocation list that is stale',
      'TR34_CERTIFICATE_REFUSED',
      { list: hostList({ nextUpdate: '20260228000000' }) },
    ],
  ])('%s is refused', (_, reason, form) => {
    expect(take(tokenFor(requestNumber(), form))).toMatchObject({ ok: false, reason });
  });

  test('is expected from a bound host only, for a zone key only', () => {
    const other = requestTr34Key({ acquirer: 'acquirer-b' }, vault.custodian, ports);
    expect(other).toMatchObject({ ok: false, reason: 'TR34_NOT_BOUND' });
    expect(requestTr34Key({ acquirer: '' }, vault.custodian, ports)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    expect(take(tokenFor(requestNumber()), { kind: 'bdk-pin' })).toMatchObject({ reason: 'KEY_NOT_IMPORTABLE' });
  });
});

describe('a key for the device that is bound', () => {
  const zonePin = (): string =>
    unwrap(vault.custodian.list()).find(({ kind, state }) => kind === 'zone-pin' && state === 'active')?.id ?? '';

  const give = (
    changes: Partial<ExportByTr34> = {},
    slotId = zonePin(),
    tolerate: string[] = [],
  ): Result<ExportKeyAnswer> => {
    const none = Buffer.alloc(0);
    const randomNumberToken = formatRandomNumberToken(newRandomNumber(random));
    const tr34 = { randomNumberToken, revocationList: hostList(), deviceRevocationList: none, ...changes };
    return exportKey({ slotId, tr34, tolerate, by: PERSON }, vault.custodian, ports);
  };

  test('is what the device takes', () => {
    bound(AS_HOST);
    const randomNumber = newRandomNumber(random);
    const { tr34KeyToken } = unwrap(give({ randomNumberToken: formatRandomNumberToken(randomNumber) }));
    const call = { acquirer: ACQUIRER, host: true, revocationList: hostList() };
    const { credentialToken } = unwrap(tr34Credential(call, vault.custodian));
    const sender = unwrap(bindHost(credentialToken, hostAuthority, NOW));
    const received = unwrap(acceptKeyToken(tr34KeyToken, { device, host: sender, randomNumber }, NOW));
    expect(received.key.equals(vault.zone.pin)).toBe(true);
    expect(received.header).toMatchObject({ usage: 'P0', modeOfUse: 'D', exportability: 'E' });
    expect(received.tolerated).toEqual([]);
  });

  test('is given to no stranger', () => {
    expect(give()).toMatchObject({ ok: false, reason: 'TR34_NOT_BOUND' });
    bound(AS_HOST);
    const revoked = deviceList([0x34000007]);
    expect(give({ deviceRevocationList: revoked })).toMatchObject({ reason: 'TR34_CERTIFICATE_REFUSED' });
    expect(give({ deviceRevocationList: deviceList([1]) })).toMatchObject({ ok: true });
    expect(give({ revocationList: Buffer.alloc(0) })).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    expect(give({ randomNumberToken: Buffer.from('x') })).toMatchObject({ reason: 'TR34_TOKEN_REFUSED' });
    now = new Date('2029-06-01T00:00:00Z');
    expect(give()).toMatchObject({ ok: false, reason: 'TR34_CERTIFICATE_REFUSED' });
  });

  test('whose RSA key is weaker than it is given where that is tolerated by name', () => {
    const papers = { ...hostPapers(make(AS_HOST)), peer: formatDeviceCredential(shortDevice.certificate) };
    unwrap(bind(AS_HOST, papers));
    unwrap(vault.custodian.reload());
    expect(give()).toMatchObject({ value: { notTolerated: 'TRANSPORT_KEY_WEAKER_THAN_KEY', slot: undefined } });
    const given = unwrap(give({}, zonePin(), ['TRANSPORT_KEY_WEAKER_THAN_KEY']));
    expect(given.tr34KeyToken.length).toBeGreaterThan(0);
    expect(given.tolerated).toEqual(['TRANSPORT_KEY_WEAKER_THAN_KEY']);
  });

  test('is a zone key only', () => {
    bound(AS_HOST);
    const bdk = unwrap(vault.custodian.list()).find(({ kind }) => kind === 'bdk-pin')?.id ?? '';
    expect(give({}, bdk)).toMatchObject({ ok: false, reason: 'KEY_NOT_EXPORTABLE' });
  });
});

test('who is bound cannot be exchanged in the file', () => {
  bound(AS_DEVICE);
  const file = join(vault.directory, 'keys.json');
  const text = readFileSync(file, 'utf8');
  const [from, to] = [host, device].map(({ certificate }) => certificate.der.toString('base64url'));
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from ?? '', to ?? ''));
  expect(vault.custodian.reload()).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
  const asked = requestTr34Key({ acquirer: ACQUIRER }, vault.custodian, ports);
  expect(asked).toMatchObject({ ok: false, reason: 'KEYSTORE_NOT_CHANGED' });
});
