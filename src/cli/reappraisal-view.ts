import type { ClientReadableStream } from '@grpc/grpc-js';
import ora from 'ora';
import {
  DeviceAdminServiceClient,
  type Reappraisal,
  ReappraisalPrompt,
  type ReappraiseDevicesResponse,
} from '../gen/tapgate/v1/device_admin_service.ts';
import { type AdminOptions, callOnce, withClient } from './admin.ts';
import { print, printJson, printTable, when } from './output.ts';

const PROMPT = new Map<ReappraisalPrompt, string>([
  [ReappraisalPrompt.STATUS_LIST, 'status list'],
  [ReappraisalPrompt.POLICY, 'policy'],
  [ReappraisalPrompt.PERSON, 'by hand'],
]);

const BAR_WIDTH = 30;

/** `tapgate device reappraise`: asks for a run and shows it until it is finished. */
export async function reappraiseDevices(options: AdminOptions): Promise<void> {
  const spinner = options.json ? null : ora({ text: 'waiting to begin', stream: process.stderr }).start();
  let last: Reappraisal | undefined;
  try {
    await withClient(options, DeviceAdminServiceClient, async (client) => {
      const stream: ClientReadableStream<ReappraiseDevicesResponse> = client.reappraiseDevices({});
      for await (const { reappraisal } of stream as AsyncIterable<ReappraiseDevicesResponse>) {
        last = reappraisal;
        if (last !== undefined && spinner !== null) spinner.text = barOf(last);
        if (last !== undefined && options.json) printJson(plainReappraisal(last));
      }
    });
  } finally {
    spinner?.stop();
  }
  if (last !== undefined && !options.json) print(summaryOf(last));
}

/** `tapgate device reappraise --list`. */
export async function listReappraisals(options: AdminOptions): Promise<void> {
  const { reappraisals } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.listReappraisals.bind(client), {}),
  );
  if (options.json) {
    for (const run of reappraisals) printJson(plainReappraisal(run));
    return;
  }
  printTable(
    ['asked for', 'because', 'by', 'policy', 'examined', 'ended', 'no evidence', 'undecided', 'finished'],
    reappraisals.map((run) => [
      when(run.requestedAt),
      PROMPT.get(run.prompt) ?? '?',
      run.requestedBy,
      run.policyVersion,
      `${run.examined} of ${run.devices}`,
      run.refused.toString(),
      run.withoutEvidence.toString(),
      run.undecided.toString(),
      when(run.finishedAt),
    ]),
    'There was none.',
  );
}

function plainReappraisal(run: Reappraisal) {
  const { prompt, requestedAt, begunAt, finishedAt, ...counts } = run;
  const times = { requestedAt: when(requestedAt), begunAt: when(begunAt), finishedAt: when(finishedAt) };
  return { ...counts, prompt: PROMPT.get(prompt) ?? '?', ...times };
}

function barOf(run: Reappraisal): string {
  if (run.begunAt === undefined) return 'waiting to begin';
  // Phones that are enrolled meanwhile are examined too.
  const part = run.devices === 0n ? 1 : Math.min(1, Number(run.examined) / Number(run.devices));
  const done = Math.floor(part * BAR_WIDTH);
  return `${'█'.repeat(done)}${'░'.repeat(BAR_WIDTH - done)} ${run.examined} of ${run.devices}, ${run.refused} ended`;
}

function summaryOf(run: Reappraisal): string {
  const { examined, refused, withoutEvidence, undecided } = run;
  const lines = [
    `${examined} phones examined.`,
    `${refused} sessions ended: the evidence is not good enough any more.`,
    `${withoutEvidence} sessions ended: no evidence is kept.`,
  ];
  if (undecided > 0n) lines.push(`${undecided} phones left as they are: something was unavailable.`);
  return lines.join('\n');
}
