import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { runAttestationConformance } from '../../src/conformance/attestation.ts';
import { encodePem } from '../../src/encoding/pem.ts';
import { chainOf } from './support/phone.ts';

const vectors = join(
  process.env.TAPGATE_VECTORS ?? join(import.meta.dirname, '../../../shared/vectors'),
  'attestation',
);
const present = existsSync(join(vectors, 'manifest.json'));
if (!present) console.info(`skipped: no attestation vectors in ${vectors}`);

(present ? describe : describe.skip)('chains of real phones', () => {
  test('every verdict and every parsed value is the one of the manifest', () => {
    const listed = JSON.parse(readFileSync(join(vectors, 'manifest.json'), 'utf8')) as unknown[];
    expect(runAttestationConformance(vectors)).toEqual({ passed: listed.length, failed: 0, lines: [] });
  });
});

describe('the runner', () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const vector = {
    file: 'phone.pem',
    at: '2026-06-15T12:00:00Z',
    expected: 'untrusted-root/partial',
    certificates: 4,
    root: 'incomplete/unknown',
    rkp: false,
    attestation_version: 300,
    attestation_security_level: 'TRUSTED_ENVIRONMENT',
    key_security_level: 'TRUSTED_ENVIRONMENT',
    verified_boot_state: 'VERIFIED',
    device_locked: true,
    os_patch_level: '202605',
    vendor_patch_level: '20260505',
    boot_patch_level: '20260505',
  };

  const run = (changes: Record<string, unknown>): readonly string[] => {
    writeFileSync(
      join(folder, 'phone.pem'),
      chainOf()
        .map((der) => encodePem('CERTIFICATE', der))
        .join(''),
    );
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify([{ ...vector, ...changes }]));
    const { passed, failed, lines } = runAttestationConformance(folder);
    expect([passed, failed]).toEqual(lines.length === 0 ? [1, 0] : [0, 1]);
    return lines;
  };

  test('passes a chain that is what the manifest says', () => {
    expect(run({})).toEqual([]);
  });

  test.each([
    [{ expected: 'valid' }, 'refused: CHAIN_UNTRUSTED'],
    [{ expected: 'software' }, 'refused (CHAIN_UNTRUSTED), not refused for ATTESTATION_SOFTWARE'],
    [{ expected: 'unlocked boot' }, 'refused (CHAIN_UNTRUSTED), not refused for BOOT_UNLOCKED or BOOT_NOT_VERIFIED'],
    [{ expected: 'revoked' }, 'refused without a list: CHAIN_UNTRUSTED; on no status list'],
    [{ expected: 'something else' }, 'no meaning is known for "something else"'],
    [{ file: 'nowhere.pem' }, 'file is missing'],
    [{ certificates: 3 }, 'certificates is 4, not 3'],
    [{ root: 'google-RSA4096' }, 'root is incomplete/unknown, not google-RSA4096'],
    [{ rkp: true }, 'rkp is false, not true'],
    [{ attestation_version: 3 }, 'attestation_version is 300, not 3'],
    [{ attestation_security_level: 'STRONG_BOX' }, 'attestation_security_level is TRUSTED_ENVIRONMENT, not STRONG_BOX'],
    [{ key_security_level: 'SOFTWARE' }, 'key_security_level is TRUSTED_ENVIRONMENT, not SOFTWARE'],
    [{ verified_boot_state: null }, 'verified_boot_state is VERIFIED, not null'],
    [{ device_locked: false }, 'device_locked is true, not false'],
    [{ os_patch_level: 202604 }, 'os_patch_level is 202605, not 202604'],
    [{ vendor_patch_level: '0' }, 'vendor_patch_level is 20260505, not 0'],
    [{ boot_patch_level: null }, 'boot_patch_level is 20260505, not null'],
  ])('fails %j', (changes, complaint) => {
    expect(run(changes)).toEqual([`${'file' in changes ? changes.file : 'phone.pem'}: ${complaint}`]);
  });

  test('fails a status list that cannot be read', () => {
    mkdirSync(join(folder, 'status'));
    writeFileSync(join(folder, 'status', 'broken.json'), '{}');
    writeFileSync(join(folder, 'status', 'list.json'), '{"entries": {"5871": {"status": "REVOKED"}}}');
    expect(runAttestationConformance(folder)).toMatchObject({
      failed: 2,
      lines: ['status/broken.json: STATUS_LIST_NO_ENTRIES', expect.stringContaining('phone.pem')],
    });
    rmSync(join(folder, 'status'), { recursive: true });
  });

  test('throws where there is no manifest', () => {
    expect(() => runAttestationConformance(join(folder, 'nowhere'))).toThrow();
  });
});
