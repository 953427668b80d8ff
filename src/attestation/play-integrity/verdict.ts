import { z } from 'zod';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import {
  APP_ACCESS_RISKS,
  APP_LICENSING_VERDICTS,
  APP_RECOGNITION_VERDICTS,
  APPS_INSTALLED,
  DEVICE_ACTIVITY_LEVELS,
  DEVICE_INTEGRITY_LABELS,
  PLAY_PROTECT_VERDICTS,
  UNEVALUATED,
  VIRTUAL_INTEGRITY_LABEL,
} from './vocabulary.ts';

/** Why bytes are not an integrity verdict. */
export type VerdictFailure =
  | 'VERDICT_TOO_LARGE'
  | 'VERDICT_NOT_JSON'
  /** Nested too deep, or of too many members. */
  | 'VERDICT_TOO_COMPLEX'
  /** A known field is missing or not of its form; the detail names it. */
  | 'VERDICT_FIELD_INVALID';

/** Bounds of a verdict: real ones have about 1 kB, 30 members and a depth of 4. */
export const VERDICT_LIMITS = { maximumBytes: 16_384, maximumDepth: 8, maximumMembers: 512 } as const;

const text = (maximum: number) =>
  z
    .string()
    .max(maximum)
    .regex(/^[\x20-\x7e]+$/);
/** A value of a published vocabulary, or one that is newer. */
const term = text(64);
const packageName = text(255);
/** An int64 in JSON is a string (ProtoJSON). */
const int64 = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,18})$/)
  .transform(Number)
  .pipe(z.int());

/** SHA-256, base64url with or without padding; as lowercase hex, the form of the attested signers. */
const digest = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=?$/)
  .transform((base64url) => Buffer.from(base64url, 'base64url').toString('hex'));

const REQUEST_DETAILS = {
  requestPackageName: packageName,
  /** Of a classic request. */
  nonce: text(500).optional(),
  /** Of a standard request. */
  requestHash: text(500).optional(),
  /** Milliseconds since 1970. */
  timestampMillis: int64.pipe(z.number().max(8.64e15)),
};

const APP_INTEGRITY = {
  appRecognitionVerdict: term.optional(),
  packageName: packageName.optional(),
  certificateSha256Digest: z.array(digest).max(16).readonly().optional(),
  versionCode: int64.optional(),
};

const DEVICE_ATTRIBUTES = { sdkVersion: z.int().min(0).max(10_000).optional() };
const RECENT_DEVICE_ACTIVITY = { deviceActivityLevel: term.optional() };
const RECALL_VALUES = {
  bitFirst: z.boolean().optional(),
  bitSecond: z.boolean().optional(),
  bitThird: z.boolean().optional(),
};
/** YYYYMM. */
const month = z.int().min(0).max(999_912);
const RECALL_WRITE_DATES = {
  yyyymmFirst: month.optional(),
  yyyymmSecond: month.optional(),
  yyyymmThird: month.optional(),
};
const DEVICE_RECALL = {
  values: z.object(RECALL_VALUES).readonly().optional(),
  writeDates: z.object(RECALL_WRITE_DATES).readonly().optional(),
};
const DEVICE_INTEGRITY = {
  deviceRecognitionVerdict: z.array(term).max(16).readonly().optional(),
  deviceAttributes: z.object(DEVICE_ATTRIBUTES).readonly().optional(),
  recentDeviceActivity: z.object(RECENT_DEVICE_ACTIVITY).readonly().optional(),
  deviceRecall: z.object(DEVICE_RECALL).readonly().optional(),
};

const ACCOUNT_DETAILS = { appLicensingVerdict: term.optional() };

const APP_ACCESS_RISK_VERDICT = { appsDetected: z.array(term).max(32).readonly().optional() };
const ENVIRONMENT_DETAILS = {
  appAccessRiskVerdict: z.object(APP_ACCESS_RISK_VERDICT).readonly().optional(),
  playProtectVerdict: term.optional(),
};

const TESTING_DETAILS = { isTestingResponse: z.boolean().optional() };

const PAYLOAD = {
  requestDetails: z.object(REQUEST_DETAILS).readonly(),
  appIntegrity: z.object(APP_INTEGRITY).readonly().optional(),
  deviceIntegrity: z.object(DEVICE_INTEGRITY).readonly().optional(),
  accountDetails: z.object(ACCOUNT_DETAILS).readonly().optional(),
  environmentDetails: z.object(ENVIRONMENT_DETAILS).readonly().optional(),
  testingDetails: z.object(TESTING_DETAILS).readonly().optional(),
};

const payloadSchema = z.object(PAYLOAD);

/** Every object of the payload, and the members that it is known to have. */
const OBJECTS: readonly (readonly [path: readonly string[], members: object])[] = [
  [[], PAYLOAD],
  [['requestDetails'], REQUEST_DETAILS],
  [['appIntegrity'], APP_INTEGRITY],
  [['deviceIntegrity'], DEVICE_INTEGRITY],
  [['deviceIntegrity', 'deviceAttributes'], DEVICE_ATTRIBUTES],
  [['deviceIntegrity', 'recentDeviceActivity'], RECENT_DEVICE_ACTIVITY],
  [['deviceIntegrity', 'deviceRecall'], DEVICE_RECALL],
  [['deviceIntegrity', 'deviceRecall', 'values'], RECALL_VALUES],
  [['deviceIntegrity', 'deviceRecall', 'writeDates'], RECALL_WRITE_DATES],
  [['accountDetails'], ACCOUNT_DETAILS],
  [['environmentDetails'], ENVIRONMENT_DETAILS],
  [['environmentDetails', 'appAccessRiskVerdict'], APP_ACCESS_RISK_VERDICT],
  [['testingDetails'], TESTING_DETAILS],
];

