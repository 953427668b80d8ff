import { createHash } from 'node:crypto';
import { keyCheckValue } from '../../../../src/payment-crypto/kcv.ts';
import { exportKeyBlock } from '../../../../src/payment-crypto/key-block/export.ts';
import { SecretKey } from '../../../../src/payment-crypto/secret-key.ts';
import type { Random } from '../../../../src/ports/random.ts';

/** Bytes that follow from a seed: the same in every run. */
export function seededRandom(seed: string): Random {
  let block = createHash('sha256').update(seed).digest();
  return {
    bytes: (length) => {
      const parts: Buffer[] = [];
      for (let have = 0; have < length; have += block.length) {
        block = createHash('sha256').update(block).digest();
        parts.push(block);
      }
      return Buffer.concat(parts).subarray(0, length);
    },
  };
}

export const random = seededRandom('zone');

/** Two components of an AES-256 zone KEK, and the key that they make. */
export const COMPONENTS = ['a1b2c3d4'.repeat(8), '5c6d7e8f'.repeat(8)] as const;
export const zoneKek = (): SecretKey => SecretKey.ofOwned('AES', Buffer.from('fddfbd5b'.repeat(8), 'hex'));

/** The zone keys as the service's vault holds them. */
export const PIN_KEY = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
export const DATA_KEY = Buffer.from('ffeeddccbbaa99887766554433221100', 'hex');
export const zonePinKey = (): SecretKey => SecretKey.ofOwned('AES', Uint8Array.from(PIN_KEY));
export const zoneDataKey = (): SecretKey => SecretKey.ofOwned('AES', Uint8Array.from(DATA_KEY));

interface BlockOptions {
  readonly usage?: string;
  readonly modeOfUse?: string;
  readonly label?: string | null;
  readonly kek?: SecretKey;
}

/** A key block as the service's key ceremony makes it. */
export function zoneKeyBlock(key: SecretKey, options: BlockOptions = {}): string {
  const { usage = 'P0', modeOfUse = 'D', label = 'zone-key', kek = zoneKek() } = options;
  const attributes = { usage, algorithm: 'A', modeOfUse, keyVersion: '00', exportability: 'E' };
  const kcv = { id: 'KC', method: 'cmac', value: keyCheckValue(key).toString('hex').toUpperCase() } as const;
  const optional = label === null ? [kcv] : [{ id: 'LB', text: label } as const, kcv];
  const block = exportKeyBlock({ version: 'D', attributes, key, optional }, kek, random);
  if (!block.ok) throw new Error(block.reason);
  return block.value;
}

/** `zone.json` of acquirer acme. */
export const zoneDocument = () => ({
  acquirer: 'acme',
  pinKeyBlock: zoneKeyBlock(zonePinKey(), { usage: 'P0', label: 'zone-pin-1' }),
  dataKeyBlock: zoneKeyBlock(zoneDataKey(), { usage: 'D0', label: 'zone-data-1' }),
});

/** Check value of a component, 10 hexadecimal digits. */
export const componentKcv = (component: string): string =>
  keyCheckValue(SecretKey.ofOwned('AES', Uint8Array.from(Buffer.from(component, 'hex')))).toString('hex');
