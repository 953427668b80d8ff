import { createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/app/config.ts';
import { DataFolder } from '../../src/app/data-folder.ts';
import { systemClock } from '../../src/app/system.ts';
import { ROOT } from '../../src/checks/root.ts';
import { generateVirtualKey, type KeyOptions } from '../../src/cli/virtual-keystore.ts';
import { trustingVirtualPhones } from '../../src/cli/virtual-root.ts';
import type { GeneratedKey } from '../../src/virtual/keymint/keymint.ts';
import { runToEnd } from '../../src/virtual/world/process.ts';

const CHALLENGE = 'c7'.repeat(32);

let data: string;
let files = 0;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'tapgate-keystore-'));
  await trustingVirtualPhones(await readConfig(null, data, {}), new DataFolder(data));
});

afterAll(() => rm(data, { recursive: true, force: true }));

function newFile(): string {
  files += 1;
  return join(data, `phone-${files}.json`);
}

function generate(options: Partial<KeyOptions> = {}): Promise<GeneratedKey> {
  return generateVirtualKey({ data, challenge: CHALLENGE, purpose: 'sign', ...options }, systemClock);
}

/** The key that signed the leaf: the phone's attestation key. */
const attestationKey = ({ chain }: GeneratedKey): Buffer =>
  new X509Certificate(chain[1]!).publicKey.export({ type: 'spki', format: 'der' });

describe('an attested key of a virtual phone', () => {
  test('is the one that its chain certifies, up to the root that the service trusts', async () => {
    const { privateKey, publicKey, chain } = await generate();
    const certificates = chain.map((der) => new X509Certificate(der));
    expect(certificates[0]?.publicKey.export({ type: 'spki', format: 'der' })).toEqual(publicKey);
    expect(certificates.map((one, at) => one.verify((certificates[at + 1] ?? one).publicKey))).not.toContain(false);
    const root = new X509Certificate(await readFile(join(data, 'virtual-factory', 'root.crt')));
    expect(certificates.at(-1)?.fingerprint256).toBe(root.fingerprint256);
    const message = Buffer.from('signed');
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
    expect(verify('sha256', message, key, sign('sha256', message, privateKey))).toBe(true);
  });

  test('states the challenge', async () => {
    const { chain } = await generate();
    expect(chain[0]?.includes(Buffer.from(CHALLENGE, 'hex'))).toBe(true);
  });

  test('of the command line is the same in JSON, and usable by programs of any language', async () => {
    const program = join(ROOT, 'src/cli/tapgate.ts');
    const asked = ['--data', data, '--challenge', CHALLENGE, '--purpose', 'agree', '--json'];
    const shown = JSON.parse(await runToEnd([program, 'phone', 'key', ...asked])) as {
      readonly privateKey: string;
      readonly publicKey: string;
      readonly chain: readonly string[];
    };
    expect(Object.keys(shown)).toEqual(['privateKey', 'publicKey', 'chain']);
    const certified = new X509Certificate(Buffer.from(shown.chain[0] ?? '', 'base64')).publicKey;
    const own = createPublicKey(shown.privateKey);
    expect(own.equals(certified)).toBe(true);
    expect(own.export({ type: 'spki', format: 'der' }).toString('base64')).toBe(shown.publicKey);
  });
});

describe('the file of a phone', () => {
  test.each(['tee', 'rkp', 'old-keymaster', 'unlocked'])('%s: all keys come from one phone', async (profile) => {
    const phone = newFile();
    const [first, second] = [await generate({ phone, profile }), await generate({ phone })];
    expect(attestationKey(second)).toEqual(attestationKey(first));
    expect(second.chain.slice(1)).toEqual(first.chain.slice(1));
    expect(second.publicKey).not.toEqual(first.publicKey);
  });

  test('without it, each key is of a phone of its own', async () => {
    const [first, second] = [await generate({ profile: 'rkp' }), await generate({ profile: 'rkp' })];
    expect(attestationKey(second)).not.toEqual(attestationKey(first));
  });

  test('nobody else may read', async () => {
    const phone = newFile();
    await generate({ phone });
    expect((await stat(phone)).mode & 0o777).toBe(0o600);
  });

  test('is kept to: another profile is refused', async () => {
    const phone = newFile();
    await generate({ phone, profile: 'rkp' });
    await expect(generate({ phone, profile: 'tee' })).rejects.toThrow('is a phone of kind rkp');
  });

  test.each([
    ['no JSON', () => '{'],
    ['no phone', () => '{}'],
    ['an attestation key of another certificate', (own: string, other: string) => swapKey(own, other)],
    ['an unknown member', (own: string) => own.replace('{', '{"more":1,')],
  ])('that holds %s is refused, and left as it is', async (_name, spoil) => {
    const [phone, other] = [newFile(), newFile()];
    for (const file of [phone, other]) await generate({ phone: file });
    const spoilt = spoil(await readFile(phone, 'utf8'), await readFile(other, 'utf8'));
    await writeFile(phone, spoilt);
    await expect(generate({ phone })).rejects.toThrow('is no file of a virtual phone');
    expect(await readFile(phone, 'utf8')).toBe(spoilt);
  });
});

function swapKey(own: string, other: string): string {
  const [phone, stranger] = [own, other].map((text) => JSON.parse(text) as { attestationKey: { key: string } });
  if (phone === undefined || stranger === undefined) throw new Error('two phones');
  phone.attestationKey.key = stranger.attestationKey.key;
  return JSON.stringify(phone);
}

describe('is refused', () => {
  test.each(['', 'c', 'xy', 'c7 c7', 'c7'.repeat(129)])('the challenge %p', async (challenge) => {
    await expect(generate({ challenge })).rejects.toThrow('--challenge');
  });

  test.each([
    ['swapped-challenge', 'has no KeyMint of its own'],
    ['no-such', 'no such kind'],
  ])('a phone of kind %s', async (profile, words) => {
    await expect(generate({ profile })).rejects.toThrow(words);
  });

  test('a key agreement of a phone that is too old for it', async () => {
    await expect(generate({ profile: 'old-keymaster', purpose: 'agree' })).rejects.toThrow('no purpose agree');
  });

  test('a folder without a factory of virtual phones', async () => {
    await expect(generate({ data: join(data, 'elsewhere') })).rejects.toThrow('--trust-virtual-phones');
  });
});
