import {
  type DescribeKeysAnswer,
  type DescribeKeysCall,
  SigningPurpose,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { useOf } from '../../keys/state.ts';
import { slotStateToWire } from '../../wire/key-slot.ts';
import type { VaultKeys } from '../keys.ts';

const PURPOSES: Partial<Readonly<Record<SlotKind, SigningPurpose>>> = {
  'device-token': SigningPurpose.DEVICE_TOKEN,
  receipt: SigningPurpose.RECEIPT,
  grant: SigningPurpose.GRANT,
  audit: SigningPurpose.AUDIT,
};

/**
 * What may be known of the vault's keys: public keys with their states, endorsements of the service keys that phones are
 * told of, ids of the active BDKs, and the acquirers that have zone keys. Where the caller knows this generation of the
 * keystore already, it is told just that.
 */
export function describeKeys({ knownGeneration }: DescribeKeysCall, keys: VaultKeys): DescribeKeysAnswer {
  const generation = BigInt(keys.generation);
  if (knownGeneration !== 0n && knownGeneration === generation) return { ...EMPTY, generation, unchanged: true };
  const { publicKeys, anchor, pinBdk, accountDataBdk, zones } = keys;
  return {
    signingKeys: publicKeys.map(({ keyId, kind, state, spki, endorsement }) => ({
      keyId,
      purpose: PURPOSES[kind] ?? SigningPurpose.UNSPECIFIED,
      publicKey: spki,
      state: slotStateToWire(state),
      endorsement: endorsement?.signature ?? Buffer.alloc(0),
    })),
    serviceKeys: publicKeys.flatMap(({ endorsed, state }) =>
      endorsed === null || !useOf(state).isPublished
        ? []
        : [
            {
              payload: Buffer.from(endorsed.endorsement.payload),
              signature: Buffer.from(endorsed.endorsement.signature),
              keyId: endorsed.endorsement.keyId,
            },
          ],
    ),
    anchor,
    anchorLinks: keys.anchorLinks.map(({ payload, signature, keyId }) => ({
      payload: Buffer.from(payload),
      signature: Buffer.from(signature),
      keyId,
    })),
    pinBdkId: pinBdk.id,
    accountDataBdkId: accountDataBdk.id,
    acquirers: [...zones.keys()].sort(),
    generation,
    unchanged: false,
  };
}

const EMPTY: DescribeKeysAnswer = {
  signingKeys: [],
  serviceKeys: [],
  anchor: Buffer.alloc(0),
  anchorLinks: [],
  pinBdkId: Buffer.alloc(0),
  accountDataBdkId: Buffer.alloc(0),
  acquirers: [],
  generation: 0n,
  unchanged: true,
};
