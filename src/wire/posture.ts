import type { Posture, PostureSign } from '../devices/posture.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import { Posture as WirePosture, PostureReport as WireReport } from '../gen/tapgate/v1/posture.ts';
import { ok, type Result } from '../reasons/result.ts';
import type { PostureReport } from '../sessions/open-session.ts';
import { decodeMessage, exactBytes, malformed } from './decode.ts';

/** Posture as a message. */
export function postureToWire(posture: Posture): WirePosture {
  return {
    foreground: !posture.has('background'),
    windowFocused: !posture.has('focus-lost'),
    overlayDetected: posture.has('overlay'),
    screenCaptured: posture.has('screen-capture'),
    debuggerAttached: posture.has('debugger'),
    hookingDetected: posture.has('hooking'),
    untrustedAccessibilityService: posture.has('accessibility-service'),
    developerOptionsEnabled: posture.has('developer-options'),
  };
}

/**
 * Posture out of a message. A field that is not sent is false on the wire: so the two that speak well of the phone,
 * foreground and focus, have to be sent, and nothing sent is a posture that forbids.
 */
export function postureFromWire(message: WirePosture): Posture {
  const signs: readonly [boolean, PostureSign][] = [
    [!message.foreground, 'background'],
    [!message.windowFocused, 'focus-lost'],
    [message.overlayDetected, 'overlay'],
    [message.screenCaptured, 'screen-capture'],
    [message.debuggerAttached, 'debugger'],
    [message.hookingDetected, 'hooking'],
    [message.untrustedAccessibilityService, 'accessibility-service'],
    [message.developerOptionsEnabled, 'developer-options'],
  ];
  return new Set(signs.filter(([present]) => present).map(([, sign]) => sign));
}

/** Serialises a posture. */
export function encodePosture(posture: Posture): Buffer {
  return Buffer.from(WirePosture.encode(postureToWire(posture)).finish());
}

/** Parses a serialised posture. */
export function decodePosture(bytes: Uint8Array): Result<Posture, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WirePosture, bytes);
  return decoded.ok ? ok(postureFromWire(decoded.value)) : decoded;
}

/** Serialises a posture report: the bytes that the phone signs. */
export function encodePostureReport(nonce: Uint8Array, posture: Posture): Buffer {
  return Buffer.from(WireReport.encode({ nonce: Buffer.from(nonce), posture: postureToWire(posture) }).finish());
}

/** Parses a posture report's signed bytes. */
export function decodePostureReport(signed: SignedBytes): Result<PostureReport, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireReport, signed.payload);
  if (!decoded.ok) return decoded;
  const nonce = exactBytes(decoded.value.nonce, 16, 'nonce');
  if (!nonce.ok) return nonce;
  if (decoded.value.posture === undefined) return malformed('posture');
  return ok({ nonce: nonce.value, posture: postureFromWire(decoded.value.posture), signed });
}
