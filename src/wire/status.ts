import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import type { Any } from '../gen/google/protobuf/any.ts';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.ts';
import { Status } from '../gen/google/rpc/status.ts';
import { Refusal } from '../gen/tapgate/v1/refusal.ts';
import { type Random, randomFraction } from '../ports/random.ts';
import { meaningOf, type Reason } from '../reasons/catalogue.ts';
import type { ReasonCategory } from '../reasons/reason.ts';
import { type Audience, codesOf, reasonsToldTo, refusalMessage } from './refusal.ts';

/** ErrorInfo.domain of every refusal. */
export const ERROR_DOMAIN = 'tapgate';

const DETAILS_KEY = 'grpc-status-details-bin';
/** Clients read no more of the details than this; ours stay far below. */
const MAXIMUM_DETAILS_BYTES = 16_384;
const TYPE_PREFIX = 'type.googleapis.com/';
const TYPES = {
  errorInfo: `${TYPE_PREFIX}google.rpc.ErrorInfo`,
  retryInfo: `${TYPE_PREFIX}google.rpc.RetryInfo`,
  refusal: `${TYPE_PREFIX}tapgate.v1.Refusal`,
} as const;

const CODES: Record<ReasonCategory, status> = {
  denied: status.PERMISSION_DENIED,
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  precondition: status.FAILED_PRECONDITION,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

/** Delay that `RetryInfo` names: uniform in [minimum, minimum + spread), so that callers do not come back at once. */
export interface RetryDelay {
  readonly minimumMilliseconds: number;
  readonly spreadMilliseconds: number;
}

/** The delay where a listener states none. */
export const DEFAULT_RETRY_DELAY: RetryDelay = { minimumMilliseconds: 1_000, spreadMilliseconds: 4_000 };

/** How a refusal is put into words for one call. */
export interface StatusOptions {
  readonly audience: Audience;
  readonly random: Random;
  readonly retryDelay?: RetryDelay;
  /** ErrorInfo.metadata, for example the call's id. Told to the caller: no secrets, short. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** gRPC status code of a reason, by its category. */
export function codeOf(reason: Reason): status {
  return CODES[meaningOf(reason).category];
}

/** A delay in whole milliseconds, drawn from the range. */
export function drawRetryDelay({ minimumMilliseconds, spreadMilliseconds }: RetryDelay, random: Random): number {
  return minimumMilliseconds + Math.floor(randomFraction(random) * spreadMilliseconds);
}

function details(told: readonly [Reason, ...Reason[]], options: StatusOptions): Any[] {
  const info = ErrorInfo.encode({ reason: told[0], domain: ERROR_DOMAIN, metadata: { ...options.metadata } }).finish();
  const refusal = Refusal.encode(refusalMessage(options.audience, told)).finish();
  const all: Any[] = [
    { typeUrl: TYPES.errorInfo, value: Buffer.from(info) },
    { typeUrl: TYPES.refusal, value: Buffer.from(refusal) },
  ];
  if (told.some((reason) => meaningOf(reason).retry === 'later')) {
    const delay = drawRetryDelay(options.retryDelay ?? DEFAULT_RETRY_DELAY, options.random);
    const retryDelay = { seconds: BigInt(Math.floor(delay / 1000)), nanos: (delay % 1000) * 1_000_000 };
    all.push({ typeUrl: TYPES.retryInfo, value: Buffer.from(RetryInfo.encode({ retryDelay }).finish()) });
  }
  return all;
}

/**
 * The gRPC status of a refusal: code and text of the first reason, and `grpc-status-details-bin` with a
 * google.rpc.Status of ErrorInfo, tapgate.v1.Refusal and, where a reason says `later`, RetryInfo.
 *
 * A phone is told what `toldToPhone` allows, in the details as in code and text.
 */
export function statusOf(reasons: readonly [Reason, ...Reason[]], options: StatusOptions): StatusObject {
  const told = reasonsToldTo(options.audience, reasons) as [Reason, ...Reason[]];
  const code = codeOf(told[0]);
  const message = meaningOf(told[0]).meaning;
  const metadata = new Metadata();
  const encoded = Status.encode({ code, message, details: details(told, options) }).finish();
  metadata.set(DETAILS_KEY, Buffer.from(encoded));
  return { code, details: message, metadata };
}

// A service that asks for more is not believed.
const MAXIMUM_RETRY_DELAY = 3_600_000;

function millisecondsOf({ seconds, nanos }: Duration): number {
  const milliseconds = Number(seconds) * 1000 + Math.round(nanos / 1_000_000);
  return Math.min(Math.max(milliseconds, 0), MAXIMUM_RETRY_DELAY);
}

/** A refusal as a client received it. */
export interface ReceivedRefusal {
  /** Codes of the catalogue, the first one decisive; a newer service may send codes that this version does not know. */
  readonly reasons: string[];
  /** From RetryInfo; 0 to one hour. */
  readonly retryAfterMilliseconds?: number;
  /** ErrorInfo.metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

function detailsOf(error: unknown): Buffer | null {
  if (typeof error !== 'object' || error === null) return null;
  const { metadata } = error as Partial<ServiceError>;
  const value = metadata?.get?.(DETAILS_KEY)[0];
  return Buffer.isBuffer(value) && value.length <= MAXIMUM_DETAILS_BYTES ? value : null;
}

function readDetails(encoded: Buffer): ReceivedRefusal | null {
  let reasons: string[] = [];
  let info: ErrorInfo | undefined;
  let retryAfterMilliseconds: number | undefined;
  for (const { typeUrl, value } of Status.decode(encoded).details) {
    if (typeUrl === TYPES.errorInfo) info = ErrorInfo.decode(value);
    if (typeUrl === TYPES.refusal) reasons = codesOf(Refusal.decode(value));
    if (typeUrl === TYPES.retryInfo) {
      const delay = RetryInfo.decode(value).retryDelay;
      if (delay) retryAfterMilliseconds = millisecondsOf(delay);
    }
  }
  if (info?.domain !== ERROR_DOMAIN) return null;
  const known = { reasons: reasons.length > 0 ? reasons : [info.reason], metadata: info.metadata };
  return retryAfterMilliseconds === undefined ? known : { ...known, retryAfterMilliseconds };
}

/**
 * The refusal that an error of a gRPC client carries, or null where the error is none of this service's refusals
 * (connection lost, deadline passed on the client's side, another service's error, details that do not parse).
 */
export function refusalFromError(error: unknown): ReceivedRefusal | null {
  const encoded = detailsOf(error);
  if (encoded === null) return null;
  try {
    return readDetails(encoded);
  } catch {
    return null;
  }
}
