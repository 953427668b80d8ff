import { setImmediate as settle } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { openAdmission } from '../../../src/app/admission.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import { type AdmissionPolicy, admissionPolicySchema } from '../../../src/server/admission/policy.ts';
import { registerServiceMetrics } from '../../../src/server/ops/service-metrics.ts';
import { CallRefused } from '../../../src/server/transport/refused.ts';
import { MemoryRateLimit } from '../../../src/store/volatile/memory-rate-limit.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';

const FLOOD = '203.0.113.7:40000';
const OTHER = '198.51.100.9:40000';
const invite = (code: string) => ({ kind: 'invite', code, deviceKeyHash: new Uint8Array() }) as const;
const device = (deviceId: string) => ({ kind: 'device', deviceId }) as const;
const { signal } = new AbortController();

const small = admissionPolicySchema.parse({
  device: { perAddress: { burst: 5, rate: 1, per: 'second' } },
  processing: { perCertificate: { burst: 3, rate: 1, per: 'second' } },
  admin: { perCertificate: { burst: 2, rate: 1, per: 'second' } },
  attestation: {
    perAddress: { burst: 10, rate: 1, per: 'second' },
    perInvite: { burst: 2, rate: 1, per: 'hour' },
    perDevice: { burst: 3, rate: 3, per: 'hour' },
    wrongIdentityCost: 5,
    atOneTime: 2,
    waiting: 1,
    appraisalsAtOneTime: 1,
  },
});

let clock: TestClock;
let policy: AdmissionPolicy;
let registry: Registry;
let admission: ReturnType<typeof openAdmission>;

beforeEach(() => {
  clock = new TestClock();
  policy = small;
  registry = new Registry();
  const limit = () => new MemoryRateLimit(clock, new SeededRandom('admission'), 1000);
  const metrics = registerServiceMetrics(registry);
  admission = openAdmission({ clock, phones: limit(), partners: limit(), policy: () => policy, metrics });
});

/** Null, or the refusal. */
async function refusalOf(work: Promise<unknown>): Promise<CallRefused | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof CallRefused) return error;
    throw error;
  }
}

const call = (peerAddress: string, method = 'tapgate.v1.SessionService/Open') =>
  refusalOf(admission.calls.admit({ method, caller: { plane: 'device' }, peerAddress }));

async function admitted(work: () => Promise<CallRefused | null>, tries = 50): Promise<number> {
  for (let count = 0; count < tries; count += 1) if ((await work()) !== null) return count;
  return tries;
}

describe('calls of phones', () => {
  test('are limited by address: a flood from one leaves another served', async () => {
    expect(await admitted(() => call(FLOOD))).toBe(5);
    expect(await call(OTHER)).toBeNull();
    expect(await call(FLOOD)).toMatchObject({
      reasons: ['TOO_MANY_REQUESTS'],
      retryDelay: { minimumMilliseconds: 1000, spreadMilliseconds: 1000 },
    });
    clock.advance(1000);
    expect(await call(FLOOD)).toBeNull();
    expect(await registry.getSingleMetricAsString('tapgate_admission_refusals_total')).toContain(
      'tapgate_admission_refusals_total{subject="address"} 2',
    );
  });

  test('of another port or another address of the same /64 are the same phones', async () => {
    await admitted(() => call('2001:db8::1:40000'));
    expect(await call('2001:db8::ffff:ffff:40001')).not.toBeNull();
    expect(await call('2001:db8:0:1::1:40000')).toBeNull();
  });

  test('are limited by method, so that one cannot starve the others', async () => {
    await admitted(() => call(FLOOD, 'tapgate.v1.AttestationService/Attest'));
    expect(await call(FLOOD, 'tapgate.v1.SessionService/Open')).toBeNull();
  });

  test('follow a policy that has changed at once', async () => {
    await admitted(() => call(FLOOD));
    policy = { ...small, device: { perAddress: { burst: 1, rate: 10, per: 'second' } } };
    expect((await call(FLOOD))?.retryDelay?.minimumMilliseconds).toBe(100);
  });
});

describe('calls of partners', () => {
  const gate = (acquirer: string, peerAddress = FLOOD) =>
    refusalOf(
      admission.calls.admit({
        method: 'tapgate.v1.PaymentGateService/AuthorizePayment',
        caller: { plane: 'processing', acquirer },
        peerAddress,
      }),
    );

  test("are limited by the certificate's name, wherever they come from", async () => {
    expect(await admitted(() => gate('acme'))).toBe(3);
    expect(await gate('acme', OTHER)).not.toBeNull();
    expect(await gate('umbra')).toBeNull();
  });

  test('on a stream are limited a payment at a time', async () => {
    expect(await admitted(async () => ((await admission.calls.payment('acme')) === null ? null : overLimit))).toBe(3);
    expect(await admission.calls.payment('acme')).toBe(1000);
    expect(await admission.calls.payment('umbra')).toBeNull();
  });

  test('of administrators are limited by person', async () => {
    const list = (person: string) =>
      refusalOf(
        admission.calls.admit({
          method: 'tapgate.v1.DeviceAdminService/ListDevices',
          caller: { plane: 'admin', role: 'auditor', person },
          peerAddress: FLOOD,
        }),
      );
    expect(await admitted(() => list('ada'))).toBe(2);
    expect(await list('bob')).toBeNull();
  });

  const overLimit = new CallRefused(['TOO_MANY_REQUESTS']);
});

