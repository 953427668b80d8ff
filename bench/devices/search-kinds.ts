import { ANY_DEVICE, type DeviceFilter } from '../../src/devices/search.ts';
import { seededId } from './seed.ts';

/** One kind of search: the filter of its n-th search. */
export interface SearchKind {
  readonly name: string;
  readonly filterOf: (n: number) => DeviceFilter;
  /** Whether each search goes on where the one before ended, as a person who turns pages; else each is a first page. */
  readonly pages: boolean;
}

const shop = (n: number): string => `shop-${(n * 613) % 50_000}`;
const only = (part: Partial<DeviceFilter>): DeviceFilter => ({ ...ANY_DEVICE, ...part });

/** Searches as people make them; those of one merchant or one beginning name another one each time. */
export const SEARCH_KINDS: readonly SearchKind[] = [
  { name: 'merchant', filterOf: (n) => only({ merchant: shop(n) }), pages: false },
  { name: 'merchant-and-status', filterOf: (n) => only({ merchant: shop(n), status: 'active' }), pages: false },
  { name: 'merchant-prefix', filterOf: (n) => only({ text: shop(n).slice(0, 8) }), pages: false },
  { name: 'id-prefix', filterOf: (n) => only({ text: seededId(n + 1).slice(0, 8) }), pages: false },
  { name: 'status', filterOf: () => only({ status: 'suspended' }), pages: true },
  { name: 'acquirer-and-status', filterOf: () => only({ acquirer: 'acquirer-3', status: 'revoked' }), pages: true },
  { name: 'patch-below', filterOf: () => only({ osPatchBelow: 202_506 }), pages: true },
  {
    name: 'status-and-patch-below',
    filterOf: () => only({ status: 'suspended', osPatchBelow: 202_506 }),
    pages: true,
  },
  {
    name: 'app-version-below',
    filterOf: () => only({ packageName: 'org.example.pos1', appVersionBelow: 200n }),
    pages: true,
  },
  { name: 'attested-before', filterOf: () => only({ attestedBefore: new Date('2026-07-01T00:00:00Z') }), pages: true },
  { name: 'security-level', filterOf: () => only({ securityLevel: 'STRONG_BOX' }), pages: true },
];
