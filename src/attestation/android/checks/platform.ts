import { attestedRule, fail, PASS, type Rule, skipped } from '../../check.ts';
import type { SecurityLevel } from '../key-description.ts';

const RANK: Readonly<Record<SecurityLevel, number>> = {
  UNKNOWN: -1,
  SOFTWARE: 0,
  TRUSTED_ENVIRONMENT: 1,
  STRONG_BOX: 2,
};

/** Attestation and key are both made by hardware of the level that policy asks for. */
const securityLevel = attestedRule('SECURITY_LEVEL_SUFFICIENT', ({ description }, { policy }) => {
  const { attestationSecurityLevel, keyMintSecurityLevel } = description;
  const lowest = Math.min(RANK[attestationSecurityLevel], RANK[keyMintSecurityLevel]);
  const detail = `attestation ${attestationSecurityLevel}, key ${keyMintSecurityLevel}`;
  if (lowest < RANK.TRUSTED_ENVIRONMENT) return fail('ATTESTATION_SOFTWARE', detail);
  return lowest < RANK[policy.minimumSecurityLevel] ? fail('SECURITY_LEVEL_TOO_LOW', detail) : PASS;
});

/** The hardware itself says how the phone started. */
const rootOfTrust = attestedRule('ROOT_OF_TRUST_PRESENT', ({ description }) =>
  description.hardwareEnforced.rootOfTrust === null ? fail('ROOT_OF_TRUST_MISSING') : PASS,
);

/** The boot loader is locked. */
const deviceLocked = attestedRule('DEVICE_LOCKED', ({ description }, { policy }) => {
  const root = description.hardwareEnforced.rootOfTrust;
  if (root === null) return skipped('no root of trust');
  if (!policy.verifiedBoot.deviceLocked) return skipped('not asked for by policy');
  return root.deviceLocked ? PASS : fail('BOOT_UNLOCKED');
});

/** The phone started a system that its maker signed, or one whose key policy names. */
const bootVerified = attestedRule('BOOT_VERIFIED', ({ description }, { policy: { verifiedBoot } }) => {
  const root = description.hardwareEnforced.rootOfTrust;
  if (root === null) return skipped('no root of trust');
  const state = root.verifiedBootState;
  if (state === 'VERIFIED' && verifiedBoot.states.includes(state)) return PASS;
  const allowedKey = verifiedBoot.keys.includes(root.verifiedBootKey);
  if (state === 'SELF_SIGNED' && verifiedBoot.states.includes(state) && allowedKey) return PASS;
  return fail('BOOT_NOT_VERIFIED', `${state}, verified boot key ${root.verifiedBootKey}`);
});

/** Rules about the phone. */
export const PLATFORM_RULES: readonly Rule[] = [securityLevel, rootOfTrust, deviceLocked, bootVerified];
