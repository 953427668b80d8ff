import { sha256 } from '../../encoding/digest.ts';
import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { KeyBlockAttributes } from '../key-block/attributes.ts';
import type { OptionalContent } from '../key-block/optional-content.ts';
import type { KeyBlockReason, KeyTransportReason, PaymentResult, Tr34Reason } from '../reason.ts';
import { effectiveStrength, type SecretKey } from '../secret-key.ts';
import { derOctets } from '../secure-key-wrapper/der.ts';
import { checkIssued } from './certificate.ts';
import type { BoundParty, Tr34Party } from './credential.ts';
import { derOid, OIDS } from './der.ts';
import { rsaStrength, type Tr34Policy, tolerated } from './deviation.ts';
import { sealEnvelope } from './enveloped-data.ts';
import { formatHeaderAttribute, formatKeyContent } from './key-content.ts';
import { formatKeyHeader } from './key-header.ts';
import { formatRandomNumberToken, parseRandomNumberToken } from './random-number.ts';
import { derAttribute, formatSigned } from './signed-data.ts';

/** What a host sends to a device. */
export interface KeyDistribution {
  readonly host: Tr34Party;
  /** The device, as {@link bindDevice} returned it. */
  readonly device: BoundParty;
  /** RT-KRD, as the device sent it for this one token. */
  readonly randomNumberToken: Uint8Array;
  readonly key: SecretKey;
  readonly attributes: KeyBlockAttributes;
  readonly optional?: readonly OptionalContent[];
  /** The revocation list of the host's authority, DER: the device looks the host up in it. */
  readonly revocationList: Uint8Array;
}

/**
 * Makes KT-KDH, the key token of the two-pass protocol, DER: EnvelopedData for the device, signed with header and random
 * number among the attributes (TR-34:2019 5.4, B.9). The ephemeral key is AES-128, or AES-256 for a stronger key.
 *
 * Refuses with TR34_DEVIATION an RSA key that is weaker than the key it is to carry, unless the policy tolerates it; with
 * TR34_CERTIFICATE or TR34_CERTIFICATE_EXPIRED a device whose certificate no longer stands; and as header, random number
 * and OAEP do.
 */
export function makeKeyToken(
  distribution: KeyDistribution,
  at: Date,
  random: Random,
  policy: Tr34Policy = {},
): PaymentResult<Buffer, Tr34Reason | KeyBlockReason | KeyTransportReason> {
  const { host, device, key, attributes, optional = [], revocationList } = distribution;
  const stands = checkIssued(device.certificate, device.authority, 'keyEncipherment', at);
  if (!stands.ok) return stands;
  const randomNumber = parseRandomNumberToken(distribution.randomNumberToken);
  if (!randomNumber.ok) return randomNumber;
  const strength = effectiveStrength(key.algorithm, key.bits);
  const weaker = rsaStrength(device.certificate.modulusBits) < strength;
  const accepted = tolerated(weaker ? ['TRANSPORT_KEY_WEAKER_THAN_KEY'] : [], policy);
  if (!accepted.ok) return accepted;
  if (strength > 256) return refuse('KEY_LENGTH');
  const text = formatKeyHeader(key, attributes, optional);
  if (!text.ok) return text;

  const header = Buffer.from(text.value, 'latin1');
  const content = formatKeyContent({ host: host.certificate.identity, key, header });
  const encryption = strength > 128 ? 'AES-256-CBC' : 'AES-128-CBC';
  const envelope = sealEnvelope(content, { device: device.certificate, encryption }, random);
  content.wipe();
  if (!envelope.ok) return envelope;
  return ok(
    formatSigned({
      contentType: OIDS.envelopedData,
      content: envelope.value,
      attributes: [
        derAttribute(OIDS.contentType, derOid(OIDS.envelopedData)),
        derAttribute(OIDS.messageDigest, derOctets(sha256(envelope.value))),
        formatRandomNumberToken(randomNumber.value),
        formatHeaderAttribute(header),
      ],
      identity: host.certificate.identity,
      privateKey: host.privateKey,
      revocationLists: [revocationList],
    }),
  );
}
