import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { initCertificates } from '../../../src/certs/init.ts';
import type { RecordedAppraisal } from '../../../src/devices/history.ts';
import type { Reappraisal } from '../../../src/devices/reappraisal.ts';
import type { DeviceQuery, ListedDevice } from '../../../src/devices/search.ts';
import type { Standing, StandingMove } from '../../../src/devices/standing.ts';
import {
  AppraisalVerdict,
  DeviceAdminServiceClient,
  DeviceStatus,
  ListDevicesRequest,
  ReappraisalPrompt,
  type ReappraiseDevicesResponse,
} from '../../../src/gen/tapgate/v1/device_admin_service.ts';
import { CheckStatus } from '../../../src/gen/tapgate/v1/refusal.ts';
import { deviceAdminService } from '../../../src/server/services/device-admin.ts';
import { Presence } from '../../../src/sessions/presence.ts';
import { callUnary, type UnaryCall } from '../../../src/wire/call.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { START, TestClock } from '../../support/clock.ts';
import { ATTESTED } from '../../support/facts.ts';
import { handleOf, phoneSubject } from '../../support/subject.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

const ID = '6f1c2b3a-0000-4000-8000-000000000001';
const RUN_ID = '6f1c2b3a-0000-4000-8000-000000000002';

const APPRAISAL: RecordedAppraisal = {
  id: '6f1c2b3a-0000-4000-8000-000000000003',
  appraisedAt: START,
  policyVersion: 'policy-1',
  verdict: 'refused',
  reasons: ['CHAIN_REVOKED'],
  reappraisalId: RUN_ID,
  checks: [{ code: 'NOT_REVOKED', status: 'fail', reason: 'CHAIN_REVOKED', detail: 'certificate 1' }],
};

const RUN: Reappraisal = {
  id: RUN_ID,
  prompt: 'person',
  requestedBy: 'ann',
  requestedAt: START,
  policyVersion: 'policy-1',
  devices: 2,
  begunAt: START,
  finishedAt: null,
  examined: 0,
  refused: 0,
  withoutEvidence: 0,
  undecided: 0,
};

let certificates: Certificates;
let edge: Edge;
let standing: Standing;
let moves: StandingMove[];
let asked: DeviceQuery[];
let requestedBy: string[];
let progress: Reappraisal[];
const presence = new Presence();
const clients: DeviceAdminServiceClient[] = [];

const listed = (): ListedDevice => ({
  id: ID,
  acquirer: 'acquirer-a',
  merchant: 'shop-1',
  standing,
  attested: ATTESTED,
  enrolledAt: START,
  attestedAt: START,
});

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapgate-certs-'));
  const admins = ['security', 'operator', 'auditor'].map((role) => ({ role, person: 'ann' }));
  await initCertificates({ directory, hosts: [], acquirers: ['acme'], admins, now: new Date(), days: 2 });
  certificates = new Certificates(directory);
  const service = deviceAdminService({
    clock: new TestClock(),
    presence,
    onPublished: () => {},
    search: {
      find: async (query) => {
        asked.push(query);
        return [listed()];
      },
      listed: async (id) => (id === ID ? listed() : null),
    },
    standings: {
      move: async (id, decide) => {
        if (id !== ID) return null;
        const decided = decide(standing);
        if (!decided.ok) return decided;
        if (decided.value !== null) moves.push(decided.value);
        standing = decided.value?.to ?? standing;
        return { ok: true, changed: decided.value !== null };
      },
      changes: async () => [{ from: 'active', to: 'suspended', by: 'ann', cause: 'lost', at: START }],
    },
    history: {
      appraisals: async () => [APPRAISAL],
      sessions: async () => [
        { thumbprint: 'session-1', status: 'revoked', current: true, pinForbidden: false, createdAt: START },
      ],
    },
    reappraisals: {
      reappraisal: async () => (progress.length > 1 ? progress.shift() : progress[0]) ?? null,
      latest: async () => [RUN],
    },
    requestReappraisal: async (_prompt, by) => {
      requestedBy.push(by);
      return RUN_ID;
    },
  });
  edge = await startEdge(certificates, 'admin', [service]);
});

