import { derInteger } from '../../../src/virtual/keymint/der.ts';
import { policyWith } from '../support/phone.ts';
import { expected, hardware, type Row } from './row.ts';

const floor = (enforceFrom: string | null) => ({
  policy: policyWith({ patches: { os: { maximumAgeDays: 30, enforceFrom }, vendor: null, boot: null } }),
});

/** Appraised at another time, with a floor under the system patch level only. */
const onDay = (at: string, maximumAgeDays: number, maximumDaysAhead = 92) => ({
  at: new Date(at),
  policy: policyWith({ patches: { os: { maximumAgeDays }, vendor: null, boot: null, maximumDaysAhead } }),
});

export const PATCHES_ROWS: readonly Row[] = [
  ...(
    [
      [706, 'OS_PATCH_CURRENT', 202_505],
      [718, 'VENDOR_PATCH_CURRENT', 20_250_601],
      [719, 'BOOT_PATCH_CURRENT', 20_250_601],
    ] as const
  ).flatMap(([tag, code, old]): Row[] => [
    {
      name: `tag ${tag} of more than a year ago`,
      phone: { description: hardware([tag, derInteger(old)]) },
      fails: { [code]: 'PATCH_TOO_OLD' },
    },
    {
      name: `tag ${tag} of 0`,
      phone: { description: hardware([tag, derInteger(0)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
    { name: `no tag ${tag}`, phone: { description: hardware([tag, null]) }, fails: { [code]: 'PATCH_UNKNOWN' } },
    ...[202_513, 202_600, 20_260_532].map(
      (level): Row => ({
        name: `tag ${tag} of ${level}`,
        phone: { description: hardware([tag, derInteger(level)]) },
        fails: { [code]: 'PATCH_UNKNOWN' },
        details: { [code]: `patch level ${level}` },
      }),
    ),
    ...[202_601, 202_512, 20_260_531, 20_260_501].map(
      (level): Row => ({ name: `tag ${tag} of ${level}`, phone: { description: hardware([tag, derInteger(level)]) } }),
    ),
    {
      name: `tag ${tag} of next year`,
      phone: { description: hardware([tag, derInteger(202_706)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
    {
      name: `tag ${tag} of 0, where policy bears with it`,
      phone: { description: hardware([tag, derInteger(0)]) },
      evidence: { policy: policyWith({ patches: { unknown: 'tolerate' } }) },
      tolerates: [code],
    },
  ]),
  { name: 'a vendor patch level without its day', phone: { description: hardware([718, derInteger(202_605)]) } },
  { name: 'a boot patch level of day 00', phone: { description: hardware([719, derInteger(20_260_500)]) } },
  { name: 'a level on the last day of its floor', evidence: onDay('2026-06-15T00:00:00.000Z', 45) },
  {
    name: 'a level after the last day of its floor',
    evidence: onDay('2026-06-15T00:00:00.001Z', 45),
    fails: { OS_PATCH_CURRENT: 'PATCH_TOO_OLD' },
    details: { OS_PATCH_CURRENT: 'patch level 202605 is older than 45 days' },
  },
  { name: 'a level as far ahead as policy allows', evidence: onDay('2026-04-15T00:00:00.000Z', 45, 16) },
  {
    name: 'a level further ahead than policy allows',
    evidence: onDay('2026-04-14T23:59:59.999Z', 45, 16),
    fails: { OS_PATCH_CURRENT: 'PATCH_UNKNOWN' },
  },
  {
    name: 'a floor that comes into force at this instant',
    evidence: { ...floor('2026-06-15'), at: new Date('2026-06-15T00:00:00Z') },
    fails: { OS_PATCH_CURRENT: 'PATCH_TOO_OLD' },
  },
  {
    name: 'a floor that is in force',
    evidence: floor('2026-06-15'),
    fails: { OS_PATCH_CURRENT: 'PATCH_TOO_OLD' },
  },
  {
    name: 'a floor that is announced',
    evidence: floor('2026-06-16'),
    tolerates: ['OS_PATCH_CURRENT'],
    details: { OS_PATCH_CURRENT: 'patch level 202605 is older than 30 days; refused from 2026-06-16' },
  },
  {
    name: 'patches that are not asked for',
    phone: { description: hardware([706, derInteger(0)]) },
    evidence: { expected: { ...expected, patches: 'skip' } },
  },
];