describe('attestations', () => {
  type Identity = Parameters<typeof admission.attestations.exchange>[0];
  const attest = (identity: Identity, peerAddress: string, outcome: Reason | null = null) =>
    refusalOf(
      admission.attestations.exchange(identity, { peerAddress, signal }, async () => {
        if (outcome !== null) throw new CallRefused([outcome]);
      }),
    );

  test('of one address are limited, and others are served', async () => {
    let phone = 0;
    expect(await admitted(() => attest(device(`d${phone++}`), FLOOD))).toBe(10);
    expect(await attest(device('another'), OTHER)).toBeNull();
  });

  test('with a wrong invite or an unknown device cost more than right ones', async () => {
    for (const wrong of ['INVITE_INVALID', 'DEVICE_UNKNOWN'] as const) {
      clock.advance(3_600_000);
      expect(await attest(invite(`${wrong} 1`), FLOOD, wrong)).toMatchObject({ reasons: [wrong] });
      expect(await attest(invite(`${wrong} 2`), FLOOD, wrong)).toMatchObject({ reasons: [wrong] });
      expect(await attest(invite(`${wrong} 3`), FLOOD)).toMatchObject({ reasons: ['TOO_MANY_REQUESTS'] });
    }
  });

  test('that fail for another reason cost what others cost', async () => {
    let phone = 0;
    const failing = async () => {
      const refused = await attest(device(`d${phone++}`), FLOOD, 'BOOT_UNLOCKED');
      return refused?.reasons[0] === 'TOO_MANY_REQUESTS' ? refused : null;
    };
    expect(await admitted(failing)).toBe(10);
  });

  test('with one invite are limited wherever they come from, however the code is written', async () => {
    expect(await attest(invite('ABCDEF-123456'), FLOOD)).toBeNull();
    expect(await attest(invite('abcdef123456'), OTHER)).toBeNull();
    expect(await attest(invite('ABCDEF-123456'), '192.0.2.1:1')).toMatchObject({ detail: 'limit by invite' });
    expect(await attest(invite('OTHER'), FLOOD)).toBeNull();
  });

  test('of one device are limited', async () => {
    expect(await admitted(() => attest(device('d'), FLOOD))).toBe(3);
    const refused = await attest(device('d'), OTHER);
    expect(refused).toMatchObject({ detail: 'limit by device' });
    clock.advance(refused?.retryDelay?.minimumMilliseconds ?? 0);
    expect(await attest(device('d'), OTHER)).toBeNull();
  });

  test('beyond the bound wait, then are sent away as busy with a delay, and get in once a place is free', async () => {
    const places = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const hold = (place: { promise: Promise<void> }, id: string) =>
      admission.attestations.exchange(device(id), { peerAddress: OTHER, signal }, () => place.promise);
    const holding = [hold(places[0], 'a'), hold(places[1], 'b')];
    await settle();
    let waited = false;
    const waiting = attest(device('c'), OTHER).then(() => {
      waited = true;
    });
    await settle();
    expect(await attest(device('d'), OTHER)).toMatchObject({
      reasons: ['ATTESTATION_BUSY'],
      retryDelay: { minimumMilliseconds: expect.any(Number), spreadMilliseconds: expect.any(Number) },
    });
    expect(waited).toBe(false);
    places[0].resolve();
    await waiting;
    expect(await attest(device('e'), OTHER)).toBeNull();
    places[1].resolve();
    await Promise.all(holding);
    expect(await registry.getSingleMetricAsString('tapgate_attestations')).toContain(
      'tapgate_attestations{stage="exchange",state="inside"} 0',
    );
  });

  test('that fail give their place back', async () => {
    for (let phone = 0; phone < 8; phone += 1) await attest(device(`d${phone}`), FLOOD, 'BOOT_UNLOCKED');
    expect(await attest(device('next'), FLOOD)).toBeNull();
  });

  test('are appraised as many at a time as policy says, and let other work go first', async () => {
    const order: string[] = [];
    const appraisal = (name: string) =>
      admission.attestations.appraise(async () => {
        order.push(`${name} begins`);
        await settle();
        order.push(`${name} ends`);
      }, signal);
    const both = [appraisal('first'), appraisal('second')];
    await Promise.resolve();
    order.push('another call');
    await Promise.all(both);
    expect(order).toEqual(['another call', 'first begins', 'first ends', 'second begins', 'second ends']);
  });
});
