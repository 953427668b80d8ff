import type { Check, KeyFacts } from '../attestation/appraise.ts';
import type { DevicePolicy } from './policy.ts';

/** An attestation key as one accepted chain showed it. */
export interface Sighting {
  /** SHA-256 of the SubjectPublicKeyInfo of the key that signed the attestation. */
  readonly keyId: Buffer;
  /** `remote`: provisioned to one phone, renewed every few weeks. `factory`: shared by a batch of phones. */
  readonly provisioning: 'factory' | 'remote';
  /** Brand and model as the hardware attests them; null where the app did not ask for that. */
  readonly model: string | null;
}

/** What is known of an attestation key from other devices. */
export interface KeySeen {
  readonly sighting: Sighting;
  /** A device beside this one that is not revoked and showed the same key; null where there is none. */
  readonly liveDevice: string | null;
  /** Another model that was attested under the same key; null where there is none. */
  readonly otherModel: string | null;
}

/** The sightings of the chains of one attestation, each key once. */
export function sightingsOf(chains: readonly KeyFacts[]): readonly Sighting[] {
  const byKey = new Map<string, Sighting>();
  for (const { attestationKey, provisioning, deviceIds } of chains) {
    if (attestationKey === null || byKey.has(attestationKey)) continue;
    const model = deviceIds?.model == null ? null : JSON.stringify([deviceIds.brand ?? '', deviceIds.model]);
    byKey.set(attestationKey, { keyId: Buffer.from(attestationKey, 'hex'), provisioning, model });
  }
  return [...byKey.values()];
}

/** A remotely provisioned key belongs to one phone: on a second live device it has left its hardware. */
function unshared(keys: readonly KeySeen[]): Check {
  const code = 'ATTESTATION_KEY_UNSHARED';
  const remote = keys.filter(({ sighting }) => sighting.provisioning === 'remote');
  if (remote.length === 0) return { code, status: 'skipped', detail: 'factory-provisioned' };
  const shared = remote.find(({ liveDevice }) => liveDevice !== null);
  if (shared === undefined) return { code, status: 'pass' };
  const detail = `key ${shared.sighting.keyId.toString('hex')} is seen on device ${shared.liveDevice} too`;
  return { code, status: 'fail', reason: 'ATTESTATION_KEY_SHARED', detail };
}

/** A factory's key is one of a batch, and a batch is of one model; makers have been seen to depart from that. */
function oneModel(keys: readonly KeySeen[], { factoryAcrossModels }: DevicePolicy['sightings']): Check {
  const code = 'ATTESTATION_KEY_OF_ONE_MODEL';
  const factory = keys.filter(({ sighting }) => sighting.provisioning === 'factory' && sighting.model !== null);
  if (factory.length === 0) return { code, status: 'skipped', detail: 'no attested model under a factory key' };
  const across = factory.find(({ otherModel }) => otherModel !== null);
  if (across === undefined) return { code, status: 'pass' };
  const detail = `key ${across.sighting.keyId.toString('hex')} attests ${across.sighting.model} and ${across.otherModel}`;
  if (factoryAcrossModels === 'report') return { code, status: 'tolerated', detail };
  return { code, status: 'fail', reason: 'ATTESTATION_KEY_ACROSS_MODELS', detail };
}

/** Whether the attestation keys of a phone may be its own, by what was seen of them on others. */
export function sightingChecks(keys: readonly KeySeen[], policy: DevicePolicy['sightings']): readonly Check[] {
  return [unshared(keys), oneModel(keys, policy)];
}
