import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { RetryInfo } from '../../src/gen/google/rpc/error_details.ts';
import { Status } from '../../src/gen/google/rpc/status.ts';
import { Retry } from '../../src/gen/tapgate/v1/refusal.ts';
import { REASONS, type Reason } from '../../src/reasons/catalogue.ts';
import { codesOf, MAXIMUM_REASONS, reasonsToldTo, refusalMessage } from '../../src/wire/refusal.ts';
import { codeOf, drawRetryDelay, refusalFromError, type StatusOptions, statusOf } from '../../src/wire/status.ts';

const all = Object.keys(REASONS) as Reason[];
const random = { bytes: (length: number) => Buffer.alloc(length, 0x80) };
const toPartner: StatusOptions = { audience: 'partner', random };

describe('a refusal on the wire', () => {
  test.each(all)('%s comes back as it went, with code and retry of the catalogue', (reason) => {
    const sent = statusOf([reason], toPartner);
    const received = refusalFromError(sent);
    expect(received?.reasons).toEqual([reason]);
    expect(sent.code).toBe(codeOf(reason));
    expect(sent.details).toBe(REASONS[reason].meaning);
    expect(received?.retryAfterMilliseconds !== undefined).toBe(REASONS[reason].retry === 'later');
    const [row] = refusalMessage('partner', [reason]).reasons;
    expect(row).toMatchObject({ code: reason, meaning: REASONS[reason].meaning, action: REASONS[reason].action });
    expect(row?.retry).toBe({ no: Retry.NO, now: Retry.NOW, later: Retry.LATER }[REASONS[reason].retry]);
  });

  test('of the category unavailable is never a denial, and the other way round', () => {
    for (const reason of all) {
      const unavailable = REASONS[reason].category === 'unavailable';
      expect(codeOf(reason) === status.UNAVAILABLE).toBe(unavailable);
      expect([status.OK, status.UNKNOWN, status.INTERNAL]).not.toContain(codeOf(reason));
    }
  });

  test('tells a phone nothing that is for operators, in code, text and details', () => {
    for (const reason of all.filter((each) => REASONS[each].audience === 'operator')) {
      const { metadata, details, code } = statusOf([reason], { audience: 'phone', random });
      const bytes = metadata.get('grpc-status-details-bin')[0] as Buffer;
      expect(bytes.toString('latin1')).not.toContain(reason);
      expect(bytes.toString('latin1')).not.toContain(REASONS[reason].meaning);
      expect({ details, code }).toEqual({
        details: REASONS.ATTESTATION_REFUSED.meaning,
        code: status.PERMISSION_DENIED,
      });
    }
  });

  test('keeps the order of reasons, once each, the first decisive', () => {
    const reasons: [Reason, ...Reason[]] = ['PATCH_TOO_OLD', 'SERVICE_UNAVAILABLE', 'PATCH_TOO_OLD', 'BOOT_UNLOCKED'];
    const sent = statusOf(reasons, toPartner);
    expect(sent.code).toBe(status.PERMISSION_DENIED);
    expect(refusalFromError(sent)?.reasons).toEqual(['PATCH_TOO_OLD', 'SERVICE_UNAVAILABLE', 'BOOT_UNLOCKED']);
    expect(refusalFromError(sent)?.retryAfterMilliseconds).toBeGreaterThan(0);
  });

  test('disguises two reasons for operators as one', () => {
    expect(reasonsToldTo('phone', ['CHAIN_FORGED_EXTENSION', 'PATCH_TOO_OLD', 'APP_SIGNER_NOT_ALLOWED'])).toEqual([
      'ATTESTATION_REFUSED',
      'PATCH_TOO_OLD',
    ]);
  });

  test('fits into trailers however many reasons there are', () => {
    const sent = statusOf(all as [Reason, ...Reason[]], toPartner);
    expect((sent.metadata.get('grpc-status-details-bin')[0] as Buffer).length).toBeLessThan(4_096);
    expect(refusalFromError(sent)?.reasons).toEqual(all.slice(0, MAXIMUM_REASONS));
  });

  test('carries metadata to the caller', () => {
    const sent = statusOf(['NOT_FOUND'], { ...toPartner, metadata: { call: '0011223344556677' } });
    expect(refusalFromError(sent)?.metadata).toEqual({ call: '0011223344556677' });
  });
});

describe('the delay of RetryInfo', () => {
  const delayOf = (fraction: number) =>
    drawRetryDelay(
      { minimumMilliseconds: 1_500, spreadMilliseconds: 1_000 },
      { bytes: (length) => Buffer.alloc(length, fraction) },
    );

  test('lies in its range, spread by the given randomness', () => {
    expect([delayOf(0), delayOf(0x80), delayOf(0xff)]).toEqual([1_500, 2_001, 2_499]);
  });

  test('crosses the wire to the millisecond', () => {
    const retryDelay = { minimumMilliseconds: 61_234, spreadMilliseconds: 0 };
    const sent = statusOf(['TOO_MANY_REQUESTS'], { ...toPartner, retryDelay });
    expect(refusalFromError(sent)?.retryAfterMilliseconds).toBe(61_234);
  });
});

describe('an error of another kind is no refusal', () => {
  const withDetails = (value: Buffer) => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', value);
    return { code: status.UNAVAILABLE, metadata };
  };
  const statusWith = (typeUrl: string, value: Buffer) =>
    Buffer.from(Status.encode({ code: 7, message: '', details: [{ typeUrl, value }] }).finish());

  test.each([
    ['no object', 'denied'],
    ['null', null],
    ['a plain error', new Error('lost')],
    ['no details', { code: status.UNAVAILABLE, metadata: new Metadata() }],
    ['details that do not parse', withDetails(Buffer.from('0aff', 'hex'))],
    ['details over the limit', withDetails(Buffer.alloc(20_000))],
    [
      'another domain',
      withDetails(statusWith('type.googleapis.com/google.rpc.ErrorInfo', Buffer.from([0x0a, 1, 0x41]))),
    ],
    ['RetryInfo alone', withDetails(statusWith('type.googleapis.com/google.rpc.RetryInfo', Buffer.alloc(0)))],
  ])('%s', (_, error) => {
    expect(refusalFromError(error)).toBeNull();
  });

  test('and a delay without measure is cut to an hour', () => {
    const sent = statusOf(['TOO_MANY_REQUESTS'], toPartner);
    const bytes = sent.metadata.get('grpc-status-details-bin')[0] as Buffer;
    const decoded = Status.decode(bytes);
    const retry = decoded.details.find(({ typeUrl }) => typeUrl.endsWith('RetryInfo'));
    for (const [seconds, expected] of [
      [10n ** 12n, 3_600_000],
      [-5n, 0],
    ] as const) {
      retry!.value = Buffer.from(RetryInfo.encode({ retryDelay: { seconds, nanos: 0 } }).finish());
      const error = withDetails(Buffer.from(Status.encode(decoded).finish()));
      expect(refusalFromError(error)?.retryAfterMilliseconds).toBe(expected);
    }
  });

  test('codes of a newer service are kept as text', () => {
    const row = { code: 'FUTURE_REASON', meaning: '', action: '', fixableBy: 0 as const, retry: 0 as const };
    expect(codesOf({ reasons: [row] })).toEqual(['FUTURE_REASON']);
    expect(codesOf(undefined)).toEqual([]);
  });
});
