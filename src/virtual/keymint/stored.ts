import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { equalBytes } from '../../encoding/digest.ts';
import type { Clock } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { VirtualKeyMint } from './keymint.ts';

const digest = z.hex().length(64);
const version = z.int().min(0).max(2_147_483_647);

const nameType = z.union([
  z.enum(['CN', 'serialNumber', 'C', 'L', 'ST', 'O', 'OU', 'title']),
  z.templateLiteral([z.int(), '.', z.int(), '.', z.string().max(64)]),
]);

const profileSchema = z.strictObject({
  securityLevel: z.enum(['software', 'tee', 'strongbox']),
  attestationVersion: version,
  keymintVersion: version,
  provisioning: z.enum(['factory', 'rkp']),
  provisionedAt: z.iso.datetime(),
  attestationKey: z.enum(['EC', 'RSA']),
  batchSerial: z.hex().max(40).exactOptional(),
  certificatesIssued: version,
  verifiedBootKey: digest,
  deviceLocked: z.boolean(),
  verifiedBootState: z.enum(['verified', 'self-signed', 'unverified', 'failed']),
  verifiedBootHash: digest,
  osVersion: version,
  osPatchLevel: version,
  vendorPatchLevel: version,
  bootPatchLevel: version,
  application: z.strictObject({ packageName: z.string().min(1).max(256), version, signerDigest: digest }).nullable(),
});

const storedKeyMintSchema = z.strictObject({
  profile: profileSchema,
  attestationKey: z.strictObject({
    /** Subject of its certificate. */
    name: z.array(z.strictObject({ type: nameType, value: z.string().max(256) })).max(8),
    /** PKCS #8, PEM. */
    key: z.string().max(8192),
    /** Base64 DER, its own certificate first. */
    chain: z.array(z.base64().max(16_384)).min(1).max(8),
  }),
});

/** A phone's KeyMint as it is kept in a file that nobody else may read: what it attests, and its attestation key. */
export type StoredKeyMint = z.infer<typeof storedKeyMintSchema>;

/** The KeyMint as a file. */
export function storeKeyMint(keymint: VirtualKeyMint): StoredKeyMint {
  const { name, privateKey, chain } = keymint.attestationKey;
  return {
    profile: keymint.profile,
    attestationKey: {
      name: [...name],
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      chain: chain.map((certificate) => certificate.toString('base64')),
    },
  };
}

/** Loads a KeyMint from its file. Refuses what is not of that form, and a key that its certificate does not name. */
export function loadKeyMint(stored: unknown, clock: Clock): Result<VirtualKeyMint, 'PHONE_MALFORMED'> {
  const parsed = storedKeyMintSchema.safeParse(stored);
  if (!parsed.success) return refuse('PHONE_MALFORMED', z.prettifyError(parsed.error));
  const { profile, attestationKey } = parsed.data;
  try {
    const privateKey = createPrivateKey(attestationKey.key);
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    const chain = attestationKey.chain.map((certificate) => Buffer.from(certificate, 'base64'));
    const certified = new X509Certificate(chain[0] ?? Buffer.alloc(0)).publicKey.export({
      type: 'spki',
      format: 'der',
    });
    if (!equalBytes(publicKey, certified)) return refuse('PHONE_MALFORMED', 'the certificate is of another key');
    return ok(new VirtualKeyMint(profile, { name: attestationKey.name, privateKey, publicKey, chain }, clock));
  } catch {
    // What OpenSSL says of a private key's text stays out of messages.
    return refuse('PHONE_MALFORMED', 'attestation key');
  }
}
