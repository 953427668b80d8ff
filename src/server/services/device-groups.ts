import type {
  AddToDeviceGroupRequest,
  AddToDeviceGroupResponse,
  GetDeviceGroupRequest,
  GetDeviceGroupResponse,
  ListDeviceGroupChangesRequest,
  ListDeviceGroupChangesResponse,
  ListDeviceGroupsRequest,
  ListDeviceGroupsResponse,
  RemoveFromDeviceGroupRequest,
  RemoveFromDeviceGroupResponse,
} from '../../gen/tapgate/v1/policy_admin_service.ts';
import { isGroupName } from '../../policy/scope.ts';
import type { DeviceGroupStore, GroupChanged } from '../../policy/store.ts';
import type { Clock } from '../../ports/clock.ts';
import { isUuid } from '../../ports/random.ts';
import { groupChangeToWire } from '../../wire/policy-admin.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { unary } from '../transport/service.ts';

const READERS = ['security', 'operator', 'auditor'];
/** A group may be under a policy of its own: who is in it decides what holds for a phone. */
const WRITERS = ['security'];
/** Each names up to 500 devices. */
const MAXIMUM_CHANGES = 100;
const MAXIMUM_PAGE = 500;
const PAGE = 50;

/** What device groups are made of. */
export interface DeviceGroupParts {
  readonly groups: DeviceGroupStore;
  readonly clock: Clock;
  /** Has this replica look for changes of policy and groups now. */
  readonly refresh: () => Promise<void>;
}

/** The methods of PolicyAdminService that are about device groups. */
export function deviceGroupMethods({ groups, clock, refresh }: DeviceGroupParts) {
  return {
    listDeviceGroups: unary<ListDeviceGroupsRequest, ListDeviceGroupsResponse>(async (_request, context) => {
      requireRole(context.caller, READERS);
      return { groups: [...(await groups.groups())] };
    }),
    getDeviceGroup: unary<GetDeviceGroupRequest, GetDeviceGroupResponse>(async (request, context) => {
      requireRole(context.caller, READERS);
      const { pageSize, afterDeviceId } = request;
      if (pageSize > MAXIMUM_PAGE) throw new CallRefused(['MALFORMED_MESSAGE'], `page_size: over ${MAXIMUM_PAGE}`);
      const after = afterDeviceId === '' ? null : (devices([afterDeviceId])[0] ?? null);
      const limit = pageSize === 0 ? PAGE : pageSize;
      return { deviceIds: [...(await groups.members(named(request.name), after, limit))] };
    }),
    listDeviceGroupChanges: unary<ListDeviceGroupChangesRequest, ListDeviceGroupChangesResponse>(
      async ({ name, pageSize, beforeNumber }, context) => {
        requireRole(context.caller, READERS);
        if (pageSize > MAXIMUM_CHANGES) {
          throw new CallRefused(['MALFORMED_MESSAGE'], `page_size: over ${MAXIMUM_CHANGES}`);
        }
        const before = beforeNumber === 0n ? null : beforeNumber;
        const found = await groups.changes(named(name), before, pageSize === 0 ? PAGE : pageSize);
        return { changes: found.map(groupChangeToWire) };
      },
    ),
    addToDeviceGroup: unary<AddToDeviceGroupRequest, AddToDeviceGroupResponse>(async (request, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const name = named(request.name);
      const added = changedOf(await groups.addMembers(name, devices(request.deviceIds), person, clock.now()));
      context.logger.warn({ group: name, devices: request.deviceIds, by: person }, 'added to a device group');
      await refresh();
      return { group: { name, devices: added.devices }, added: added.changed };
    }),
    removeFromDeviceGroup: unary<RemoveFromDeviceGroupRequest, RemoveFromDeviceGroupResponse>(
      async (request, context) => {
        const { person } = requireRole(context.caller, WRITERS);
        const name = named(request.name);
        const removed = changedOf(await groups.removeMembers(name, devices(request.deviceIds), person, clock.now()));
        context.logger.warn({ group: name, devices: request.deviceIds, by: person }, 'removed from a device group');
        await refresh();
        return { group: { name, devices: removed.devices }, removed: removed.changed };
      },
    ),
  };
}

function named(name: string): string {
  if (!isGroupName(name)) throw new CallRefused(['MALFORMED_MESSAGE'], 'name of the group');
  return name;
}

function devices(ids: readonly string[]): readonly string[] {
  if (ids.length === 0 || ids.length > MAXIMUM_PAGE) {
    throw new CallRefused(['MALFORMED_MESSAGE'], `device_ids: 1 to ${MAXIMUM_PAGE}`);
  }
  if (!ids.every(isUuid)) throw new CallRefused(['MALFORMED_MESSAGE'], 'device_ids: not a device id');
  return ids;
}

function changedOf(changed: GroupChanged): Extract<GroupChanged, { outcome: 'changed' }> {
  switch (changed.outcome) {
    case 'changed':
      return changed;
    case 'no-such-device':
      throw new CallRefused(['NOT_FOUND'], `device ${changed.deviceId}`);
    case 'limit-reached':
      throw new CallRefused(['POLICY_LIMIT_REACHED'], 'devices of a group');
  }
}
