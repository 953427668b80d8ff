import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cmac } from '../../../src/payment-crypto/cmac.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Random } from '../../../src/ports/random.ts';
import { ok } from '../../../src/reasons/result.ts';
import type { InitialKeyIdLedger } from '../../../src/vault/derivation-ids/ledger.ts';
import type { BaseDerivationKey, VaultKeys } from '../../../src/vault/keys.ts';
import type { KeyComponent } from '../../../src/vault/keystore/components.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import type { KeystorePlace } from '../../../src/vault/keystore/place.ts';
import type { SlotTurn } from '../../../src/vault/keystore/turn.ts';
import { enterZoneKek, makeZoneKeys, type OfferedZoneKeys } from '../../../src/vault/keystore/zone-ceremony.ts';

/** The instant at which the tests' vaults live. */
export const NOW = new Date('2026-03-01T12:00:00Z');
export const clock: Clock = { now: () => NOW };
export const random: Random = { bytes: (length) => randomBytes(length) };
export const ACQUIRER = 'acquirer-a';
/** What ceremonies and changes of slots are made with. */
export const turn: SlotTurn = { random, clock, by: 'tester' };

/** A ledger that lets an initial key be offered again and again. */
export const FORGETFUL_LEDGER: InitialKeyIdLedger = { claim: () => ok(null) };

/** The value of a result that must be one. */
export function unwrap<T>(result: { ok: true; value: T } | { ok: false; reason: string; detail?: string }): T {
  if (!result.ok) throw new Error(`${result.reason} ${result.detail ?? ''}`);
  return result.value;
}

/** A new folder below the system's temporary one, and its removal. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tapgate-vault-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A key component of so many bytes with its check value, as a custodian brings it. */
export function component(bytes: Uint8Array): KeyComponent {
  const key = unwrap(SecretKey.parse('AES', bytes));
  const kcv = cmac(key, new Uint8Array(16)).subarray(0, 5);
  return { component: Buffer.from(bytes).toString('hex'), kcv: kcv.toString('hex') };
}

/** Zone KEK of the tests, and the two components that it is entered by. */
export const ZONE_KEK = Buffer.from('00112233445566778899aabbccddeeff102030405060708090a0b0c0d0e0f001', 'hex');
const FIRST = Buffer.from('5a'.repeat(31).concat('3c'), 'hex');
export const COMPONENTS = componentsOf(ZONE_KEK);

/** Two components that a key is entered by. */
export function componentsOf(kek: Uint8Array): KeyComponent[] {
  return [component(FIRST), component(FIRST.map((byte, at) => byte ^ (kek[at] ?? 0)))];
}

/** No two acquirers share a zone KEK: that of the tests is {@link ACQUIRER}'s, others have one of their own. */
export function zoneKekOf(acquirer: string): Buffer {
  return acquirer === ACQUIRER ? ZONE_KEK : createHash('sha256').update(acquirer).digest();
}

/** An acquirer's side of its zone: the keys of the blocks that the ceremony gave it. */
export interface AcquirerZone {
  readonly pin: SecretKey;
  readonly data: SecretKey;
  readonly offered: OfferedZoneKeys;
}

/** Enters the tests' zone KEK for an acquirer, makes its zone keys, and opens them as the acquirer does. */
export function openZone(place: KeystorePlace, acquirer: string): AcquirerZone {
  unwrap(enterZoneKek(place, { acquirer, components: componentsOf(zoneKekOf(acquirer)) }, turn));
  const offered = unwrap(makeZoneKeys(place, acquirer, turn));
  return {
    pin: zoneKeyOf(offered.pin.block, zoneKekOf(acquirer)),
    data: zoneKeyOf(offered.data.block, zoneKekOf(acquirer)),
    offered,
  };
}

/** Opens a zone key's block under a zone KEK. */
export function zoneKeyOf(block: string, zoneKek: Uint8Array = ZONE_KEK): SecretKey {
  const kek = unwrap(SecretKey.parse('AES', zoneKek));
  const { key } = unwrap(importKeyBlock(block, kek, { tolerate: new Set() }));
  if (!(key instanceof SecretKey)) throw new Error('not a symmetric key');
  return key;
}

/** A base derivation key that is in this process, as all of a software vault's are. */
export function softwareKey({ key }: BaseDerivationKey): SecretKey {
  if (key instanceof SecretKey) return key;
  throw new Error('a key in a token');
}

/** A keystore with one acquirer, loaded. */
export interface VaultFixture {
  readonly directory: string;
  readonly custodian: Custodian;
  /** The keys in use. */
  readonly keys: VaultKeys;
  readonly zone: AcquirerZone;
  remove(): void;
}

/** `placeOf` says how the keystore of the folder is opened; by its master key's file where absent. */
export function vaultFixture(placeOf: (directory: string) => KeystorePlace = (directory) => directory): VaultFixture {
  const folder = temporaryFolder();
  const directory = join(folder.path, 'keys');
  const place = placeOf(directory);
  unwrap(initialise(place, { random, clock }));
  const zone = openZone(place, ACQUIRER);
  const custodian = unwrap(Custodian.open(place, { random, clock }));
  return {
    directory,
    custodian,
    get keys() {
      return custodian.keys;
    },
    zone,
    remove: folder.remove,
  };
}
