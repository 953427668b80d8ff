import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { p256PublicKey } from '../../../src/encoding/p256.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { readDescription } from '../../../src/vault/client/description.ts';
import { renewAnchor } from '../../../src/vault/keystore/anchor-renewal.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { openKeystore } from '../../../src/vault/keystore/document.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { MasterKeyOfToken, masterKeyInFile } from '../../../src/vault/keystore/master-key.ts';
import type { Keystore } from '../../../src/vault/keystore/place.ts';
import { describeKeys } from '../../../src/vault/operations/describe-keys.ts';
import { signAsService } from '../../../src/vault/signing.ts';
import { ServiceTrust } from '../../../src/virtual/phone/trust.ts';
import { dyingAt, survives } from '../support/dying-files.ts';
import { clock, NOW, random, temporaryFolder, turn, unwrap } from '../support/keystore.ts';
import { MemoryToken } from '../support/memory-token.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const ports = { random, clock };
const describedOf = (place: Keystore) =>
  unwrap(readDescription(describeKeys({ knownGeneration: 0n }, unwrap(loadKeystore(place)))));

describe.each(['software', 'token'])('a new anchor of a vault: %s', (kind) => {
  let place: Keystore;
  let token: MemoryToken;
  beforeEach(() => {
    token = new MemoryToken();
    const directory = `${folder.path}/keys`;
    place =
      kind === 'token'
        ? { directory, master: new MasterKeyOfToken(token), token }
        : { directory, master: masterKeyInFile, token: null };
    unwrap(initialise(place, ports));
  });
  const grantOf = () => unwrap(signAsService(CONTEXT.grant, Buffer.from('grant'), unwrap(loadKeystore(place)), ports));

  test('endorses every service key that is held, and the old one is gone', () => {
    const custodian = unwrap(Custodian.open(place, ports));
    const before = custodian.keys.grant.keyId;
    const { slot } = unwrap(custodian.generate({ kind: 'grant' }, 'alice'));
    const old = describedOf(place).anchor;
    const anchor = unwrap(renewAnchor(place, turn));
    const described = describedOf(place);
    expect(described.anchor).toEqual(anchor);
    expect(anchor).not.toEqual(old);
    expect(described.serviceKeys).toHaveLength(3);
    unwrap(custodian.reload());
    expect(custodian.keys.grant.keyId).toBe(before);
    unwrap(custodian.change(slot.id, 'active', 'alice'));
    const anchors = unwrap(openKeystore(place)).slots.filter((candidate) => candidate.kind === 'anchor');
    expect(anchors.map(({ state, block, token: kept }) => [state, block ?? kept !== undefined])).toEqual([
      ['destroyed', false],
      ['active', expect.anything()],
    ]);
    if (kind === 'token') expect(token.ids.filter((id) => id.startsWith('anchor'))).toEqual([anchors[1]?.id]);
  });

  test('is followed by phones that ship any of the anchors before, and by no other way', () => {
    const anchors = [describedOf(place).anchor];
    for (let count = 0; count < 3; count += 1) anchors.push(unwrap(renewAnchor(place, turn)));
    const { serviceKeys } = describedOf(place);
    const wire = serviceKeys.map(({ payload, signature, keyId }) => ({
      payload: Buffer.from(payload),
      signature: Buffer.from(signature),
      keyId,
    }));
    const grant = grantOf();
    for (const anchor of anchors) {
      const trust = new ServiceTrust(anchor, () => NOW);
      trust.endorse(wire);
      expect(trust.open(CONTEXT.grant, grant).payload).toEqual(Buffer.from('grant'));
    }
    const stranger = new ServiceTrust(anchors[0]!, () => NOW);
    stranger.endorse(wire.slice(1));
    expect(() => stranger.open(CONTEXT.grant, grant)).toThrow('signed by no key');
  });

  test('is told with links that lead to it, or not at all', () => {
    for (let count = 0; count < 3; count += 1) unwrap(renewAnchor(place, turn));
    const answer = describeKeys({ knownGeneration: 0n }, unwrap(loadKeystore(place)));
    expect(readDescription(answer).ok).toBe(true);
    const [first, second, third] = answer.anchorLinks;
    for (const anchorLinks of [
      [first!, third!],
      [first!, second!],
      [third!, second!, first!],
      [{ ...third!, payload: Buffer.of(255) }],
    ])
      expect(readDescription({ ...answer, anchorLinks })).toMatchObject({
        reason: 'VAULT_UNAVAILABLE',
        detail: 'anchor link',
      });
  });

  test('comes about or does not, at whatever call of the file system its process dies', () => {
    const counting = dyingAt(Number.POSITIVE_INFINITY, true);
    unwrap(renewAnchor(place, turn, counting));
    const outcomes = new Set<boolean>();
    for (const call of [1, 5, 7, 9, 10, 11, 12].filter((at) => at <= counting.calls())) {
      const before = describedOf(place).anchor;
      survives(() => renewAnchor(place, turn, dyingAt(call, true)));
      const { anchor, serviceKeys } = describedOf(place);
      const key = p256PublicKey(anchor);
      expect(key !== null && verifySigned(CONTEXT.serviceKey, serviceKeys.at(-1)!, key)).toBe(true);
      outcomes.add(anchor.equals(before));
    }
    expect(outcomes.size).toBe(2);
  });

  test('is the eighth at the most', () => {
    for (let count = 0; count < 7; count += 1) unwrap(renewAnchor(place, turn));
    expect(renewAnchor(place, turn)).toMatchObject({ ok: false, reason: 'ANCHORS_FULL' });
    expect(loadKeystore(place).ok).toBe(true);
  });
});
