import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { anchorFromCertificate, createAnchorSet } from '../../../src/attestation/android/anchors.ts';
import { createVerifiedIssuers } from '../../../src/attestation/android/verified-issuers.ts';
import { createAppraiser } from '../../../src/attestation/appraiser.ts';
import { integrityNotAsked } from '../../../src/attestation/play-integrity/appraise.ts';
import { attestationPolicySchema } from '../../../src/attestation/policy.ts';
import { createInvite } from '../../../src/devices/invite.ts';
import { AttestationServiceClient } from '../../../src/gen/tapgate/v1/attestation_service.ts';
import { AttestationAdmission } from '../../../src/server/admission/attestation-admission.ts';
import { admissionPolicySchema } from '../../../src/server/admission/policy.ts';
import { Turnstile } from '../../../src/server/admission/turnstile.ts';
import { attestationService } from '../../../src/server/services/attestation.ts';
import { MemoryVolatileStore } from '../../../src/store/volatile/memory.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';
import { connectDevice, type DeviceConnection } from '../../../src/virtual/phone/connection.ts';
import { VirtualPhone } from '../../../src/virtual/phone/phone.ts';
import { ClientConversation } from '../../../src/wire/channel.ts';
import { POLICY } from '../../devices/support.ts';
import { TestClock } from '../../support/clock.ts';
import { openGuard } from '../../support/kills.ts';
import { SeededRandom } from '../../support/random.ts';
import { signingKey } from '../../support/signing-key.ts';
import { MemoryStores } from '../../support/stores.ts';
import { unwrap } from '../../support/unwrap.ts';
import { SigningVault } from '../../support/vault.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

const ROOM = 8;

/** The attestation service on a device listener, over stores in memory. */
class AttestationEdge {
  readonly clock = new TestClock();
  readonly stores = new MemoryStores();
  readonly challenges = new MemoryVolatileStore<string>(this.clock, ROOM);
  readonly random = new SeededRandom('attestation service');
  readonly vault = new SigningVault();
  readonly replaced: string[] = [];
  readonly factory = createVirtualFactory(this.clock);
  readonly certificates: Certificates;
  edge!: Edge;
  connection!: DeviceConnection;

  private constructor(certificates: Certificates) {
    this.certificates = certificates;
  }

  static async start(certificates: Certificates): Promise<AttestationEdge> {
    const on = new AttestationEdge(certificates);
    on.edge = await startEdge(certificates, 'device', [on.#service()]);
    const port = on.edge.listener.address.port;
    on.connection = connectDevice(`localhost:${port}`, await certificates.read('device/ca.crt'));
    return on;
  }

  #service() {
    const { clock, random, stores, challenges, vault } = this;
    const anchor = unwrap(anchorFromCertificate('virtual-factory', this.factory.anchor.certificate));
    const policy = attestationPolicySchema.parse({
      applications: [{ package: VIRTUAL_APPLICATION.packageName, signers: [VIRTUAL_APPLICATION.signerDigest] }],
      statusList: { required: false },
    });
    const admission = admissionPolicySchema.parse({ device: {}, processing: {}, admin: {}, attestation: {} });
    const open = new Turnstile({ bounds: () => ({ atOneTime: 64, waiting: 64 }), clock });
    return attestationService({
      ports: {
        clock,
        random,
        issuer: 'https://tapgate.example',
        build: 'tapgate test',
        invites: stores.invites,
        devices: stores.devices,
        challenges,
        kills: openGuard(),
        signer: vault,
      },
      appraisers: () => ({
        appraiser: createAppraiser({
          policy: () => policy,
          statusList: () => null,
          anchors: createAnchorSet([anchor]),
          issuers: createVerifiedIssuers(10),
        }),
        integrity: { appraise: async () => integrityNotAsked() },
      }),
      policy: () => POLICY,
      admission: new AttestationAdmission({
        limit: { take: async () => ({ allowed: true }), charge: async () => {} },
        policy: () => admission.attestation,
        exchanges: open,
        appraisals: open,
        onRefused: () => {},
      }),
      onAppraised: () => {},
      onReplaced: (deviceId) => this.replaced.push(deviceId),
      serviceKeys: () => [],
    });
  }

  async invite(replaces: string | null = null): Promise<string> {
    const request = { acquirer: 'acquirer-a', merchant: 'shop-1', validForSeconds: 0, replaces, by: 'ann' };
    const ports = { invites: this.stores.invites, clock: this.clock, random: this.random };
    return unwrap(await createInvite(request, ports, POLICY.devices)).code;
  }

  phone(): VirtualPhone {
    const { connection, clock, random } = this;
    return new VirtualPhone({
      connection,
      keymint: this.factory.provision(honestProfiles(clock.now()).rkp),
      application: VIRTUAL_APPLICATION,
      serviceAnchor: signingKey().spki,
      now: () => clock.now(),
      random,
    });
  }

  async stop(): Promise<void> {
    this.connection.close();
    await this.edge.listener.drain(2000);
  }
}

let certificates: Certificates;
let on: AttestationEdge;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());
beforeEach(async () => {
  on = await AttestationEdge.start(certificates);
});
afterEach(() => on.stop());

