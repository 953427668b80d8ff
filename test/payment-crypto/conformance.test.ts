import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runPaymentConformance } from '../../src/conformance/payment.ts';

const VECTORS = process.env.TAPGATE_VECTORS ?? join(import.meta.dirname, '../../../shared/vectors');
const present = existsSync(VECTORS);
if (!present) console.info(`payment vectors are skipped: ${VECTORS} is not there`);

(present ? describe : describe.skip)('published vectors', () => {
  test('all pass, and every format is among them', () => {
    const run = runPaymentConformance(VECTORS);
    expect(run.lines.filter((line) => line.startsWith('  failed'))).toEqual([]);
    expect(run.failed).toBe(0);
    expect(run.passed).toBeGreaterThan(100);
    for (const format of [
      'AES DUKPT case',
      'TDES DUKPT case',
      'key block',
      'PIN block',
      'CMAC',
      'KCV',
      'SecureKeyWrapper',
    ])
      expect(run.lines.some((line) => line.includes(`: ${format}: `))).toBe(true);
  });
});

describe('the runner', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vectors-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function run(name: string, content: unknown) {
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    return runPaymentConformance(folder);
  }

  // ANSI X9.24-3:2017 supplement
  const SET = {
    bdk: 'FEDCBA9876543210F1F1F1F1F1F1F1F1',
    ikid: '1234567890123456',
    cases: [{ ksn: '123456789012345600000001', pinEncryptionAes128: 'AF8CB133A78F8DC2D1359F18527593FB' }],
  };

  test('knows a format by its content, whatever the file is called', () => {
    expect(run('anything.txt', { deep: { down: [SET] } })).toMatchObject({ passed: 2, failed: 0 });
  });

  test('finds what is wrong: a positive control for every format', () => {
    const wrong = [
      { ...SET, cases: [{ ...SET.cases[0], pinEncryptionAes128: '00000000000000000000000000000000' }] },
      { ...SET, initialKey: '00000000000000000000000000000000', cases: [] },
      { ...SET, cases: [{ ksn: '12345678901234560001FFFF', derivationKey: '1FE368988089CDD76DA18A3458E113BA' }] },
      { bdk: '0123456789ABCDEFFEDCBA9876543210', iksn: 'FFFF9876543210E00000', initialKey: '00' },
      { alg: 'AES', key: '2B7E151628AED2A6ABF7158809CF4F3C', data: '', cmac: '00000000000000000000000000000000' },
      { alg: 'TDES', key: '5DB50B454F8389ADCE573BE50861F2BF', kcv: '000000' },
      { format: 0, pin: '1234', pan: '4012345678909', clear: '041274EDCBA98760' },
      { format: 4, pan: '4111111111111111', panField: '44111111111111111000000000000001' },
      { tcBits: 32, maxOneBits: 15 },
      { kbpk: '88E1AB2A2E3DD38C1FA039A536500CC8', keyBlock: 'D0112P0AE00E0000', key: '00' },
      { header: 'D0144P0AE00E0000' },
      { wrapper: '3000', wrappingPrivateKeyPkcs8: '00' },
      { format: 9, pin: '1234' },
    ];
    for (const item of wrong) {
      const { failed, lines } = run('vectors.json', item);
      if (failed === 0) throw new Error(`not found: ${JSON.stringify(item)}\n${lines.join('\n')}`);
    }
  });

  test('a defective item must not pass as a sound one', () => {
    const block =
      'D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557';
    const kbpk = '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6';
    expect(run('a.json', { kbpk, keyBlock: block, valid: true })).toMatchObject({ passed: 1, failed: 0 });
    expect(run('a.json', { kbpk, keyBlock: block, valid: false })).toMatchObject({ passed: 0, failed: 1 });
    expect(run('a.json', { kbpk, keyBlock: block.replace('P0', 'P1'), valid: false })).toMatchObject({ passed: 1 });
  });

  test('passes over what is no vector file', () => {
    writeFileSync(join(folder, 'broken.json'), '{"a":');
    writeFileSync(join(folder, 'empty.json'), '');
    expect(run('other.json', [{ file: 'x', expected: 'valid' }, 1, null])).toEqual({ passed: 0, failed: 0, lines: [] });
  });
});
