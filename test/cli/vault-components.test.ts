import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bringComponents } from '../../src/cli/commands/vault-components.ts';
import { Questions } from '../../src/cli/terminal.ts';
import { joinComponents } from '../../src/vault/keystore/components.ts';
import { component, random, unwrap } from '../vault/support/keystore.ts';

/** A terminal at which somebody has typed all answers ahead. */
class TypedAhead extends PassThrough {
  readonly isTTY = true;
  readonly raw: boolean[] = [];
  setRawMode(raw: boolean): void {
    this.raw.push(raw);
  }
}

function terminalWith(...lines: string[]) {
  const input = new TypedAhead();
  const output = new PassThrough();
  let shown = '';
  output.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
  });
  const questions = new Questions({ input, output });
  input.write(lines.map((line) => `${line}\r`).join(''));
  return { input, questions, shown: () => shown };
}

const [first, second] = [component(random.bytes(32)), component(random.bytes(32))];
const whole = unwrap(joinComponents([first, second])).kcv;
const alice = ['alice', first.component, first.kcv, ''];
const bob = ['bob', second.component, second.kcv, ''];

describe('custodians at a terminal', () => {
  test('bring a component each, and nothing of it is shown', async () => {
    const { input, questions, shown } = terminalWith(...alice, ...bob, whole.slice(0, 6));
    const brought = await bringComponents({}, 'AES', questions);
    expect(brought).toEqual({ components: [first, second], by: 'ceremony: alice, bob' });
    expect(shown()).toContain('alice');
    expect(shown()).toContain(whole);
    for (const { component: hex } of [first, second])
      for (const piece of [hex, hex.slice(0, 8), hex.slice(-8)]) expect(shown()).not.toContain(piece);
    expect(input.raw).toEqual([true, false]);
  });

  test('change nothing where the terminal is hung up', async () => {
    const { input, questions } = terminalWith('alice');
    input.end();
    await expect(bringComponents({}, 'AES', questions)).rejects.toThrow('nothing was changed');
  });

  test('may mistype twice, and correct what they type', async () => {
    const typed = ['alicX\u007fe', first.component, '0000000000', first.component, first.kcv, ''];
    const { questions } = terminalWith(...typed, ...bob, whole);
    expect((await bringComponents({}, 'AES', questions)).by).toBe('ceremony: alice, bob');
  });

  test.each<[string, string[], string]>([
    ['three times a wrong check value', ['alice', ...Array(3).fill([first.component, '000000']).flat()], '3 attempts'],
    ['another check value of the whole', [...alice, ...bob, 'ffffff'], "another key than the other side's"],
    [
      'too short a check value of the whole',
      [...alice, ...bob, whole.slice(0, 4)],
      "another key than the other side's",
    ],
    ['one custodian twice', [...alice, 'alice', ...bob.slice(1)], 'one custodian, one component'],
    ['one component twice', [...alice, 'bob', ...alice.slice(1)], 'cancels itself out'],
    ['no name', [''], 'A name has'],
    ['who leaves', ['alice', '\u0003'], 'nothing was changed'],
  ])('bring no key with %s', async (_, lines, said) => {
    const { input, questions } = terminalWith(...lines);
    await expect(bringComponents({}, 'AES', questions)).rejects.toThrow(said);
    expect(input.raw.at(-1)).toBe(false);
  });

  test.each(['1', '10', 'x', '2.5'])('are not %s', async (custodians) => {
    await expect(bringComponents({ custodians })).rejects.toThrow('2 to 9');
  });

  test('sit at a terminal, or bring files', () => {
    expect(() => new Questions({ input: new PassThrough(), output: new PassThrough() })).toThrow('--component');
  });
});

describe('components in files', () => {
  let folder: string;
  const files: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapgate-components-'));
    for (const [at, { component: hex, kcv }] of [first, second].entries()) {
      files.push(join(folder, `${at}.txt`));
      await writeFile(files[at] ?? '', `${hex} ${kcv}\n`);
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('are joined, and held against a stated check value', async () => {
    expect(await bringComponents({ component: files })).toEqual({ components: [first, second], by: 'ceremony' });
    await expect(bringComponents({ component: files, checkValue: whole.toLowerCase() })).resolves.toBeDefined();
    await expect(bringComponents({ component: files, checkValue: '000000' })).rejects.toThrow(whole);
    await expect(bringComponents({ component: files.slice(1) })).rejects.toThrow('two to nine');
  });
});