afterAll(async () => {
  for (const client of clients) client.close();
  await edge.listener.drain(1000);
  await certificates.remove();
});

beforeEach(() => {
  standing = 'active';
  moves = [];
  asked = [];
  requestedBy = [];
  progress = [];
});

async function clientOf(role: string): Promise<DeviceAdminServiceClient> {
  const client = new DeviceAdminServiceClient(
    ...channelTo(edge, await certificates.client('admin', `admin/ann@${role}`)),
  );
  clients.push(client);
  return client;
}

/** What a call answers, or the reasons for which it is refused. */
async function answerOf<Request, Response>(call: UnaryCall<Request, Response>, request: Request) {
  try {
    return { answer: await callUnary(call, request, 10_000), reasons: [] };
  } catch (error) {
    return { answer: null, reasons: refusalFromError(error)?.reasons ?? [String(error)] };
  }
}

describe('who may do what to a device', () => {
  test.each([
    ['suspendDevice', 'security', []],
    ['suspendDevice', 'operator', []],
    ['suspendDevice', 'auditor', ['ROLE_NOT_ALLOWED']],
    ['revokeDevice', 'security', []],
    ['revokeDevice', 'operator', ['ROLE_NOT_ALLOWED']],
    ['resumeDevice', 'operator', ['ROLE_NOT_ALLOWED']],
    ['forgetDevice', 'operator', ['ROLE_NOT_ALLOWED']],
    ['forgetDevice', 'security', ['DEVICE_NOT_REVOKED']],
    ['resumeDevice', 'security', ['DEVICE_NOT_SUSPENDED']],
  ] as const)('%s by %s', async (method, role, reasons) => {
    const client = await clientOf(role);
    const call = client[method].bind(client) as UnaryCall<{ deviceId: string; cause: string }, unknown>;
    expect((await answerOf(call, { deviceId: ID, cause: 'lost' })).reasons).toEqual(reasons);
    expect(moves.length > 0).toBe(reasons.length === 0);
  });

  test.each(['security', 'operator', 'auditor'])('%s reads', async (role) => {
    const client = await clientOf(role);
    expect((await answerOf(client.getDevice.bind(client), { deviceId: ID })).reasons).toEqual([]);
    expect((await answerOf(client.listReappraisals.bind(client), {})).reasons).toEqual([]);
  });
});

describe('a device', () => {
  test('is suspended, resumed, revoked and forgotten; its open session ends with each tightening', async () => {
    const client = await clientOf('security');
    const ended: string[] = [];
    presence.enter(
      phoneSubject(ID),
      handleOf((reason) => ended.push(reason)),
    );
    const request = { deviceId: ID, cause: 'lost' };
    const steps = [
      await answerOf(client.suspendDevice.bind(client), request),
      await answerOf(client.resumeDevice.bind(client), request),
      await answerOf(client.revokeDevice.bind(client), request),
      await answerOf(client.forgetDevice.bind(client), { deviceId: ID }),
    ];
    expect(steps.map(({ answer }) => [answer?.device?.status, answer?.device?.forgotten])).toEqual([
      [DeviceStatus.SUSPENDED, false],
      [DeviceStatus.ACTIVE, false],
      [DeviceStatus.REVOKED, false],
      [DeviceStatus.REVOKED, true],
    ]);
    expect(ended).toEqual(['DEVICE_SUSPENDED', 'DEVICE_REVOKED']);
    expect(moves.map(({ by, to }) => [by, to])).toEqual([
      ['ann', 'suspended'],
      ['ann', 'active'],
      ['ann', 'revoked'],
      ['ann', 'forgotten'],
    ]);
  });

  test('is shown with its last appraisal in every detail, its sessions and its changes', async () => {
    const client = await clientOf('operator');
    const { answer } = await answerOf(client.getDevice.bind(client), { deviceId: ID });
    expect(answer).toMatchObject({
      device: { deviceId: ID, merchant: 'shop-1', osPatchLevel: '202602' },
      lastAppraisal: {
        verdict: AppraisalVerdict.REFUSED,
        reasons: ['CHAIN_REVOKED'],
        reappraisalId: RUN_ID,
        checks: [{ code: 'NOT_REVOKED', status: CheckStatus.FAIL, reason: 'CHAIN_REVOKED', detail: 'certificate 1' }],
      },
      sessions: [{ thumbprint: 'session-1', active: false, current: true }],
      changes: [{ from: 'active', to: 'suspended', by: 'ann', cause: 'lost' }],
    });
  });

  test('that is not there is not found', async () => {
    const client = await clientOf('security');
    const deviceId = 'elsewhere';
    const answers = [
      await answerOf(client.getDevice.bind(client), { deviceId }),
      await answerOf(client.listAppraisals.bind(client), { deviceId, pageSize: 0, pageToken: '' }),
      await answerOf(client.suspendDevice.bind(client), { deviceId, cause: '' }),
    ];
    expect(answers.map(({ reasons }) => reasons)).toEqual([['NOT_FOUND'], ['NOT_FOUND'], ['NOT_FOUND']]);
  });
});

