import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { sessionKeyOf } from '../../src/vault/session-key.ts';

function newKey(curve = 'P-256') {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  return { privateKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
}

describe('a session key', () => {
  test('is read by all of its bytes: thumbprint and what it verifies are its own, at every reading', () => {
    const keys = [newKey(), newKey()];
    for (const { privateKey, spki } of [...keys, ...keys]) {
      const key = sessionKeyOf(spki);
      expect(key?.thumbprint).toBe(p256Thumbprint(spki));
      const signature = sign('sha256', Buffer.from('bytes'), privateKey);
      if (key?.publicKey === null || key === null) throw new Error('no key');
      expect(verify('sha256', Buffer.from('bytes'), key.publicKey, signature)).toBe(true);
    }
    expect(sessionKeyOf(keys[0]!.spki)).not.toBe(sessionKeyOf(keys[1]!.spki));
  });

  test('that was read is the same one again, though the bytes that it was read from have changed since', () => {
    const { spki } = newKey();
    const lent = Buffer.from(spki);
    const key = sessionKeyOf(lent);
    lent.fill(0);
    expect(sessionKeyOf(spki)).toBe(key);
    expect(key?.publicKey?.export({ format: 'der', type: 'spki' })).toEqual(spki);
  });

  test('is none in another form, on another curve, or where there are no bytes', () => {
    const { spki } = newKey();
    const others = [Buffer.alloc(0), spki.subarray(1), Buffer.concat([spki, Buffer.of(0)]), newKey('P-384').spki];
    expect(others.map((other) => sessionKeyOf(other))).toEqual([null, null, null, null]);
  });

  test('that is no point of the curve has a name and verifies nothing, however often it is read', () => {
    const { spki } = newKey();
    const off = Buffer.from(spki);
    off.writeUInt8(off.readUInt8(90) ^ 1, 90);
    expect([sessionKeyOf(off)?.publicKey, sessionKeyOf(off)?.publicKey]).toEqual([null, null]);
  });

  test('that has not been read for long is forgotten; those that are read stay', () => {
    const [kept, forgotten] = [newKey().spki, newKey().spki];
    const [first, second] = [sessionKeyOf(kept), sessionKeyOf(forgotten)];
    const numbered = Buffer.from(kept);
    for (let number = 0; number < 4_095; number += 1) {
      numbered.writeUInt32BE(number, 80);
      sessionKeyOf(numbered);
      if (number % 1_000 === 0) sessionKeyOf(kept);
    }
    expect(sessionKeyOf(kept)).toBe(first);
    expect(sessionKeyOf(forgotten)).not.toBe(second);
  });
});
