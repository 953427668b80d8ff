import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { nodeFlags, programArguments, VAULT_PROGRAM, VaultChild } from '../../src/vault/child.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { EXIT } from '../../src/vault/exit-code.ts';
import { arePermitted, DEFAULT_PIN_LENGTHS, formatPinLengths, parsePinLengths } from '../../src/vault/pin-lengths.ts';
import { random, unwrap, vaultFixture } from './support/keystore.ts';
import { bindingOf, testGrant } from './support/payment.ts';
import { testPhone } from './support/phone.ts';
import { testPinGrant } from './support/pin-check.ts';

test('bounds are read within ISO 9564-1, and written as they are read', () => {
  for (const text of ['4-12', '6-6', '12-12']) expect(formatPinLengths(parsePinLengths(text)!)).toBe(text);
  for (const text of ['', '4', '3-12', '4-13', '6-5', '4-', '-4-12', '4-12 ', '04-012', '4 - 12'])
    expect(parsePinLengths(text)).toBeNull();
});

test('a pair is permitted as it stands, not a part of it', () => {
  expect(DEFAULT_PIN_LENGTHS).toEqual([{ minimum: 4, maximum: 12 }]);
  expect([arePermitted(4, 12), arePermitted(4, 11), arePermitted(5, 12)]).toEqual([true, false, false]);
  expect([arePermitted(4, 12, []), arePermitted(6, 6, [{ minimum: 6, maximum: 6 }])]).toEqual([false, true]);
});

test("the vault's process permits what it was started with", async () => {
  const fixture = vaultFixture();
  const socket = join(fixture.directory, '..', 'run', 'vault.sock');
  const started = { directory: fixture.directory, socket, random, onLine: (): undefined => undefined };
  const child = unwrap(await VaultChild.start({ ...started, pinLengths: ['4-6', '6-6'] }));
  const client = new VaultClient({ socket, random });
  try {
    const wanted = testGrant(testPhone(fixture), new Date());
    const grant = unwrap(
      await client.signGrant({ grant: wanted, keyBinding: bindingOf(fixture, wanted), parent: null }),
    );
    const bounds = async (minimumLength: number, maximumLength: number): Promise<string> => {
      const pinGrant = testPinGrant(wanted, { minimumLength, maximumLength });
      const answer = await client.signPinGrant({ pinGrant, grant });
      return answer.ok ? 'signed' : answer.reason;
    };
    expect([await bounds(4, 6), await bounds(6, 6), await bounds(4, 12), await bounds(5, 5)]).toEqual([
      'signed',
      'signed',
      'PIN_LENGTHS_REFUSED',
      'PIN_LENGTHS_REFUSED',
    ]);
  } finally {
    client.close();
    await child.stop(2_000);
    fixture.remove();
  }
});

test("the vault's process does not start with bounds that are none", () => {
  const fixture = vaultFixture();
  const socket = join(fixture.directory, '..', 'run', 'vault.sock');
  const source = { kind: 'software' } as const;
  const given = programArguments({ directory: fixture.directory, socket, source, pinLengths: ['4-12', '1-2'] });
  const flags = nodeFlags(fixture.directory, socket, source);
  const { status } = spawnSync(process.execPath, [...flags, VAULT_PROGRAM, ...given], { timeout: 10_000, input: '' });
  expect(status).toBe(EXIT.usage);
  fixture.remove();
});
