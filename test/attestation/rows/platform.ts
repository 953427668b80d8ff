import { derBoolean } from '../../../src/virtual/keymint/der.ts';
import { BOOT_KEY, policyWith, rootOfTrust } from '../support/phone.ts';
import { hardware, type Row } from './row.ts';

export const PLATFORM_ROWS: readonly Row[] = [
  {
    name: 'an attestation by software',
    phone: { description: (stated) => Object.assign(stated, { attestationLevel: 0 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a key in software',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 0 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a security level that nobody knows',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 3 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a TEE where policy asks for StrongBox',
    evidence: { policy: policyWith({ minimumSecurityLevel: 'STRONG_BOX' }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'SECURITY_LEVEL_TOO_LOW' },
  },
  {
    name: 'StrongBox where policy asks for it',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 2, attestationLevel: 2 }) },
    evidence: { policy: policyWith({ minimumSecurityLevel: 'STRONG_BOX' }) },
  },
  {
    name: 'a root of trust that only software states',
    phone: {
      description: ({ hardware: list, software }) => {
        software.set(704, list.get(704)!);
        list.delete(704);
      },
    },
    fails: { ROOT_OF_TRUST_PRESENT: 'ROOT_OF_TRUST_MISSING' },
  },
  {
    name: 'an unlocked boot loader',
    phone: { description: hardware([704, rootOfTrust({ locked: derBoolean(false) })]) },
    fails: { DEVICE_LOCKED: 'BOOT_UNLOCKED' },
  },
  {
    name: 'an unlocked boot loader that policy allows',
    phone: { description: hardware([704, rootOfTrust({ locked: derBoolean(false) })]) },
    evidence: { policy: policyWith({ verifiedBoot: { deviceLocked: false } }) },
  },
  ...[1, 2, 3, 9].map(
    (state): Row => ({
      name: `boot state ${state}`,
      phone: { description: hardware([704, rootOfTrust({ state })]) },
      fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
    }),
  ),
  {
    name: 'a self-signed system whose key policy names',
    phone: { description: hardware([704, rootOfTrust({ state: 1 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY.toUpperCase()] } }) },
  },
  {
    name: 'an unverified system with a key that policy names',
    phone: { description: hardware([704, rootOfTrust({ state: 2 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
  {
    name: 'a self-signed system with a key that policy names, where self-signed systems are off',
    phone: { description: hardware([704, rootOfTrust({ state: 1 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY], states: ['VERIFIED'] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
  {
    name: 'a verified system where policy allows named ones only',
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY], states: ['SELF_SIGNED'] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
];
