import { auditAdminService } from '../server/services/audit-admin.ts';
import { deviceAdminService } from '../server/services/device-admin.ts';
import { inviteAdminService } from '../server/services/invite-admin.ts';
import { keyAdminService } from '../server/services/key-admin.ts';
import { killSwitchAdminService } from '../server/services/kill-switch-admin.ts';
import { policyAdminService } from '../server/services/policy-admin.ts';
import { revocationAdminService } from '../server/services/revocation-admin.ts';
import type { ListenerService } from '../server/transport/service.ts';
import type { Foundations, Groundwork } from './foundations.ts';
import { withPermittedLengths } from './pin-lengths.ts';
import { parsePolicy, policyFromJson } from './policy.ts';
import { comparePolicies } from './policy-effect.ts';

/** The services that those who operate the service call. */
export function adminServices(on: Foundations, shared: Groundwork): readonly ListenerService[] {
  const { clock, random, policies, stores, vault } = on;
  const { policyOf, byDefault, openCalls, onPublished } = shared;
  const { invites } = stores;
  return [
    policyAdminService({
      store: stores.policies,
      groups: stores.deviceGroups,
      source: policies,
      refresh: on.refreshPolicy,
      parse: (text) => {
        const parsed = parsePolicy(text);
        return parsed.ok ? withPermittedLengths(parsed.value, on.vaultConfig) : parsed;
      },
      parseKept: policyFromJson,
      compare: comparePolicies,
      judgedBy: ({ attestation }) => attestation,
      requestReappraisal: on.requestReappraisal,
      shadow: on.shadow,
      shadowStore: stores.policyShadow,
      clock,
      random,
    }),
    inviteAdminService({ ports: { invites, clock, random }, policy: (subject) => policyOf(subject).devices }),
    deviceAdminService({
      search: stores.search,
      standings: stores.standings,
      history: stores.history,
      reappraisals: stores.reappraisals,
      requestReappraisal: on.requestReappraisal,
      clock,
      presence: openCalls,
      onPublished,
    }),
    keyAdminService({
      custody: vault,
      clock,
      policy: () => byDefault().keys,
      look: on.lookAtKeys,
      use: stores.keyUse,
    }),
    killSwitchAdminService({
      kills: stores.killSwitches,
      random,
      sessions: on.presence,
      pinEntries: on.pinEntries,
      refresh: () => on.killSwitches.refresh(),
    }),
    auditAdminService({
      log: stores.auditLog,
      reader: stores.auditReader,
      keyHistory: stores.keyHistory,
      standing: on.auditStanding,
      records: stores.decisionRecords,
      parsePolicy,
      policyOf: async (version) => {
        const kept = await stores.policies.document(version);
        return kept === null ? null : policyFromJson(kept.json);
      },
    }),
    revocationAdminService({
      control: on.revocation,
      policy: () => byDefault().attestation.statusList,
      now: () => clock.now(),
    }),
  ];
}