describe('a phone whose app was ended', () => {
  test('resumes with the key that its key store kept, and has a new token', async () => {
    const phone = on.phone();
    const attested = await phone.attest(await on.invite());
    phone.endProcess();
    on.clock.advance(300_000);
    const resumed = await phone.resume();
    expect(resumed).toMatchObject({ deviceId: attested.deviceId, checks: [] });
    expect(resumed.deviceToken).not.toBe(attested.deviceToken);
    expect(phone.memory.session?.token).toBe(resumed.deviceToken);
  });

  test('attests again where its attestation is too old: with a new key, as the same device', async () => {
    const phone = on.phone();
    const { deviceId } = await phone.attest(await on.invite());
    const before = phone.memory.sessionKey?.thumbprint;
    phone.endProcess();
    on.clock.advance(POLICY.devices.fullAttestationSeconds * 1000);
    const again = await phone.resume();
    expect(again.deviceId).toBe(deviceId);
    expect(again.checks.length).toBeGreaterThan(0);
    expect(phone.memory.sessionKey?.thumbprint).not.toBe(before);
  });

  test('is refused where somebody else signs, and told no more than that', async () => {
    const phone = on.phone();
    await phone.attest(await on.invite());
    const stolen = phone.resume({ proof: (proof) => ({ ...proof, sessionSignature: Buffer.alloc(70, 1) }) });
    await expect(stolen).rejects.toMatchObject({ reasons: ['SESSION_KEY_MISMATCH'] });
  });
});

describe('a phone that replaces another one', () => {
  test('enrols, and the open session of the other one is told', async () => {
    const lost = on.phone();
    const { deviceId } = await lost.attest(await on.invite());
    await on.phone().attest(await on.invite(deviceId));
    expect(on.replaced).toEqual([deviceId]);
    await expect(lost.resume()).rejects.toMatchObject({ reasons: ['DEVICE_REVOKED'] });
  });
});

describe('the room for challenges', () => {
  test('is not filled by one phone that asks and leaves', async () => {
    const phone = on.phone();
    await phone.attest(await on.invite());
    const client = new AttestationServiceClient(...channelTo(on.edge, await certificates.client('device')));
    try {
      for (let count = 0; count < ROOM * 3; count += 1) {
        phone.memory.probe = async ({ direction }) => {
          if (direction === 'received') throw new Error('the phone leaves');
        };
        await expect(phone.attest(null)).rejects.toThrow('the phone leaves');
        await expect(phone.resume()).rejects.toThrow('the phone leaves');
        const silent = new ClientConversation(client.resume());
        silent.cancel();
      }
    } finally {
      client.close();
    }
    phone.memory.probe = async () => {};
    expect(await phone.attest(null)).toMatchObject({ deviceId: phone.memory.deviceId });
  });
});