type Payload = z.output<typeof payloadSchema>;

/** Every field with a vocabulary. */
const VOCABULARIES: readonly (readonly [
  path: string,
  known: readonly string[],
  of: (payload: Payload) => readonly (string | undefined)[] | undefined,
])[] = [
  [
    'appIntegrity.appRecognitionVerdict',
    APP_RECOGNITION_VERDICTS,
    ({ appIntegrity }) => [appIntegrity?.appRecognitionVerdict],
  ],
  [
    'deviceIntegrity.deviceRecognitionVerdict',
    [...DEVICE_INTEGRITY_LABELS, VIRTUAL_INTEGRITY_LABEL],
    ({ deviceIntegrity }) => deviceIntegrity?.deviceRecognitionVerdict,
  ],
  [
    'deviceIntegrity.recentDeviceActivity.deviceActivityLevel',
    [...DEVICE_ACTIVITY_LEVELS, UNEVALUATED],
    ({ deviceIntegrity }) => [deviceIntegrity?.recentDeviceActivity?.deviceActivityLevel],
  ],
  [
    'accountDetails.appLicensingVerdict',
    APP_LICENSING_VERDICTS,
    ({ accountDetails }) => [accountDetails?.appLicensingVerdict],
  ],
  [
    'environmentDetails.appAccessRiskVerdict.appsDetected',
    [...APP_ACCESS_RISKS, ...APPS_INSTALLED],
    ({ environmentDetails }) => environmentDetails?.appAccessRiskVerdict?.appsDetected,
  ],
  [
    'environmentDetails.playProtectVerdict',
    PLAY_PROTECT_VERDICTS,
    ({ environmentDetails }) => [environmentDetails?.playProtectVerdict],
  ],
];

/** A field, or a value of a known field, that this verifier does not know: kept for the record, trusted nowhere. */
export interface UnknownPart {
  /** Names of the members on the way, joined with dots. */
  readonly path: string;
  /** The value as JSON. */
  readonly json: string;
}

/**
 * What Google Play says of one request, parsed once and frozen. Members have Google's names; what Google did not state
 * is absent. Numbers that come as strings are numbers, digests are lowercase hex. A value outside its vocabulary stands
 * in its field and is listed in `unknown` too.
 */
export interface IntegrityVerdict extends Readonly<Payload> {
  readonly unknown: readonly UnknownPart[];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Not UTF-8 or not JSON: no object, and so refused.
    return undefined;
  }
}

/** Whether a parsed document stays within depth and number of members; level by level, so that depth costs no stack. */
function isWithinLimits(document: unknown): boolean {
  let members = 0;
  let level: readonly unknown[] = [document];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > VERDICT_LIMITS.maximumDepth) return false;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
    members += level.length;
    if (members > VERDICT_LIMITS.maximumMembers) return false;
  }
  return true;
}

function unknownMembers(document: unknown): UnknownPart[] {
  return OBJECTS.flatMap(([path, members]) => {
    let object: unknown = document;
    for (const name of path) object = isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;
    if (!isObject(object)) return [];
    return Object.entries(object)
      .filter(([name]) => !Object.hasOwn(members, name))
      .map(([name, value]) => ({ path: [...path, name].join('.'), json: JSON.stringify(value) }));
  });
}

function unknownValues(payload: Payload): UnknownPart[] {
  return VOCABULARIES.flatMap(([path, known, of]) =>
    (of(payload) ?? [])
      .filter((value) => value !== undefined && !known.includes(value))
      .map((value) => ({ path, json: JSON.stringify(value) })),
  );
}

/** The verdict of a parsed JSON document. */
export function integrityVerdictOf(document: unknown): Result<IntegrityVerdict, VerdictFailure> {
  if (!isWithinLimits(document)) return refuse('VERDICT_TOO_COMPLEX');
  const parsed = payloadSchema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse('VERDICT_FIELD_INVALID', issue === undefined ? '' : `${issue.path.join('.')}: ${issue.code}`);
  }
  const unknown = [...unknownMembers(document), ...unknownValues(parsed.data)].map((part) => Object.freeze(part));
  return ok(Object.freeze({ ...parsed.data, unknown: Object.freeze(unknown) }));
}

/** Parses the payload of an integrity token: JSON of at most 16 KiB. Order of fields means nothing. */
export function parseIntegrityVerdict(bytes: Uint8Array): Result<IntegrityVerdict, VerdictFailure> {
  if (bytes.length > VERDICT_LIMITS.maximumBytes) return refuse('VERDICT_TOO_LARGE');
  const document = parseJson(bytes);
  return isObject(document) ? integrityVerdictOf(document) : refuse('VERDICT_NOT_JSON');
}
