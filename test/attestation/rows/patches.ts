import { derInteger } from '../../../src/virtual/keymint/der.ts';
import { policyWith } from '../support/phone.ts';
import { expected, hardware, type Row } from './row.ts';

const floor = (enforceFrom: string | null) => ({
  policy: policyWith({ patches: { os: { maximumAgeDays: 30, enforceFrom }, vendor: null, boot: null } }),
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
    {
      name: `tag ${tag} of a month that does not exist`,
      phone: { description: hardware([tag, derInteger(202_613)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
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
  {
    name: 'a floor that is in force',
    evidence: floor('2026-06-15'),
    fails: { OS_PATCH_CURRENT: 'PATCH_TOO_OLD' },
  },
  { name: 'a floor that is announced', evidence: floor('2026-06-16'), tolerates: ['OS_PATCH_CURRENT'] },
  {
    name: 'patches that are not asked for',
    phone: { description: hardware([706, derInteger(0)]) },
    evidence: { expected: { ...expected, patches: 'skip' } },
  },
];
