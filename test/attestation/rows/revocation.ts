import { AT, policyWith, statusList } from '../support/phone.ts';
import type { Row } from './row.ts';

export const REVOCATION_ROWS: readonly Row[] = [
  {
    name: 'no status list',
    evidence: { statusList: null },
    fails: { STATUS_LIST_CURRENT: 'STATUS_LIST_UNAVAILABLE' },
    details: { STATUS_LIST_CURRENT: 'no status list' },
  },
  {
    name: 'no status list, where policy needs none',
    evidence: { statusList: null, policy: policyWith({ statusList: { required: false } }) },
  },
  {
    name: 'a status list that is too old',
    evidence: { statusList: statusList({}, new Date(AT.getTime() - 73 * 3_600_000)) },
    fails: { STATUS_LIST_CURRENT: 'STATUS_LIST_UNAVAILABLE' },
    details: { STATUS_LIST_CURRENT: 'status list of 73 hours ago' },
  },
  {
    name: 'a status list of the greatest age',
    evidence: { statusList: statusList({}, new Date(AT.getTime() - 72 * 3_600_000)) },
  },
  {
    name: 'a status list that is too old, where policy needs none',
    evidence: {
      statusList: statusList({ abcd: 'REVOKED' }, new Date(0)),
      policy: policyWith({ statusList: { required: false } }),
    },
    fails: { NOT_REVOKED: 'CHAIN_REVOKED' },
    tolerates: ['STATUS_LIST_CURRENT'],
  },
  ...(
    [
      ['an intermediate', { abcd: 'REVOKED' }],
      ['a batch key with a serial number of digits only', { '5871': 'REVOKED' }],
      ['a suspended batch key', { '5871': 'SUSPENDED' }],
      ['a batch key with a status of tomorrow', { '5871': 'QUARANTINED' }],
      ['a leaf', { '1': 'REVOKED' }],
      ['a root', { f0: 'REVOKED' }],
    ] satisfies [string, Record<string, string>][]
  ).map(
    ([name, entries]): Row => ({
      name: `${name} on the status list`,
      evidence: { statusList: statusList(entries) },
      fails: { NOT_REVOKED: 'CHAIN_REVOKED' },
    }),
  ),
];
