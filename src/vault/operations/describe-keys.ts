import { type DescribeKeysAnswer, SigningPurpose } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { VaultKeys } from '../keys.ts';

/** What may be known of the vault's keys: public keys, endorsements, BDK ids, and the acquirers that have zone keys. */
export function describeKeys({ anchor, deviceToken, receipt, grant, ...keys }: VaultKeys): DescribeKeysAnswer {
  return {
    signingKeys: [
      { keyId: deviceToken.keyId, purpose: SigningPurpose.DEVICE_TOKEN, publicKey: deviceToken.spki },
      { keyId: receipt.keyId, purpose: SigningPurpose.RECEIPT, publicKey: receipt.spki },
      { keyId: grant.keyId, purpose: SigningPurpose.GRANT, publicKey: grant.spki },
    ],
    serviceKeys: [
      {
        payload: Buffer.from(grant.endorsement.payload),
        signature: Buffer.from(grant.endorsement.signature),
        keyId: grant.endorsement.keyId,
      },
    ],
    anchor,
    pinBdkId: keys.pinBdk.id,
    accountDataBdkId: keys.accountDataBdk.id,
    acquirers: [...keys.zones.keys()].sort(),
  };
}
