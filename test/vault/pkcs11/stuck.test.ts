import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Cryptoki } from '../../../src/vault/pkcs11/cryptoki.ts';
import { Token } from '../../../src/vault/pkcs11/token.ts';
import { describeOnToken, makeSoftToken, setForModules } from '../../support/soft-token.ts';
import { unwrap } from '../support/keystore.ts';

const SHORT = 500;
const clock = { now: () => new Date() };

describeOnToken('a PKCS #11 module that does not return from a call', () => {
  test('is given up in time, is left alone meanwhile, and serves once it has returned', async () => {
    const soft = makeSoftToken();
    const cryptoki = unwrap(await Cryptoki.load(soft.address.module, SHORT));
    // SoftHSM reads its configuration when it is started: from a pipe that nobody writes to, for ever.
    const pipe = join(soft.root, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    await setForModules({ SOFTHSM2_CONF: pipe });
    const open = () => Token.open(soft.address, { serial: null, memory: null, clock });
    expect(await open()).toEqual({
      ok: false,
      reason: 'TOKEN_UNAVAILABLE',
      detail: 'C_Initialize: no answer in time',
    });
    expect(cryptoki.isStuck).toBe(true);
    expect(await open()).toMatchObject({ detail: 'C_Initialize: an earlier call has not returned' });
    await setForModules(soft.environment);
    writeFileSync(pipe, `directories.tokendir = ${join(soft.root, 'tokens')}\nobjectstore.backend = file\n`);
    while (cryptoki.isStuck) await sleep(1);
    const token = unwrap(await open());
    expect(token.serial).toMatch(/^[0-9a-f]{16}$/);
    token.close();
    soft.remove();
  });
});
