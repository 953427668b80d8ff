import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/app/config.ts';
import { readTarget } from '../../src/cli/attack-target.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-target-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const LEAST = {
  device: { address: 'localhost:7401', ca: 'certs/ca.crt', serviceAnchor: '/etc/anchor.pem' },
  virtualPhones: 'factory',
  admin: { address: 'localhost:7403', ca: 'ca.crt', certificate: 'admin.crt', key: 'admin.key' },
  acquirer: { name: 'acquirer', certificate: 'a.crt', key: 'a.key' },
};
const WHOLE = {
  ...LEAST,
  gate: { address: 'localhost:7402', ca: 'gate.crt' },
  acquirer: {
    ...LEAST.acquirer,
    processing: { address: 'localhost:1', ca: 'p.crt' },
    zone: { file: 'zone.json', components: ['1.txt', '2.txt'] },
  },
  rival: { name: 'rival', certificate: 'r.crt', key: 'r.key', processing: { address: 'localhost:2', ca: 'q.crt' } },
  cards: 'cards.key',
  log: 'service.log',
  ops: 'localhost:7404',
};

async function described(text: string, name = 'target.yaml'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

async function faultOf(path: string): Promise<string> {
  try {
    await readTarget(path);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('it was taken');
}

describe('reading a target', () => {
  test('takes files as relative to the description', async () => {
    const at = (name: string): string => join(folder, name);
    expect(await readTarget(await described(stringify(WHOLE), 'other.yaml'))).toEqual({
      issuer: 'https://tapgate.localhost',
      device: { address: 'localhost:7401', ca: at('certs/ca.crt'), serviceAnchor: '/etc/anchor.pem' },
      virtualPhones: at('factory'),
      admin: { address: 'localhost:7403', ca: at('ca.crt'), certificate: at('admin.crt'), key: at('admin.key') },
      gate: { address: 'localhost:7402', ca: at('gate.crt') },
      acquirer: {
        name: 'acquirer',
        merchant: 'courier-7',
        certificate: at('a.crt'),
        key: at('a.key'),
        processing: { address: 'localhost:1', ca: at('p.crt') },
        zone: { file: at('zone.json'), components: [at('1.txt'), at('2.txt')] },
      },
      rival: {
        name: 'rival',
        certificate: at('r.crt'),
        key: at('r.key'),
        processing: { address: 'localhost:2', ca: at('q.crt') },
      },
      cards: at('cards.key'),
      log: at('service.log'),
      ops: 'localhost:7404',
    });
  });

  test('of a folder reads its target.yaml, and leaves out what is not given', async () => {
    await described(stringify(LEAST));
    const target = await readTarget(folder);
    expect(Object.keys(target).sort()).toEqual(['acquirer', 'admin', 'device', 'issuer', 'virtualPhones']);
    expect(target.acquirer).not.toHaveProperty('zone');
  });

  test('says what to do where there is none', async () => {
    expect(await faultOf(folder)).toMatch(/target\.yaml does not exist\. .*tapgate attack list --needs/);
    expect(await faultOf(join(folder, 'nothing.yaml'))).toMatch(/nothing\.yaml does not exist/);
  });

  test.each([
    ['', /device: /],
    ['device: 1', /device: .*\n.*virtualPhones: /],
    [stringify({ ...LEAST, console: 'localhost:1' }), /console/],
    ['a: [', /target\.yaml: /],
  ])('says what does not fit in %j', async (text, said) => {
    expect(await faultOf(await described(text))).toMatch(said);
  });
});
