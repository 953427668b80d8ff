import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import {
  bindDevice,
  bindHost,
  formatDeviceCredential,
  formatHostCredential,
} from '../../../src/payment-crypto/tr34/credential.ts';
import { openEnvelope, parseEnvelope } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import { formatKeyContent, parseKeyContent } from '../../../src/payment-crypto/tr34/key-content.ts';
import { makeKeyToken } from '../../../src/payment-crypto/tr34/key-distribution-host.ts';
import { acceptKeyToken } from '../../../src/payment-crypto/tr34/key-receiving-device.ts';
import {
  formatRandomNumberToken,
  newRandomNumber,
  parseRandomNumberToken,
} from '../../../src/payment-crypto/tr34/random-number.ts';
import { parseSignedData } from '../../../src/payment-crypto/tr34/signed-data.ts';
import type { Result } from '../../../src/reasons/result.ts';
import { SeededRandom } from '../../support/random.ts';
import { invariant, type Reader, sameBytes, type Target } from './target.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const KEY = Buffer.from('000102030405060708090A0B0C0D0E0F', 'hex');
const ATTRIBUTES = { usage: 'K1', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'E' } as const;
const MAXIMUM_BYTES = 8192;

/** Certificates, keys and tokens of one run, DER in hexadecimal. */
interface Prepared {
  readonly hostAuthority: string;
  readonly deviceAuthority: string;
  readonly deviceCertificate: string;
  readonly deviceKey: string;
  readonly hostCredential: string;
  readonly deviceCredential: string;
  readonly randomNumber: string;
  readonly token: string;
}

function made<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`a seed cannot be made: ${result.reason}`);
  return result.value;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text, 'hex');

/** Two authorities, a host and a device with RSA keys made anew, and a token of the host's for the device. */
async function prepare(): Promise<string> {
  const parties = await import('../../payment-crypto/tr34/parties.ts');
  const { boundDevice, device, deviceAuthority, host, hostAuthority, hostList } = parties;
  const random = new SeededRandom('TR-34');
  const randomNumber = newRandomNumber(random);
  const distribution = {
    host,
    device: boundDevice,
    randomNumberToken: formatRandomNumberToken(randomNumber),
    key: SecretKey.ofOwned('AES', Uint8Array.from(KEY)),
    attributes: ATTRIBUTES,
    revocationList: hostList(),
  };
  const prepared: Prepared = {
    hostAuthority: hex(hostAuthority.der),
    deviceAuthority: hex(deviceAuthority.der),
    deviceCertificate: hex(device.certificate.der),
    deviceKey: hex(device.privateKey.export({ type: 'pkcs8', format: 'der' })),
    hostCredential: hex(formatHostCredential(host.certificate, hostList())),
    deviceCredential: hex(formatDeviceCredential(device.certificate)),
    randomNumber: hex(randomNumber),
    token: hex(made(makeKeyToken(distribution, NOW, random))),
  };
  return JSON.stringify(prepared);
}

interface Parties {
  readonly prepared: Prepared;
  readonly deviceKey: KeyObject;
}

const reader = (name: string, seeds: readonly Uint8Array[], read: Reader['read'], weight = 2): Reader => ({
  name,
  weight,
  maximumBytes: MAXIMUM_BYTES,
  seeds,
  elements: true,
  read,
});

/** A token that is taken carries the key that the host sent, however its unsigned parts were changed. */
function tokenReader({ prepared, deviceKey }: Parties): Reader {
  const hostAuthority = made(parseTr34Certificate(bytes(prepared.hostAuthority)));
  const host = made(bindHost(bytes(prepared.hostCredential), hostAuthority, NOW));
  const device = { certificate: made(parseTr34Certificate(bytes(prepared.deviceCertificate))), privateKey: deviceKey };
  const reception = { device, host, randomNumber: bytes(prepared.randomNumber) };
  return reader('token', [bytes(prepared.token)], (input) => {
    const received = acceptKeyToken(input, reception, NOW);
    if (!received.ok) return false;
    received.value.key.use((key) => sameBytes(key, KEY, 'another key than the host sent is taken'));
    invariant(
      received.value.header.usage === ATTRIBUTES.usage,
      'a key for another usage than the host stated is taken',
    );
    received.value.key.wipe();
    return true;
  });
}

/** Only certificates that the authority issued are bound. */
function credentialReaders({ prepared }: Parties): readonly Reader[] {
  const hostAuthority = made(parseTr34Certificate(bytes(prepared.hostAuthority)));
  const deviceAuthority = made(parseTr34Certificate(bytes(prepared.deviceAuthority)));
  const [hostSeed, deviceSeed] = [bytes(prepared.hostCredential), bytes(prepared.deviceCredential)];
  const host = made(bindHost(hostSeed, hostAuthority, NOW)).certificate.identity;
  const device = made(bindDevice(deviceSeed, deviceAuthority, NOW)).certificate.identity;
  return [
    reader('host-credential', [hostSeed], (input) => {
      const bound = bindHost(input, hostAuthority, NOW);
      if (bound.ok) sameBytes(bound.value.certificate.identity, host, 'a host that nobody certified is bound');
      return bound.ok;
    }),
    reader('device-credential', [deviceSeed], (input) => {
      const bound = bindDevice(input, deviceAuthority, NOW);
      if (bound.ok) sameBytes(bound.value.certificate.identity, device, 'a device that nobody certified is bound');
      return bound.ok;
    }),
  ];
}

/** What a host may put into a token that it signs itself. */
function contentReaders({ prepared, deviceKey }: Parties): readonly Reader[] {
  const { content } = made(parseSignedData(bytes(prepared.token)));
  if (content === undefined) throw new Error('a token without content');
  const clear = made(openEnvelope(made(parseEnvelope(content)), deviceKey));
  const seed = clear.use((open) => Buffer.from(open));
  return [
    // Each one that is well formed costs an operation of the private key.
    reader(
      'envelope',
      [content],
      (input) => {
        const envelope = parseEnvelope(input);
        if (!envelope.ok) return false;
        const opened = openEnvelope(envelope.value, deviceKey);
        if (opened.ok) opened.value.wipe();
        return opened.ok;
      },
      1,
    ),
    reader('content', [seed], (input) => {
      const read = parseKeyContent(input);
      if (!read.ok) return false;
      const again = made(formatKeyContent(read.value).use(parseKeyContent));
      sameBytes(again.host, read.value.host, 'another host once it is written');
      sameBytes(again.header, read.value.header, 'another header once it is written');
      invariant(again.key.equals(read.value.key), 'another key once it is written');
      return true;
    }),
  ];
}

/** The two-pass protocol of TR-34, both sides. */
export const TR34: Target = {
  prepare,
  open: (text) => {
    const prepared = JSON.parse(text) as Prepared;
    const deviceKey = createPrivateKey({ key: bytes(prepared.deviceKey), type: 'pkcs8', format: 'der' });
    const parties = { prepared, deviceKey };
    const certificates = [prepared.hostAuthority, prepared.deviceCertificate].map(bytes);
    const numberToken = formatRandomNumberToken(bytes(prepared.randomNumber));
    return [
      tokenReader(parties),
      ...credentialReaders(parties),
      ...contentReaders(parties),
      reader('certificate', certificates, (input) => parseTr34Certificate(input).ok),
      reader('random-number', [numberToken], (input) => {
        const read = parseRandomNumberToken(input);
        if (read.ok) sameBytes(formatRandomNumberToken(read.value), input, 'a token that is not written so');
        return read.ok;
      }),
    ];
  },
};
