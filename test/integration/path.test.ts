import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ATTACKS } from '../../src/virtual/attacks/all.ts';
import { runAttack } from '../../src/virtual/attacks/run.ts';
import { DEMO_CLOSING, DEMO_PARTS } from '../../src/virtual/demo/all.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { startWorld } from './support.ts';

let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
}, 120_000);

afterAll(() => end(), 60_000);

describe.each(DEMO_PARTS)('$title', ({ steps }) => {
  test.each(steps.map((step) => [step.name, step] as const))('%s', async (_name, step) => {
    await expect(step.run(world)).resolves.toEqual(expect.any(String));
  });
});

describe('an attack is refused with its reason', () => {
  test.each(ATTACKS.map((attack) => [attack.name, attack] as const))('%s', async (_name, attack) => {
    const { verdict, outcome } = await runAttack(attack, world);
    expect({ verdict, outcome }).toEqual({ verdict: 'refused', outcome: attack.expects });
  });
});

describe('the ledger', () => {
  test.each(DEMO_CLOSING.steps.map((step) => [step.name, step] as const))('%s', async (_name, step) => {
    await expect(step.run(world)).resolves.toEqual(expect.any(String));
  });

  test('holds one top-up an order, and none of the acquirer that attacked', async () => {
    const orders = (await (await world.processing()).ledger()).map(({ order }) => order);
    expect(orders.length).toBeGreaterThan(0);
    expect(new Set(orders).size).toBe(orders.length);
    expect(await (await world.processing('rival')).ledger()).toEqual([]);
  });
});
