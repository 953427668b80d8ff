import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { KeyAdminServiceClient, type RotateKeyResponse, RotationStep } from '../../gen/tapgate/v1/key_admin_service.ts';
import type { KeySlot } from '../../gen/tapgate/v1/key_slot.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { plainSlot, printSlot, printSlots, restingText, stateOf, stepOf } from '../key-view.ts';
import { print, printJson, when } from '../output.ts';
import { exportCommand, importCommand, tr34Command } from './key-exchange.ts';

/** Longest sleep between two looks at a rotation that waits. */
const LOOK_EVERY = 10_000;

interface SeriesOptions extends AdminOptions {
  readonly kind: string;
  readonly acquirer?: string;
}

interface RotateOptions extends SeriesOptions {
  readonly again?: boolean;
  readonly wait: boolean;
}

function withOptions(command: Command): Command {
  for (const option of adminOptions()) command.addOption(option);
  return command;
}

function ofSeries(command: Command): Command {
  return withOptions(command)
    .requiredOption(
      '--kind <kind>',
      'device-token, receipt, grant, audit, bdk-pin, bdk-account-data, zone-pin, zone-data',
    )
    .option('--acquirer <name>', 'acquirer of a zone key');
}

function ofSlot(name: string, description: string): Command {
  return withOptions(new Command(name).description(description)).argument('<slot>', 'slot id');
}

/** `tapgate key`. */
export function keyCommand(): Command {
  const list = withOptions(new Command('list').description('lists key slots: states and check values, never a key'))
    .option('--kind <kind>', 'of this kind only')
    .option('--acquirer <name>', 'of this acquirer only')
    .addHelpText('after', '\nExample:\n  tapgate key list --kind receipt')
    .action((options: Partial<SeriesOptions> & AdminOptions) => listKeys(options));
  const show = ofSlot('show', 'shows a slot and what happened to it').action((slot: string, options: AdminOptions) =>
    showKey(slot, options),
  );
  const generate = ofSeries(new Command('generate').description('makes a key in a prepared slot')).action(
    (options: SeriesOptions) => generateKey(options),
  );
  const activate = ofSlot('activate', 'puts a prepared key into use; the one before drains').action(
    (slotId: string, options: AdminOptions) =>
      changed(options, (client) => callOnce(client.activateKey.bind(client), { slotId })),
  );
  const retire = ofSlot('retire', 'takes a draining key out of use').action((slotId: string, options: AdminOptions) =>
    changed(options, (client) => callOnce(client.retireKey.bind(client), { slotId })),
  );
  const destroy = ofSlot(
    'destroy',
    'destroys the bytes of a retired key, or of one that was never used: for good',
  ).action((slotId: string, options: AdminOptions) =>
    changed(options, (client) => callOnce(client.destroyKey.bind(client), { slotId })),
  );
  const compromise = ofSlot('compromise', 'from now on nothing counts that rests on this key; its bytes are destroyed')
    .requiredOption('--cause <text>', 'why, for the record')
    .action((slotId: string, options: AdminOptions & { readonly cause: string }) =>
      changed(options, (client) => callOnce(client.markCompromised.bind(client), { slotId, cause: options.cause })),
    );
  const rotate = ofSeries(
    new Command('rotate').description('generates, publishes, activates; and retires what drained'),
  )
    .option('--again', 'begin a rotation although keys of an earlier one still drain')
    .option('--no-wait', 'take the step that is possible now, and leave')
    .addHelpText(
      'after',
      '\nA rotation that was cut off goes on where it was. Retirement is possible hours or days later: run it again.' +
        '\nExample:\n  tapgate key rotate --kind device-token',
    )
    .action((options: RotateOptions) => rotateKey(options));
  const key = new Command('key').description('key slots: their states and rotation, keys that come in and go out');
  const exchange = [importCommand(), exportCommand(), tr34Command()];
  for (const command of [list, show, generate, ...exchange, activate, retire, destroy, compromise, rotate])
    key.addCommand(command);
  return key;
}

async function listKeys(options: Partial<SeriesOptions> & AdminOptions): Promise<void> {
  const { kind = '', acquirer = '' } = options;
  const slots = await withClient(options, KeyAdminServiceClient, async (client) => {
    const told: KeySlot[] = [];
    for (;;) {
      const request = { kind, acquirer, after: told.at(-1)?.slotId ?? '' };
      const answer = await callOnce(client.listKeys.bind(client), request);
      told.push(...answer.slots);
      if (!answer.more || answer.slots.length === 0) return told;
    }
  });
  printSlots(slots, options, 'There are no such slots.');
}

async function showKey(slotId: string, options: AdminOptions): Promise<void> {
  const { slot } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.getKey.bind(client), { slotId }),
  );
  if (slot !== undefined) printSlot(slot, options);
}

async function generateKey(options: SeriesOptions): Promise<void> {
  const { kind, acquirer = '' } = options;
  const { slot, keyBlock } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.generateKey.bind(client), { kind, acquirer }),
  );
  if (slot === undefined) return;
  if (options.json) return printJson({ ...plainSlot(slot), ...(keyBlock && { keyBlock }) });
  print(`${slot.slotId} is prepared: check value ${slot.keyCheckValue}.`);
  if (keyBlock) print(`Key block for the acquirer: ${keyBlock}`);
}

async function changed(
  options: AdminOptions,
  call: (client: KeyAdminServiceClient) => Promise<{ readonly changed: readonly KeySlot[] }>,
): Promise<void> {
  const answer = await withClient(options, KeyAdminServiceClient, call);
  printSlots(answer.changed, options, 'It was so already.');
}

async function rotateKey(options: RotateOptions): Promise<void> {
  const { kind, acquirer = '', again = false } = options;
  await withClient(options, KeyAdminServiceClient, async (client) => {
    for (let begin = true; ; begin = false) {
      const answer = await callOnce(client.rotateKey.bind(client), { kind, acquirer, begin, again: begin && again });
      if (options.json) printJson(plainStep(answer));
      else tellStep(answer);
      const { waitUntil, next } = answer;
      // What follows an activation takes as long as the longest-lived thing under the old key.
      const done = answer.step === RotationStep.COMPLETE || next === RotationStep.RETIRE;
      if (done || !options.wait) return;
      if (waitUntil !== undefined) await sleep(Math.min(LOOK_EVERY, Math.max(100, waitUntil.getTime() - Date.now())));
    }
  });
}

function plainStep({ step, changed: slots, waitUntil, next, keyBlock, waiting }: RotateKeyResponse) {
  return {
    step: stepOf(step),
    slots: slots.map(plainSlot),
    ...(waitUntil && { until: waitUntil.toISOString(), next: stepOf(next), waiting: waiting.map(plainSlot) }),
    ...(keyBlock && { keyBlock }),
  };
}

function tellStep({ step, changed: slots, waitUntil, next, keyBlock, waiting }: RotateKeyResponse): void {
  if (waitUntil !== undefined) {
    const rests = waiting.map(({ slotId, resting }) => (resting ? `; ${slotId}: ${restingText(resting)}` : ''));
    print(`wait      until ${when(waitUntil)}, then ${stepOf(next)}${rests.join('')}`);
    return;
  }
  const names = slots.map((slot) => `${slot.slotId} ${stateOf(slot)} (${slot.keyCheckValue})`);
  print(`${stepOf(step).padEnd(9)} ${names.join(', ') || 'nothing is under way'}`);
  if (keyBlock) print(`Key block for the acquirer: ${keyBlock}`);
}
