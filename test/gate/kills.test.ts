import { describe, expect, test } from '@jest/globals';
import type { KillScope, KillSelector, KillSubject, StandingKill } from '../../src/devices/kill-switch.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import type { GateKills } from '../../src/gate/kills.ts';
import { gateKills, openGuard } from '../support/kills.ts';
import { type Payment, payment } from './payment.ts';

const kill = (selector: KillSelector, scope: KillScope = 'everything'): StandingKill => ({ id: 'k', scope, selector });

const withKills = (made: Payment, kills: GateKills): GatePorts => ({ ...made.ports, kills });
const decide = (made: Payment, kills: GateKills) => decidePayment(made.request, withKills(made, kills));
const standing = (...switches: StandingKill[]) => gateKills(openGuard(switches));

describe('a payment under a kill switch', () => {
  test.each<readonly [string, (made: Payment) => KillSelector]>([
    ['of its device', ({ phone }) => ({ kind: 'device', deviceId: phone.deviceId })],
    ['of its merchant', ({ phone }) => ({ kind: 'merchant', acquirer: phone.acquirer, merchant: phone.merchant })],
    ['of its acquirer', ({ phone }) => ({ kind: 'acquirer', acquirer: phone.acquirer })],
  ])('%s is refused, and nothing is kept', async (_name, selectorOf) => {
    const made = await payment();
    const answer = await decide(made, standing(kill(selectorOf(made))));
    expect(answer).toMatchObject({ outcome: 'refused', reasons: ['DEVICE_BLOCKED'] });
    expect(await made.decision()).toBeNull();
    expect(await decide(made, standing())).toMatchObject({ outcome: 'approved' });
  });

  test('of another device is approved', async () => {
    const made = await payment();
    const answer = await decide(made, standing(kill({ kind: 'device', deviceId: 'another' })));
    expect(answer).toMatchObject({ outcome: 'approved' });
  });

  test('of all PIN entry is refused with a PIN, and approved without', async () => {
    const pinOff = standing(kill({ kind: 'everyone' }, 'pin'));
    const entered = await payment({ withPin: true });
    expect(await decide(entered, pinOff)).toMatchObject({ outcome: 'refused', reasons: ['PIN_OFF'] });
    expect(await entered.decision()).toBeNull();
    expect(await decide(await payment(), pinOff)).toMatchObject({ outcome: 'approved' });
  });

  test('that was decided before gets its answer again', async () => {
    const made = await payment();
    const first = await decide(made, standing());
    const again = await decide(made, standing(kill({ kind: 'acquirer', acquirer: made.phone.acquirer })));
    expect(again).toMatchObject({ outcome: 'approved', receipt: first.outcome === 'approved' && first.receipt });
  });
});

describe('what was attested', () => {
  const byPatch = kill({ kind: 'os-patch-below', level: 202601 });
  const phone = (made: Payment, osPatchLevel: number): KillSubject => ({
    deviceId: made.phone.deviceId,
    acquirer: made.phone.acquirer,
    merchant: made.phone.merchant,
    application: null,
    osPatchLevel,
    attestationKeys: [],
  });

  test.each([
    [202512, 'refused'],
    [202601, 'approved'],
  ])('is read where a switch selects by it: patch level %d is %s', async (level, outcome) => {
    const made = await payment();
    const asked: string[] = [];
    const subjectOf = async (thumbprint: string) => {
      asked.push(thumbprint);
      return phone(made, level);
    };
    expect(await decide(made, { ...standing(byPatch), subjectOf })).toMatchObject({ outcome });
    expect(asked).toEqual([made.phone.sessionKey.thumbprint]);
  });

  test('is not read where none does', async () => {
    const subjectOf = () => Promise.reject(new Error('read'));
    const kills = { ...standing(kill({ kind: 'everyone' }, 'pin')), subjectOf };
    expect(await decide(await payment(), kills)).toMatchObject({ outcome: 'approved' });
  });

  test('has to be known: nothing is decided without', async () => {
    const answer = await decide(await payment(), standing(byPatch));
    expect(answer).toEqual({ outcome: 'unavailable', reason: 'SERVICE_UNAVAILABLE' });
  });
});

describe('a replica without a lease', () => {
  test('decides nothing', async () => {
    const made = await payment();
    const guard = openGuard();
    guard.close();
    expect(await decide(made, gateKills(guard))).toEqual({ outcome: 'unavailable', reason: 'SERVICE_UNAVAILABLE' });
    expect(await made.decision()).toBeNull();
  });

  test('whose lease ends while the vault works keeps nothing', async () => {
    const made = await payment();
    const guard = openGuard();
    const translatePayment: Payment['vault']['translatePayment'] = (call) => {
      guard.close();
      return made.vault.translatePayment(call);
    };
    const vault = Object.assign(Object.create(made.vault), { translatePayment });
    const answer = await decidePayment(made.request, { ...withKills(made, gateKills(guard)), vault });
    expect(answer).toEqual({ outcome: 'unavailable', reason: 'SERVICE_UNAVAILABLE' });
    expect(await made.decision()).toBeNull();
  });
});

describe('a switch that comes while a payment is decided', () => {
  /** A gate whose first commit meets a later generation, as the condition of the statement has it. */
  async function overtaken(switches: readonly StandingKill[], refresh: 'reads' | 'cannot read' = 'reads') {
    const made = await payment();
    const guard = openGuard();
    const commits: bigint[] = [];
    const decisions = Object.assign(Object.create(made.stores.decisions), {
      commit: async (decision: Parameters<typeof made.stores.decisions.commit>[0]) => {
        commits.push(decision.killGeneration);
        return decision.killGeneration === 1n && made.stores.decisions.commit(decision);
      },
    });
    const kills: GateKills = {
      ...gateKills(guard),
      generation: async () => 1n,
      refresh: async () => {
        if (refresh === 'reads') guard.enforce(1n, switches);
      },
    };
    const answer = () => decidePayment(made.request, { ...withKills(made, kills), decisions });
    return { made, commits, answer };
  }

  test('has it refused where it hits', async () => {
    const { made, commits, answer } = await overtaken([kill({ kind: 'acquirer', acquirer: 'acquirer-a' })]);
    expect(await answer()).toMatchObject({ outcome: 'refused', reasons: ['DEVICE_BLOCKED'] });
    expect(commits).toEqual([0n]);
    expect(await made.decision()).toBeNull();
  });

  test('has it decided anew where it does not', async () => {
    const { commits, answer } = await overtaken([kill({ kind: 'acquirer', acquirer: 'another' })]);
    expect(await answer()).toMatchObject({ outcome: 'approved' });
    expect(commits).toEqual([0n, 1n]);
  });

  test('leaves it undecided where it cannot be read', async () => {
    const { made, answer } = await overtaken([], 'cannot read');
    await expect(answer()).rejects.toThrow('cannot be read');
    expect(await made.decision()).toBeNull();
  });
});
