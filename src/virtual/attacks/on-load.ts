import { z } from 'zod';
import { callUnary } from '../../wire/call.ts';
import { refusalFromError } from '../../wire/status.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import { PhoneRefused } from '../phone/refused.ts';
import { type Target, TargetLacks } from '../world/target.ts';
import { ALLOWED, type Attack } from './attack.ts';
import { type Flood, floodBeside } from './flood.ts';
import { honestPayment, pay } from './payment.ts';
import { readNothing } from './slow-reader.ts';

/** A flood goes on for so many calls, and so long, at the most. */
const DEVICE_FLOOD = { calls: 150, milliseconds: 30_000 };
const PROCESSING_FLOOD = { calls: 40_000, milliseconds: 30_000, atOneTime: 192 };
const CALL_WITHIN = 10_000;

const SLOW = { connections: 4, streams: 100, waitMilliseconds: 25_000 };
const METHOD = '/tapgate.v1.DeviceTokenService/GetJwks';
/** More growth than this and what is not read is kept without bound. */
const MOST_GROWTH = 192 * 1024 * 1024;

const limitSchema = z.object({
  burst: z.number(),
  rate: z.number(),
  per: z.enum(['second', 'minute', 'hour']),
});
const admissionSchema = z.object({
  admission: z.object({
    processing: z.object({ perCertificate: limitSchema }),
    attestation: z.object({ perDevice: limitSchema }),
  }),
});

async function limitsOf(target: Target) {
  const { document } = await target.security((team) => team.policy());
  return admissionSchema.parse(JSON.parse(document)).admission;
}

const oneDevice: Attack = {
  name: 'flooding by one device',
  number: 26,
  story: 'a phone resumes its session over and over; another one is served all the while',
  expects: 'TOO_MANY_REQUESTS',
  needs: ['processing', 'cards'],
  run: async (target) => {
    const { burst } = (await limitsOf(target)).attestation.perDevice;
    if (burst >= DEVICE_FLOOD.calls) {
      throw new TargetLacks(`a limit on one device below ${DEVICE_FLOOD.calls} (policy: ${burst})`);
    }
    const flooding = await target.phone('tee', undefined, { patience: IMPATIENT });
    await flooding.attest(await target.invite());
    const honest = await honestPayment(target);
    return floodBeside(
      (flood) => resumeOverAndOver(flooding, flood),
      async () => {
        await target.readyPhone();
        await pay(target, honest);
      },
    );
  },
};

/** Comes back at once, whatever it is told. */
const IMPATIENT = { attempts: 1, longestMilliseconds: 0, sleep: async () => {} };

async function resumeOverAndOver(phone: VirtualPhone, flood: Flood): Promise<void> {
  const until = performance.now() + DEVICE_FLOOD.milliseconds;
  for (let calls = 0; calls < DEVICE_FLOOD.calls && performance.now() < until && !flood.isEnough; calls += 1) {
    try {
      await phone.resume();
    } catch (error) {
      if (!(error instanceof PhoneRefused) || !error.reasons.includes('TOO_MANY_REQUESTS')) throw error;
      flood.noteRefused();
    }
  }
}

const oneProcessing: Attack = {
  name: 'flooding by one processing',
  number: 27,
  story: "a rival's processing asks the gate as fast as it can; the payments of another one go on",
  expects: 'TOO_MANY_REQUESTS',
  needs: ['rival', 'processing', 'cards'],
  run: async (target) => {
    const { burst, rate, per } = (await limitsOf(target)).processing.perCertificate;
    if (per !== 'second' || burst > 5000 || rate > 1000) {
      throw new TargetLacks(`a limit on one acquirer that one client can pass (policy: ${burst}, ${rate} a ${per})`);
    }
    const honest = await honestPayment(target);
    return floodBeside(
      (flood) => askOverAndOver(target, flood, { burst, rate }),
      () => pay(target, honest),
    );
  },
};

/** Empty requests: nothing is done for them, so that what is flooded is the admission itself. */
async function askOverAndOver(
  target: Target,
  flood: Flood,
  limit: { readonly burst: number; readonly rate: number },
): Promise<void> {
  const gate = await target.gate('rival');
  const began = performance.now();
  const until = began + PROCESSING_FLOOD.milliseconds;
  let calls = 0;
  const lane = async (): Promise<void> => {
    while (calls < PROCESSING_FLOOD.calls && performance.now() < until && !flood.isEnough) {
      calls += 1;
      const empty = { deviceToken: '', intent: undefined, sessionPublicKey: Buffer.alloc(0) };
      await callUnary(gate.authorizePayment.bind(gate), empty, CALL_WITHIN).catch((error: unknown) => {
        const refusal = refusalFromError(error);
        if (refusal === null) throw error;
        if (refusal.reasons.includes('TOO_MANY_REQUESTS')) flood.noteRefused();
      });
    }
  };
  await Promise.all(Array.from({ length: PROCESSING_FLOOD.atOneTime }, lane));
  const seconds = (performance.now() - began) / 1000;
  if (flood.refused === 0 && calls <= limit.burst + limit.rate * seconds) {
    throw new Error(`no flood: ${calls} calls in ${Math.round(seconds)} seconds are within the limit`);
  }
}

/** Resident memory of the server in bytes, from its own metrics; null where its ops listener is not known. */
async function residentBytes({ places: { ops } }: Target): Promise<number | null> {
  if (ops === undefined) return null;
  const metrics = await (await fetch(`http://${ops}/metrics`)).text();
  const value = /^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
  return value === undefined ? null : Number(value);
}

/** What is cut cannot be told why: the reset says it, and the server's log. */
const slowReader: Attack = {
  name: 'slow-reading client',
  number: 28,
  story: `${SLOW.connections} connections of a rival ask ${SLOW.streams} times each and read no answer; others are served, memory stays bounded`,
  expects: 'SLOW_READER',
  needs: ['rival', 'processing', 'cards'],
  lasting: true,
  run: async (target) => {
    const { address, tls } = await target.gateEndpoint('rival');
    const before = await residentBytes(target);
    const unread = readNothing(address, tls, METHOD, SLOW);
    try {
      await pay(target, await honestPayment(target));
    } catch (error) {
      await unread;
      return `OTHERS_NOT_SERVED (${error instanceof Error ? error.message : 'unknown'})`;
    }
    const { cut, others } = await unread;
    const after = await residentBytes(target);
    if (before !== null && after !== null && after - before > MOST_GROWTH) {
      return `${ALLOWED} (memory grew by ${Math.round((after - before) / 1_048_576)} MiB)`;
    }
    return others === 0 ? 'SLOW_READER' : `${ALLOWED} (${others} of ${cut + others} streams were not cut)`;
  },
};

/** Attacks by mass and by slowness. */
export const LOAD_ATTACKS: readonly Attack[] = [oneDevice, oneProcessing, slowReader];
