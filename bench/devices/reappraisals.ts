import type { AnchorSet } from '../../src/attestation/android/anchors.ts';
import type {
  DeviceAdminServiceClient,
  Reappraisal,
  ReappraiseDevicesResponse,
} from '../../src/gen/tapgate/v1/device_admin_service.ts';
import { clearGarbage, cpuMicroseconds, processMicroseconds } from '../cpu.ts';
import { untilIdle } from '../gate/setting.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import { chainChecks, makeChecks } from './cryptography.ts';
import type { BenchInstallation } from './installation.ts';
import type { EndedExchange } from './phones.ts';

const ROUNDS = { rounds: 4, warmUp: 1 };
const MICROSECONDS = 1_000_000;
const UNIT = 'devices a CPU second of the service; yardstick: signature checks of their chains, two a device';

/** Appraises all devices again and answers the run once it is finished. */
function finishedRun(client: DeviceAdminServiceClient): Promise<Reappraisal> {
  const { promise, resolve, reject } = Promise.withResolvers<Reappraisal>();
  const stream = client.reappraiseDevices({});
  let last: Reappraisal | undefined;
  stream.on('data', ({ reappraisal }: ReappraiseDevicesResponse) => {
    last = reappraisal;
  });
  stream.on('error', reject);
  stream.on('end', () => (last?.finishedAt === undefined ? reject(new Error('not finished')) : resolve(last)));
  return promise;
}

/**
 * Has the service appraise all its devices again, the session's chain and the device key's of each, by the evidence that
 * it keeps; issuers are seen before, as in a service that has run for a while.
 */
export async function measureReappraisals(
  installation: BenchInstallation,
  enrolled: readonly EndedExchange[],
  anchors: AnchorSet,
  report: BenchReport,
): Promise<void> {
  const client = await installation.devices();
  const [service] = installation.pids;
  const checks = enrolled.flatMap(({ evidence }) =>
    [evidence.sessionKeyChain, evidence.deviceKeyChain].flatMap((chain) => chainChecks(chain, anchors)),
  );
  const rounds = await interleave({
    ...ROUNDS,
    ours: async () => {
      await untilIdle([service]);
      const before = processMicroseconds([service]);
      const { examined, refused, withoutEvidence, undecided } = await finishedRun(client);
      const taken = processMicroseconds([service]) - before;
      if (refused + withoutEvidence + undecided > 0n) throw new Error('a device of the bench does not stand');
      report.tell(`${examined} devices appraised again`);
      return (Number(examined) * MICROSECONDS) / taken;
    },
    yardstick: () => {
      clearGarbage();
      return MICROSECONDS / cpuMicroseconds(enrolled.length, () => makeChecks(checks));
    },
  });
  report.line(lineOf('devices/reappraisal', UNIT, compare(rounds), null));
}
