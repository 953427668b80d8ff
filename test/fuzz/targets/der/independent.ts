import type { AuthorizationList } from '../../../../src/attestation/android/authorization-list.ts';
import type { KeyDescription } from '../../../../src/attestation/android/key-description.ts';
import { type Element, readElements } from '../../engine/elements.ts';
import { invariant, sameBytes } from '../target.ts';

const CONTEXT_CONSTRUCTED = 0xa0;
const HIGH = 0x1f;
const NOTHING = new Uint8Array(0);

/** Number of an explicit context tag; −1 for any other. */
function tagNumber(tag: Uint8Array): number {
  const leading = tag[0] ?? 0;
  if ((leading & 0xe0) !== CONTEXT_CONSTRUCTED) return -1;
  if ((leading & HIGH) !== HIGH) return leading & HIGH;
  return tag.subarray(1).reduce((number, digit) => number * 128 + (digit & 0x7f), 0);
}

const numberOf = (element: Element | undefined): number =>
  (element?.content ?? NOTHING).reduce((number, byte) => number * 256 + byte, 0);

const PURPOSES = ['ENCRYPT', 'DECRYPT', 'SIGN', 'VERIFY', 'UNKNOWN_4', 'WRAP_KEY', 'AGREE_KEY', 'ATTEST_KEY'];
const ORIGINS = ['GENERATED', 'DERIVED', 'IMPORTED', 'UNKNOWN_3', 'SECURELY_IMPORTED'];
const STATES = ['VERIFIED', 'SELF_SIGNED', 'UNVERIFIED', 'FAILED'];
const LEVELS = ['SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX'];

const named = (names: readonly string[], number: number): string => names[number] ?? `UNKNOWN_${number}`;

/** What decisions rest on in a list, as one text, read in the plainest way. */
function plainly(list: Element | undefined): string {
  const values = new Map((list?.children ?? []).map(({ tag, children }) => [tagNumber(tag), children?.[0]]));
  const number = (tag: number): number | null => (values.has(tag) ? numberOf(values.get(tag)) : null);
  const purposes = (values.get(1)?.children ?? []).map((purpose) => named(PURPOSES, numberOf(purpose)));
  const [key, locked, state] = values.get(704)?.children ?? [];
  const root = values.has(704)
    ? [
        Buffer.from(key?.content ?? NOTHING).toString('hex'),
        numberOf(locked) !== 0,
        STATES[numberOf(state)] ?? 'UNKNOWN',
      ]
    : null;
  const origin = number(702);
  const application = values.has(709) ? Buffer.from(values.get(709)?.content ?? NOTHING).toString('hex') : null;
  const levels = [705, 706, 718, 719].map(number);
  return JSON.stringify([
    purposes,
    root,
    origin === null ? null : named(ORIGINS, origin),
    values.has(600),
    levels,
    application,
  ]);
}

function asParsed(list: AuthorizationList): string {
  const root = list.rootOfTrust;
  const application = list.applicationId === null ? null : Buffer.from(list.applicationId).toString('hex');
  return JSON.stringify([
    list.purposes,
    root === null ? null : [root.verifiedBootKey, root.deviceLocked, root.verifiedBootState],
    list.origin,
    list.allApplications,
    [list.osVersion, list.osPatchLevel, list.vendorPatchLevel, list.bootPatchLevel],
    application,
  ]);
}

/** A parsed list says what its bytes say. */
export function listSays(bytes: Uint8Array, list: AuthorizationList): void {
  sameList(readElements(bytes)?.[0], list);
}

function sameList(element: Element | undefined, list: AuthorizationList): void {
  const [ours, plain] = [asParsed(list), plainly(element)];
  invariant(ours === plain, `a list is read as something else than it says: ${ours} is not ${plain}`);
}

/** A parsed key description says what its bytes say. */
export function descriptionSays(bytes: Uint8Array, description: KeyDescription): void {
  const fields = readElements(bytes)?.[0]?.children ?? [];
  const [version, level, , keyLevel, challenge, , software, hardware] = fields;
  const levels = [level, keyLevel].map((one) => LEVELS[numberOf(one)] ?? 'UNKNOWN');
  const { attestationSecurityLevel, keyMintSecurityLevel, attestationVersion } = description;
  const ours = `${attestationVersion} ${attestationSecurityLevel} ${keyMintSecurityLevel}`;
  const plain = `${numberOf(version)} ${levels.join(' ')}`;
  invariant(ours === plain, `a key description is read as something else than it says: ${ours} is not ${plain}`);
  sameBytes(description.challenge, challenge?.content ?? NOTHING, 'another challenge is read than there is');
  sameList(software, description.softwareEnforced);
  sameList(hardware, description.hardwareEnforced);
}
