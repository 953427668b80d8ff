import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ATTACKS } from '../../src/virtual/attacks/all.ts';
import { DEMO_PARTS } from '../../src/virtual/demo/all.ts';
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
    await expect(attack.run(world)).resolves.toBe(attack.expects);
  });
});

describe('the ledger', () => {
  test('holds one top-up an order and no order that the gate refused', async () => {
    const entries = await (await world.processing()).ledger();
    const orders = entries.map(({ order }) => order);
    expect(new Set(orders).size).toBe(orders.length);
    // Six payments, four with keys of each transport and of a finished injection, four in the life of a device, and the two that attackers let through before they attacked.
    expect(orders).toHaveLength(16);
    expect(await (await world.processing('rival')).ledger()).toEqual([]);
  });
});