describe('the list of devices', () => {
  test('is asked for with every part of the filter', async () => {
    const client = await clientOf('auditor');
    const request = ListDevicesRequest.fromPartial({
      pageSize: 10,
      merchant: 'shop-1',
      acquirer: 'acquirer-a',
      status: DeviceStatus.SUSPENDED,
      packageName: 'org.example',
      appVersionBelow: 7n,
      osPatchBelow: 202_601,
      securityLevel: 'STRONG_BOX',
      attestedBefore: START,
      text: 'shop',
    });
    const { answer } = await answerOf(client.listDevices.bind(client), request);
    expect(answer).toMatchObject({ devices: [{ deviceId: ID, status: DeviceStatus.ACTIVE }], nextPageToken: '' });
    expect(asked).toMatchObject([
      {
        limit: 11,
        filter: {
          acquirer: 'acquirer-a',
          merchant: 'shop-1',
          status: 'suspended',
          packageName: 'org.example',
          appVersionBelow: 7n,
          osPatchBelow: 202_601,
          securityLevel: 'STRONG_BOX',
          attestedBefore: START,
          text: 'shop',
        },
      },
    ]);
  });

  test.each([
    ['a page token of nobody', { pageToken: 'page-2' }, 'PAGE_TOKEN_INVALID'],
    ['a status that there is not', { status: 9 as DeviceStatus }, 'MALFORMED_MESSAGE'],
  ])('is refused for %s', async (_what, over, reason) => {
    const client = await clientOf('auditor');
    const request = ListDevicesRequest.fromPartial(over);
    expect((await answerOf(client.listDevices.bind(client), request)).reasons).toEqual([reason]);
    expect(asked).toEqual([]);
  });
});

describe('a re-appraisal by hand', () => {
  test('is noted in the name of the caller, and followed to its end', async () => {
    const waiting = { ...RUN, begunAt: null, devices: null };
    progress = [waiting, waiting, { ...RUN, examined: 1 }, { ...RUN, examined: 2, refused: 1, finishedAt: START }];
    const client = await clientOf('operator');
    const told: ReappraiseDevicesResponse[] = [];
    for await (const message of client.reappraiseDevices({})) told.push(message as ReappraiseDevicesResponse);
    expect(requestedBy).toEqual(['ann']);
    expect(told.map(({ reappraisal }) => [reappraisal?.examined, reappraisal?.finishedAt !== undefined])).toEqual([
      [0n, false],
      [1n, false],
      [2n, true],
    ]);
    expect(told.at(-1)?.reappraisal).toMatchObject({
      prompt: ReappraisalPrompt.PERSON,
      requestedBy: 'ann',
      refused: 1n,
    });
  });

  test('is not for auditors', async () => {
    const client = await clientOf('auditor');
    const read = async () => {
      for await (const _message of client.reappraiseDevices({}));
    };
    const refused = await read().then(
      () => [],
      (error: unknown) => refusalFromError(error)?.reasons,
    );
    expect(refused).toEqual(['ROLE_NOT_ALLOWED']);
    expect(requestedBy).toEqual([]);
  });
});
