import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import { type IntegrityAppraisal, integrityNotAsked } from '../../src/attestation/play-integrity/appraise.ts';
import type { IntegrityAppraiser } from '../../src/attestation/play-integrity/appraiser.ts';
import type { Evidence, Identity, PendingChallenge } from '../../src/devices/evidence.ts';
import {
  type AttestationExchangePolicy,
  type AttestationPorts,
  challengePhone,
  concludeAttestation,
  type Hello,
} from '../../src/devices/exchange.ts';
import { createInvite } from '../../src/devices/invite.ts';
import { devicePolicySchema } from '../../src/devices/policy.ts';
import { attestationChallenge, attestationTranscript } from '../../src/encoding/contexts.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { tokenPolicySchema } from '../../src/tokens/policy.ts';
import { encodePosture } from '../../src/wire/posture.ts';
import { attestationChain, chainAppraiser } from '../support/appraiser.ts';
import { TestClock } from '../support/clock.ts';
import { PLATFORM } from '../support/facts.ts';
import { openGuard } from '../support/kills.ts';
import { SeededRandom } from '../support/random.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { SigningVault } from '../support/vault.ts';

export const POLICY: AttestationExchangePolicy = {
  devices: devicePolicySchema.parse({
    inviteSeconds: 3600,
    openInvitesPerMerchant: 5,
    activeDevicesPerMerchant: 3,
    challengeSeconds: 120,
    postureForbidsAttestation: ['debugger', 'hooking'],
  }),
  tokens: tokenPolicySchema.parse({ lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0.2 }),
  version: 'policy-1',
};

export const ISSUER = 'https://tapgate.example';

/** A phone's evidence before it is signed: what a test bends. */
export interface EvidenceDraft {
  sessionKey: SigningKey;
  deviceKey: SigningKey;
  /** Whom the session key's chain was made for; by default this exchange. */
  challenge: Buffer;
  sessionRefused: Reason | null;
  deviceRefused: Reason | null;
  devicePlatform: PlatformFacts | null;
  /** What the phone attests of itself, for both keys. */
  platform: PlatformFacts;
  signs: Evidence['reported'];
  /** Changed after it is signed. */
  sent: (evidence: Evidence) => Evidence;
}

/** The attestation exchange over stores in memory. */
export class AttestationTable {
  readonly clock = new TestClock();
  readonly stores = new MemoryStores();
  readonly vault = new SigningVault();
  readonly challenges = new MemoryVolatileStore<string>(this.clock, 100);
  readonly random = new SeededRandom('attestation');
  readonly kills = openGuard();
  policy: AttestationExchangePolicy = POLICY;
  /** How the attestation key of all phones was provisioned; it is one and the same. */
  provisioning: 'factory' | 'remote' = 'factory';
  /** What Google Play says of every phone, and what it was asked. */
  integrity: IntegrityAppraisal = integrityNotAsked();
  readonly asked: Parameters<IntegrityAppraiser['appraise']>[0][] = [];

  get ports(): AttestationPorts {
    const { clock, random, vault, challenges } = this;
    const { invites, devices } = this.stores;
    const integrity: IntegrityAppraiser = {
      appraise: async (evidence) => {
        this.asked.push(evidence);
        return this.integrity;
      },
    };
    const exchange = {
      clock,
      random,
      issuer: ISSUER,
      build: 'tapgate test',
      invites,
      devices,
      challenges,
      kills: this.kills,
      signer: vault,
    };
    return { ...exchange, appraiser: chainAppraiser, integrity };
  }

  /** The code of a new invite. */
  async invite(replaces: string | null = null): Promise<string> {
    const request = { acquirer: 'acquirer-a', merchant: 'shop-1', validForSeconds: 0, replaces, by: 'ann' };
    return unwrap(await createInvite(request, this.ports, this.policy.devices)).code;
  }

  /** A hello; its bytes name the identity, and differ where the identity does. */
  hello(identity: Identity): Hello {
    return { identity, bytes: Buffer.from(JSON.stringify(identity)) };
  }

  challenge(identity: Identity) {
    return challengePhone(this.hello(identity), this.policy, this.ports);
  }

  evidence(pending: PendingChallenge, bend: (draft: EvidenceDraft) => void, deviceKey = signingKey()): Evidence {
    const draft: EvidenceDraft = {
      sessionKey: signingKey(),
      deviceKey,
      challenge: attestationChallenge(pending.nonce, pending.hello),
      sessionRefused: null,
      deviceRefused: null,
      devicePlatform: null,
      platform: PLATFORM,
      signs: new Set(),
      sent: (evidence) => evidence,
    };
    bend(draft);
    const { sessionKey, challenge } = draft;
    const transcript = attestationTranscript(challenge, sessionKey.spki);
    const posture = encodePosture(draft.signs);
    const deviceChain = {
      key: draft.deviceKey.spki,
      challenge,
      purpose: 'sign' as const,
      platform: draft.devicePlatform ?? draft.platform,
      ...(draft.deviceRefused && { refused: draft.deviceRefused }),
    };
    return draft.sent({
      sessionKeyChain: attestationChain({
        key: sessionKey.spki,
        challenge,
        purpose: 'sign',
        platform: draft.platform,
        provisioning: this.provisioning,
        ...(draft.sessionRefused && { refused: draft.sessionRefused }),
      }),
      deviceKeyChain: pending.party.kind === 'invite' ? attestationChain(deviceChain) : [],
      sessionSignature: sessionKey.sign(CONTEXT.evidence, Buffer.concat([transcript, posture])).signature,
      deviceSignature: draft.deviceKey.sign(CONTEXT.deviceKey, transcript).signature,
      posture,
      reported: draft.signs,
      playIntegrityToken: 'integrity token',
    });
  }

  /** A whole exchange of an identity. */
  async attest(identity: Identity, deviceKey: SigningKey, bend: (draft: EvidenceDraft) => void = () => {}) {
    const pending = unwrap(await this.challenge(identity));
    return this.conclude(pending, this.evidence(pending, bend, deviceKey));
  }

  /** Enrols the phone of a device key with an invite of its own. */
  async enrolled(deviceKey: SigningKey): Promise<{ readonly code: string; readonly deviceId: string }> {
    const code = await this.invite();
    return { code, deviceId: unwrap(await this.attest(byInvite(code), deviceKey)).deviceId };
  }

  conclude(pending: PendingChallenge, evidence: Evidence) {
    return concludeAttestation(pending, evidence, this.policy, this.ports);
  }
}

/** An identity by invite. */
export const byInvite = (code: string, deviceKeyHash: Uint8Array = Buffer.alloc(0)): Identity => ({
  kind: 'invite',
  code,
  deviceKeyHash,
});

/** An identity of a phone that is enrolled. */
export const byDevice = (deviceId: string): Identity => ({ kind: 'device', deviceId });

/** Evidence that another device key has signed. */
export function foreignDeviceKey(draft: EvidenceDraft): void {
  const transcript = attestationTranscript(draft.challenge, draft.sessionKey.spki);
  draft.sent = (evidence) => ({
    ...evidence,
    deviceSignature: signingKey().sign(CONTEXT.deviceKey, transcript).signature,
  });
}
