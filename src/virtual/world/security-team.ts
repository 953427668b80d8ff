import { z } from 'zod';
import type { LogPart } from '../../audit/reading.ts';
import { AuditAdminServiceClient, type ExportLogResponse } from '../../gen/tapgate/v1/audit_admin_service.ts';
import { DeviceAdminServiceClient, type Reappraisal } from '../../gen/tapgate/v1/device_admin_service.ts';
import { type CreateInviteResponse, InviteAdminServiceClient } from '../../gen/tapgate/v1/invite_admin_service.ts';
import {
  PolicyAdminServiceClient,
  PolicyMode,
  type ShadowDifference,
} from '../../gen/tapgate/v1/policy_admin_service.ts';
import { RevocationAdminServiceClient } from '../../gen/tapgate/v1/revocation_admin_service.ts';
import { partFromWire } from '../../wire/audit.ts';
import { callUnary } from '../../wire/call.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../wire/channel.ts';
import { refusalFromError } from '../../wire/status.ts';

const CALL_WITHIN = 15_000;

/** What is compared of a decision that is shown. */
const decisionSchema = z.object({
  decision: z.object({ outcome: z.string(), intent_hash: z.string(), receipt: z.string() }),
});

/** What an invite is made for; left out is as long as ten minutes, and no device replaced. */
export interface WantedInvite {
  readonly acquirer: string;
  readonly merchant: string;
  readonly validForSeconds?: number;
  readonly replacesDeviceId?: string;
}

/** The security team at the admin listener. */
export class SecurityTeam {
  readonly #invites: InviteAdminServiceClient;
  readonly #devices: DeviceAdminServiceClient;
  readonly #revocation: RevocationAdminServiceClient;
  readonly #policies: PolicyAdminServiceClient;
  readonly #audit: AuditAdminServiceClient;

  constructor(address: string, tls: ChannelTls) {
    const credentials = channelCredentials(tls);
    this.#invites = new InviteAdminServiceClient(address, credentials, channelOptions());
    this.#devices = new DeviceAdminServiceClient(address, credentials, channelOptions());
    this.#revocation = new RevocationAdminServiceClient(address, credentials, channelOptions());
    this.#policies = new PolicyAdminServiceClient(address, credentials, channelOptions());
    this.#audit = new AuditAdminServiceClient(address, credentials, channelOptions());
  }

  invite({ acquirer, merchant, validForSeconds = 600, replacesDeviceId = '' }: WantedInvite) {
    const request = { acquirer, merchant, validForSeconds, replacesDeviceId };
    return callUnary<typeof request, CreateInviteResponse>(
      this.#invites.createInvite.bind(this.#invites),
      request,
      CALL_WITHIN,
    );
  }

  async withdraw(inviteId: string): Promise<void> {
    await callUnary(this.#invites.withdrawInvite.bind(this.#invites), { inviteId }, CALL_WITHIN);
  }

  async suspend(deviceId: string, cause: string): Promise<void> {
    await callUnary(this.#devices.suspendDevice.bind(this.#devices), { deviceId, cause }, CALL_WITHIN);
  }

  async resume(deviceId: string, cause: string): Promise<void> {
    await callUnary(this.#devices.resumeDevice.bind(this.#devices), { deviceId, cause }, CALL_WITHIN);
  }

  async revoke(deviceId: string, cause: string): Promise<void> {
    await callUnary(this.#devices.revokeDevice.bind(this.#devices), { deviceId, cause }, CALL_WITHIN);
  }

  /** Has the service fetch the list of revoked certificates now; whether it changed. */
  async refreshRevocationList(): Promise<boolean> {
    const { changed } = await callUnary(this.#revocation.refreshRevocationList.bind(this.#revocation), {}, CALL_WITHIN);
    return changed;
  }

  /** The latest re-appraisals of all devices, the newest first. */
  async reappraisals(): Promise<readonly Reappraisal[]> {
    const call = this.#devices.listReappraisals.bind(this.#devices);
    return (await callUnary(call, {}, CALL_WITHIN)).reappraisals;
  }

  /** The document that is active at a scope, as JSON; by default the default. */
  async policy(scope = 'default'): Promise<{ readonly version: string; readonly document: string }> {
    const call = this.#policies.getPolicy.bind(this.#policies);
    const { policy, document } = await callUnary(call, { policy: scope }, CALL_WITHIN);
    return { version: policy?.version ?? '', document };
  }

  /** Keeps a policy document and puts it in force at a scope, or watches it there; answers its version. */
  async activatePolicy(document: string, scope = 'default', mode: 'active' | 'shadow' = 'active'): Promise<string> {
    const client = this.#policies;
    const note = 'by the security team of this world';
    const { policy } = await callUnary(client.addPolicy.bind(client), { document, note }, CALL_WITHIN);
    const version = policy?.version ?? '';
    const wanted = { version, scope, mode: mode === 'active' ? PolicyMode.ACTIVE : PolicyMode.SHADOW };
    const { generation } = await callUnary(client.previewActivation.bind(client), wanted, CALL_WITHIN);
    await callUnary(client.activatePolicy.bind(client), { ...wanted, note, generation }, CALL_WITHIN);
    return version;
  }

  /** Takes away what is active at a scope. */
  async withdrawPolicy(scope: string): Promise<void> {
    const call = this.#policies.withdrawPolicy.bind(this.#policies);
    await callUnary(call, { scope, mode: PolicyMode.ACTIVE, note: '' }, CALL_WITHIN);
  }

  /** What the candidates that are watched would have decided otherwise. */
  async shadowResult(): Promise<readonly ShadowDifference[]> {
    const call = this.#policies.getShadowResult.bind(this.#policies);
    return (await callUnary(call, { version: '', since: undefined }, CALL_WITHIN)).differences;
  }

  /** Puts a device into a group. */
  async addToGroup(name: string, deviceId: string): Promise<void> {
    const call = this.#policies.addToDeviceGroup.bind(this.#policies);
    await callUnary(call, { name, deviceIds: [deviceId] }, CALL_WITHIN);
  }

  /** What was decided under a grant, as text that changes whenever the decision does; null where nothing was. */
  async decision(grantId: string): Promise<string | null> {
    try {
      const { decision } = await callUnary(this.#audit.getDecision.bind(this.#audit), { grantId }, CALL_WITHIN);
      const { outcome, intent_hash: intent, receipt } = decisionSchema.parse(JSON.parse(decision)).decision;
      return [outcome, intent, receipt].join(' ');
    } catch (error) {
      if (refusalFromError(error)?.reasons.includes('NOT_FOUND')) return null;
      throw error;
    }
  }

  /** The audit log as the service reads it out. */
  async *auditLog(): AsyncGenerator<LogPart> {
    for await (const message of this.#audit.exportLog({}) as AsyncIterable<ExportLogResponse>) {
      const part = partFromWire(message);
      if (!part.ok) throw new Error(`what comes is no part of a log: ${part.detail ?? part.reason}`);
      yield part.value;
    }
  }

  close(): void {
    const clients = [this.#invites, this.#devices, this.#policies, this.#revocation, this.#audit];
    for (const client of clients) client.close();
  }
}
