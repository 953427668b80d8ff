import type { z } from 'zod';
import {
  appraiseIntegrity,
  type DecodedToken,
  type IntegrityAppraisal,
} from '../../../../src/attestation/play-integrity/appraise.ts';
import type { IntegrityTerms } from '../../../../src/attestation/play-integrity/checks.ts';
import {
  type PlayIntegrityPolicy,
  playIntegrityPolicySchema,
} from '../../../../src/attestation/play-integrity/policy.ts';
import { type IntegrityVerdict, parseIntegrityVerdict } from '../../../../src/attestation/play-integrity/verdict.ts';
import { honestPayload, type IntegrityPayload } from '../../../../src/virtual/play-integrity/payload.ts';

/** The time of every appraisal in these tests. */
export const AT = new Date('2026-06-15T12:00:00Z');
export const TRANSCRIPT = Buffer.alloc(32, 0x7a);
export const PACKAGE = 'org.example.softpos';
export const SIGNER = 'ab'.repeat(32);
export const APPLICATION = { packages: [{ name: PACKAGE, version: 7 }], signers: [SIGNER] };

/** What an honest phone asks Google Play for. */
export const REQUEST = {
  application: { packageName: PACKAGE, version: 7, signerDigest: SIGNER },
  transcript: TRANSCRIPT,
  at: AT,
};

/** A JSON document that a test may bend at will. */
export type Document = Record<string, Record<string, unknown>>;

/** What Google says of the honest phone, bent as told. */
export function documentOf(bend: (document: Document) => void = () => {}): Document {
  const document = structuredClone(honestPayload(REQUEST)) as IntegrityPayload & Document;
  bend(document);
  return document;
}

export const bytesOf = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));

/** The verdict of a document that is one. */
export function verdictOf(document: unknown): IntegrityVerdict {
  const parsed = parseIntegrityVerdict(bytesOf(document));
  if (!parsed.ok) throw new Error(`${parsed.reason} ${parsed.detail}`);
  return parsed.value;
}

export const policyWith = (changes: z.input<typeof playIntegrityPolicySchema> = {}): PlayIntegrityPolicy =>
  playIntegrityPolicySchema.parse({ mode: 'required', ...changes });

export function appraise(decoded: DecodedToken, over: Partial<IntegrityTerms> = {}): IntegrityAppraisal {
  const terms = { policy: policyWith(), at: AT, transcript: TRANSCRIPT, application: APPLICATION };
  return appraiseIntegrity(decoded, { ...terms, ...over });
}
