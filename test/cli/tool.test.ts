import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EXIT, leavingFor } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';

// ANSI X9.24-3:2017 supplement
const BDK = 'FEDCBA9876543210F1F1F1F1F1F1F1F1';
const KSN = '123456789012345600000001';
// ANSI X9.143:2021 8.3
const KBPK = '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6';
const BLOCK =
  'D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557';
const OWN_KEY = '00112233445566778899AABBCCDDEEFF';

let folder: string;
let keyFile: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapgate-tool-'));
  keyFile = join(folder, 'test.key');
  writeFileSync(keyFile, `${OWN_KEY}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** Runs the command in this process: what it printed, and how it left. */
async function tool(args: readonly string[], input?: string): Promise<Ran> {
  const out: string[] = [];
  const errors: string[] = [];
  const spies = (
    [
      ['stdout', out],
      ['stderr', errors],
    ] as const
  ).map(([stream, parts]) =>
    jest.spyOn(process[stream], 'write').mockImplementation((text) => {
      parts.push(String(text));
      return true;
    }),
  );
  const standardInput = Object.getOwnPropertyDescriptor(process, 'stdin');
  if (input !== undefined)
    Object.defineProperty(process, 'stdin', { value: Readable.from([input]), configurable: true });
  let code: number;
  try {
    await createProgram().parseAsync(['node', 'tapgate', 'tool', ...args]);
    code = Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    const leaving = leavingFor(error);
    errors.push(...leaving.lines);
    code = leaving.code;
  } finally {
    for (const spy of spies) spy.mockRestore();
    if (standardInput !== undefined) Object.defineProperty(process, 'stdin', standardInput);
    process.exitCode = EXIT.ok;
  }
  return { code, out: out.join(''), errors: errors.join('\n') };
}

describe('tapgate tool dukpt', () => {
  test('shows the walk with check values, and keys only where they are to be revealed', async () => {
    const { code, out, errors } = await tool(['dukpt', '--bdk', BDK, '--ksn', KSN]);
    expect(code).toBe(0);
    expect(errors).toBe('');
    expect(out).toContain('BDK ID 12345678, derivation ID 90123456');
    expect(out).toContain('transaction 00000001');
    expect(out).not.toContain('AF8CB133A78F8DC2D1359F18527593FB');
    expect(out).not.toContain(BDK);
    const revealed = await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--reveal']);
    expect(revealed.out).toContain('AF8CB133A78F8DC2D1359F18527593FB');
  });

  test('of TDEA shows the keys of X9.24-1, from the BDK and from the initial key', async () => {
    const ksn = ['--ksn', 'FFFF9876543210E00001', '--reveal'];
    for (const key of [
      ['--bdk', '0123456789ABCDEFFEDCBA9876543210'],
      ['--ik', '6AC292FAA1315B4D858AB3A3D7D5933A'],
    ]) {
      const { out } = await tool(['dukpt', ...key, ...ksn]);
      expect(out).toContain('6AC292FAA1315B4D858AB3A3D7D5933A');
      // The PIN encryption key of transaction 1.
      expect(out).toContain('042666B49184CF5C68DE9628D0397B36');
    }
  });

  test('names the fault, and leaves with 1', async () => {
    const shown = JSON.parse((await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--json'])).out);
    const kcv = shown.walk.at(-1).key.cmacKcv as string;
    const { code, out } = await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--kcv', kcv]);
    expect(code).toBe(1);
    expect(out).toContain('INTERMEDIATE_KEY: It is the intermediate (transaction) key');
    const fits = await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--kcv', kcv, '--level', 'transaction', '--json']);
    expect(fits.code).toBe(0);
    expect(JSON.parse(fits.out).diagnosis).toMatchObject({ outcome: 'fits' });
  });

  test('says so where a finding may be an accident, and where a counter is none of a transaction', async () => {
    const shown = JSON.parse((await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--json'])).out);
    const kcv = (shown.walk.at(-1).key.cmacKcv as string).slice(0, 4);
    const hint = await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--kcv', kcv]);
    expect(hint.out).toContain('INTERMEDIATE_KEY');
    expect(hint.out).toContain('A hint only');
    const zero = await tool(['dukpt', '--bdk', BDK, '--ksn', `${KSN.slice(0, 16)}00000000`]);
    expect(zero.out).toContain('No transaction may use this counter');
    expect(zero.out).toContain('initial key');
  });

  test('explains a PIN block under a derived key', async () => {
    const working = JSON.parse((await tool(['dukpt', '--bdk', BDK, '--ksn', KSN, '--json', '--reveal'])).out);
    const pinKey = working.workingKeys.find((entry: { usage: string }) => entry.usage === 'pinEncryption').key.key;
    const pinOptions = ['--format', '4', '--pan', '4111111111111111'];
    const made = await tool(['pinblock', ...pinOptions, '--pin', '1234', '--key', pinKey, '--json']);
    const options = ['--bdk', BDK, '--block', JSON.parse(made.out).block, ...pinOptions];
    expect((await tool(['dukpt', '--ksn', KSN, ...options])).out).toContain('It fits');
    const next = await tool(['dukpt', '--ksn', `${KSN.slice(0, -1)}2`, ...options]);
    expect(next.out).toContain('KSN_COUNTER');
  });

  test.each([
    [['--ksn', KSN], 'either --bdk or --ik'],
    [['--bdk', BDK, '--ksn', '1234'], '--ksn: 12 bytes'],
    [['--bdk', BDK, '--ksn', KSN, '--usage', 'macRequest'], '--usage: one of'],
    [['--bdk', BDK, '--ksn', KSN, '--kcv', '01'], '--kcv: 2 to 8 bytes'],
    [['--bdk', 'FEDC', '--ksn', KSN], 'AES has no key of 2 bytes'],
  ])('with %j leaves with 2', async (args, words) => {
    const { code, errors } = await tool(['dukpt', ...args]);
    expect(code).toBe(2);
    expect(errors).toContain(words);
  });
});

describe('test keys', () => {
  test('that are typed are said to be burnt, but for those that standards print', async () => {
    expect((await tool(['kcv', '--key', OWN_KEY])).errors).toContain('A KEY WAS TYPED ON A COMMAND LINE');
    expect((await tool(['kcv', '--key', BDK])).errors).toBe('');
  });

  test('come from a file and from standard input, and are said to be test keys', async () => {
    for (const ran of [
      await tool(['kcv', '--key', `@${keyFile}`]),
      await tool(['kcv', '--key', '-'], `${OWN_KEY}\n`),
    ]) {
      expect(ran.code).toBe(0);
      expect(ran.errors).toContain('TEST KEYS ONLY');
      expect(ran.errors).not.toContain('TYPED');
      expect(ran.out).toContain('53E107B36E');
      expect(ran.out).not.toContain(OWN_KEY);
    }
  });

  test('are not repeated by an error', async () => {
    const { code, errors } = await tool(['kcv', '--key', `${OWN_KEY}XY`]);
    expect(code).toBe(2);
    expect(errors).not.toContain(OWN_KEY);
    expect((await tool(['kcv', '--key', '@/does/not/exist'])).code).toBe(2);
    expect((await tool(['kcv', '--key', '-'], 'A'.repeat(5000))).code).toBe(2);
  });
});

describe('tapgate tool kcv', () => {
  test('names the method of a check value', async () => {
    const { code, out } = await tool(['kcv', '--key', BDK, '--kcv', 'ED6429']);
    expect(code).toBe(1);
    expect(out).toContain('KCV_METHOD: The check value is the encryption of zeros');
    const tdes = await tool([
      'kcv',
      '--key',
      '0123456789ABCDEFFEDCBA9876543210',
      '--algorithm',
      'TDES',
      '--kcv',
      '08D7B4',
    ]);
    expect(tdes.code).toBe(0);
    expect((await tool(['kcv', '--key', BDK, '--algorithm', 'RSA'])).code).toBe(2);
    expect((await tool(['kcv', '--key', BDK, '--kcv', 'ED6429', '--kcv-method', 'legacy'])).code).toBe(0);
  });
});

describe('tapgate tool keyblock', () => {
  test('explains every field, and opens the block', async () => {
    const { code, out } = await tool(['keyblock', BLOCK, '--kbpk', KBPK]);
    expect(code).toBe(0);
    for (const words of [
      'AES-CBC, keys derived by CMAC',
      'PIN encryption',
      'encrypt or wrap only',
      'The MAC holds',
      '08793E25AB',
    ])
      expect(out).toContain(words);
    expect(out).not.toContain('3F419E1CB7079442');
    expect((await tool(['keyblock', BLOCK, '--kbpk', KBPK, '--reveal'])).out).toContain(
      '3F419E1CB7079442AA37474C2EFBF8B8',
    );
  });

  test('names the version letter, the changed field, and what is no key block', async () => {
    const version = await tool(['keyblock', `E${BLOCK.slice(1)}`, '--kbpk', KBPK]);
    expect(version).toMatchObject({ code: 1, out: expect.stringContaining('KEY_BLOCK_VERSION') });
    const usage = await tool(['keyblock', BLOCK.replace('P0', 'D0'), '--kbpk', KBPK, '--json']);
    expect(JSON.parse(usage.out).diagnosis.findings[0].says).toContain('key usage was P0');
    const none = await tool(['keyblock', 'nothing', '--kbpk', KBPK]);
    expect(none).toMatchObject({ code: 1, out: expect.stringContaining('No header of a key block') });
  });

  test('without a KBPK says that nothing was checked', async () => {
    const { code, out } = await tool(['keyblock', '-'], BLOCK);
    expect(code).toBe(0);
    expect(out).toContain('The MAC was not checked');
  });
});

describe('tapgate tool pinblock', () => {
  test('makes a clear and an enciphered block, and reads them', async () => {
    const pan = ['--format', '0', '--pan', '5432109876543219'];
    const clear = JSON.parse((await tool(['pinblock', ...pan, '--pin', '1234', '--json'])).out);
    // 04 12 34 FF … XOR 00 00 210987654321
    expect(clear).toMatchObject({ block: '041215F6789ABCDE', enciphered: false });
    const read = await tool(['pinblock', ...pan, '--block', clear.block]);
    expect(read.code).toBe(0);
    expect(read.out).toContain('****');
    expect(read.out).not.toContain('1234 ');
    expect((await tool(['pinblock', ...pan, '--block', clear.block, '--reveal'])).out).toMatch(/PIN +1234/);
  });

  test('names the PAN digits, and the format', async () => {
    const withCheckDigit = JSON.parse(
      (await tool(['pinblock', '--format', '0', '--pan', '54321098765432190', '--pin', '1234', '--json'])).out,
    );
    const digits = await tool([
      'pinblock',
      '--format',
      '0',
      '--pan',
      '5432109876543219',
      '--block',
      withCheckDigit.block,
    ]);
    expect(digits).toMatchObject({ code: 1, out: expect.stringContaining('PAN_DIGITS') });
    const format = await tool(['pinblock', '--format', '1', '--block', '241234FFFFFFFFFF']);
    expect(format).toMatchObject({ code: 1, out: expect.stringContaining('of format 2') });
  });

  test.each([
    [['--format', '5', '--pin', '1234'], '--format: one of'],
    [['--format', '0', '--pin', '1234'], '--pan is needed'],
    [['--format', '2'], 'either --pin or --block'],
    [['--format', '2', '--pin', '12'], '--pin: 4 to 12'],
    [['--format', '0', '--pan', 'x', '--pin', '1234'], '--pan: 1 to 19'],
    [['--format', '4', '--pan', '4111111111111111', '--pin', '1234'], 'format 4 needs an AES key'],
    [['--format', '0', '--pan', '4111111111111111', '--block', '-', '--key', '-'], 'only one of'],
  ])('with %j leaves with 2', async (args, words) => {
    const { code, errors } = await tool(['pinblock', ...args]);
    expect(code).toBe(2);
    expect(errors).toContain(words);
  });
});
