import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { anchorFromCertificate, createAnchorSet } from '../../../src/attestation/android/anchors.ts';
import { createVerifiedIssuers } from '../../../src/attestation/android/verified-issuers.ts';
import { createAppraiser } from '../../../src/attestation/appraiser.ts';
import { attestationPolicySchema } from '../../../src/attestation/policy.ts';
import type { StatusListChange } from '../../../src/jobs/revocation/change.ts';
import { createRevocationKeeper, type RevocationKeeper } from '../../../src/jobs/revocation/keeper.ts';
import { createStatusListSource } from '../../../src/jobs/revocation/location.ts';
import { openFolderSeal } from '../../../src/jobs/revocation/seal.ts';
import { createSnapshotStore } from '../../../src/jobs/revocation/snapshot.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';
import { ManualTime, POLICY, START } from './support/keeping.ts';
import { json, listOf, loopbackServer } from './support/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'tapgate-life-'));
afterAll(() => rmSync(folder, { recursive: true }));
const HOUR = 3600;
const CHALLENGE = Buffer.alloc(32, 0xc4);
const random = { bytes: (length: number) => randomBytes(length) };

test('a phone is trusted until its key is listed, through restart and outage, and nobody is once the list is too old', async () => {
  const time = new ManualTime();
  const factory = createVirtualFactory(time);
  const phone = factory.provision(honestProfiles(START).tee);
  const { chain } = phone.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: CHALLENGE });
  const serial = new X509Certificate(chain[1]!).serialNumber.toLowerCase().replace(/^0+/, '');

  let published: string[] = ['5871'];
  let isUp = true;
  const server = await loopbackServer((request, response) => {
    if (!isUp) return request.socket.destroy();
    const etag = `"${published.join()}"`;
    if (request.headers['if-none-match'] === etag) return response.writeHead(304).end();
    json(response, listOf(...published), { etag, 'cache-control': 'max-age=7200' });
  });
  const source = createStatusListSource(`${server.origin}/status`, { deadlineMilliseconds: 10_000 });
  const seal = await openFolderSeal(folder, random);
  const anchor = anchorFromCertificate('virtual', factory.anchor.certificate);
  if (!source.ok || !seal.ok || !anchor.ok) throw new Error('not set up');

  const changes: StatusListChange[] = [];
  const startKeeper = async (): Promise<RevocationKeeper> => {
    const keeper = createRevocationKeeper({
      source: source.value,
      snapshots: createSnapshotStore(folder, seal.value),
      policy: () => POLICY,
      clock: time,
      random,
      timer: time,
      onChange: async (change) => {
        changes.push(change);
      },
    });
    await keeper.start();
    return keeper;
  };
  let keeper = await startKeeper();
  const policy = attestationPolicySchema.parse({
    applications: [{ package: VIRTUAL_APPLICATION.packageName, signers: [VIRTUAL_APPLICATION.signerDigest] }],
  });
  const appraiser = createAppraiser({
    policy: () => policy,
    statusList: () => keeper.current(),
    anchors: createAnchorSet([anchor.value]),
    issuers: createVerifiedIssuers(100),
  });
  const appraise = () =>
    appraiser.appraise({ chain, at: time.now(), expected: { challenge: CHALLENGE, purpose: 'sign' } }).reasons;
  const pass = async (seconds: number): Promise<void> => {
    time.advance(seconds);
    await keeper.refresh();
  };

  expect(appraise()).toEqual(['STATUS_LIST_UNAVAILABLE']);
  await pass(0);
  expect(appraise()).toEqual([]);

  published = ['5871', serial];
  await pass(2 * HOUR);
  expect(changes.map(({ listed, unlisted }) => [listed, unlisted])).toEqual([
    [['5871'], []],
    [[serial], []],
  ]);
  expect(appraise()).toEqual(['CHAIN_REVOKED']);

  isUp = false;
  await keeper.stop();
  keeper = await startKeeper();
  expect(keeper.status()).toMatchObject({ snapshot: 'loaded', entries: 2 });
  expect(appraise()).toEqual(['CHAIN_REVOKED']);
  await pass(2 * HOUR);
  expect(keeper.status()).toMatchObject({ failures: 1, lastFailure: { reason: 'UNREACHABLE' } });

  await pass(70 * HOUR);
  expect(appraise()).toEqual(['CHAIN_REVOKED']);
  await pass(1);
  expect(appraise()).toEqual(['CHAIN_REVOKED', 'STATUS_LIST_UNAVAILABLE']);

  isUp = true;
  published = ['5871'];
  await pass(HOUR);
  expect(changes.at(-1)).toMatchObject({ listed: [], unlisted: [serial] });
  expect(appraise()).toEqual([]);
  expect(keeper.status()).toMatchObject({ failures: 0, entries: 1 });

  await keeper.stop();
  await server.close();
});
