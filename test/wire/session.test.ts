import { describe, expect, test } from '@jest/globals';
import { PinEntryAbortCause } from '../../src/gen/tapgate/v1/pin_entry_service.ts';
import { DirectiveKind as WireKind } from '../../src/gen/tapgate/v1/session_service.ts';
import type { Directive } from '../../src/sessions/directive.ts';
import { abortReason, decodePinBlock, encodePinBlock } from '../../src/wire/pin.ts';
import { directiveFromWire, directiveToWire } from '../../src/wire/session.ts';

const AT = new Date('2026-07-01T00:00:00Z');

describe('a directive', () => {
  test.each<[Directive, WireKind]>([
    [{ kind: 'attest-again', at: AT }, WireKind.ATTEST_AGAIN],
    [{ kind: 'rotate-keys', at: AT, detail: 'age' }, WireKind.ROTATE_KEYS],
    [{ kind: 'policy-changed', detail: 'policy-2' }, WireKind.POLICY_CHANGED],
    [{ kind: 'pin-off', reason: 'PIN_OFF' }, WireKind.PIN_OFF],
    [{ kind: 'suspend', reason: 'DEVICE_SUSPENDED' }, WireKind.SUSPEND],
    [{ kind: 'enforcement-coming', at: AT, detail: '202606' }, WireKind.ENFORCEMENT_COMING],
  ])('is read as it was written: %j', (directive, kind) => {
    const wire = directiveToWire(directive);
    expect(wire.kind).toBe(kind);
    expect(directiveFromWire(wire)).toEqual(directive);
  });

  test('tells a phone no reason that is for operators', () => {
    expect(directiveToWire({ kind: 'suspend', reason: 'CHAIN_REVOKED' }).reason).toBe('ATTESTATION_REFUSED');
  });

  test('of a kind or with a reason of a later version is left out, or goes without', () => {
    const later = { kind: 99 as WireKind, reason: '', at: undefined, detail: '' };
    expect(directiveFromWire(later)).toBeNull();
    expect(directiveFromWire({ ...later, kind: WireKind.SUSPEND, reason: 'OF_LATER' })).toEqual({ kind: 'suspend' });
  });
});

describe('a PIN entry that the phone stops', () => {
  test.each([
    [PinEntryAbortCause.USER, 'PIN_ABORTED_BY_CUSTOMER'],
    [PinEntryAbortCause.OVERLAY, 'PIN_ABORTED_OVERLAY'],
    [PinEntryAbortCause.FOCUS_LOST, 'PIN_ABORTED_FOCUS_LOST'],
    [PinEntryAbortCause.BACKGROUND, 'PIN_ABORTED_BACKGROUND'],
    [PinEntryAbortCause.SCREEN_CAPTURE, 'PIN_ABORTED_SCREEN_CAPTURE'],
    [PinEntryAbortCause.ACCESSIBILITY, 'PIN_ABORTED_ACCESSIBILITY'],
    [PinEntryAbortCause.DEBUGGER, 'PIN_ABORTED_DEBUGGER'],
    [PinEntryAbortCause.HOOKING, 'PIN_ABORTED_HOOKING'],
    [PinEntryAbortCause.TIMEOUT, 'PIN_TIMEOUT'],
    [PinEntryAbortCause.UNSPECIFIED, 'PIN_ABORTED'],
    [99 as PinEntryAbortCause, 'PIN_ABORTED'],
  ])('for cause %d ends with %s', (cause, reason) => {
    expect(abortReason(cause)).toBe(reason);
  });
});

test('a PIN block of 8 bytes, of formats 0 to 3, is refused by its format', () => {
  const pin = {
    pinGrantId: 'pin-grant',
    grantId: 'grant',
    pinKsn: Buffer.alloc(12),
    block: Buffer.alloc(8),
    accountDataHash: Buffer.alloc(32),
  };
  const read = (block: Buffer) =>
    decodePinBlock({ payload: encodePinBlock({ ...pin, block }), signature: Buffer.of(1), keyId: '' });
  expect(read(Buffer.alloc(8))).toEqual({ ok: false, reason: 'PIN_FORMAT_REFUSED' });
  expect(read(Buffer.alloc(7))).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  expect(read(Buffer.alloc(9))).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  expect(read(Buffer.alloc(16))).toMatchObject({ ok: true });
});
