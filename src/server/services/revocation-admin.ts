import { createHash } from 'node:crypto';
import type { StatusList } from '../../attestation/android/revocation.ts';
import {
  RevocationAdminServiceService,
  type RevocationStatus as WireStatus,
} from '../../gen/tapgate/v1/revocation_admin_service.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';

const REFRESH_WITHIN = 60_000;

/** The status list as the administrator's service sees it. */
export interface RevocationControl {
  /** The list in force; null for none. */
  current(): StatusList | null;
  status(): {
    readonly source: string;
    readonly lastFailure: { readonly reason: string } | null;
    readonly nextRefreshAt: Date | null;
  };
  refresh(): Promise<{ readonly ok: boolean }>;
}

/** What the revocation service is made of. */
export interface RevocationAdminServiceParts {
  /** Null where no list is configured. */
  readonly control: RevocationControl | null;
  readonly policy: () => { readonly required: boolean; readonly maximumAgeHours: number };
  readonly now: () => Date;
}

/** RevocationAdminService. */
export function revocationAdminService(parts: RevocationAdminServiceParts) {
  return service(RevocationAdminServiceService, {
    getRevocationStatus: unary(async (_request, context) => {
      requireRole(context.caller, ['security', 'operator', 'auditor']);
      return { status: statusToWire(parts) };
    }),
    refreshRevocationList: unary(async (_request, context) => {
      const { person } = requireRole(context.caller, ['security']);
      const { control } = parts;
      if (control === null) throw new CallRefused(['NOT_FOUND'], 'no status list is configured');
      const before = digestOf(control.current());
      await control.refresh();
      context.logger.info({ by: person }, 'list of revoked certificates asked for');
      return { status: statusToWire(parts), changed: digestOf(control.current()) !== before };
    }, REFRESH_WITHIN),
  });
}

function statusToWire({ control, policy, now }: RevocationAdminServiceParts): WireStatus {
  const list = control?.current() ?? null;
  const status = control?.status();
  const { required, maximumAgeHours } = policy();
  const stale = list === null || now().getTime() - list.fetchedAt.getTime() > maximumAgeHours * 3_600_000;
  return {
    source: status?.source ?? '',
    fetchedAt: list?.fetchedAt,
    entries: list?.entries.size ?? 0,
    digest: digestOf(list),
    required,
    stale,
    lastFailure: status?.lastFailure?.reason ?? '',
    nextAttemptAt: status?.nextRefreshAt ?? undefined,
  };
}

/** SHA-256 over serial numbers and statuses in their order: the same revocations, the same digest. */
function digestOf(list: StatusList | null): string {
  if (list === null) return '';
  const digest = createHash('sha256');
  for (const serial of [...list.entries.keys()].sort())
    digest.update(`${serial} ${list.entries.get(serial)?.status}\n`);
  return digest.digest('hex');
}
