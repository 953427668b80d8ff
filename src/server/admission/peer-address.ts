import { isIPv4, isIPv6 } from 'node:net';

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const split = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const before = split(head);
  const after = tail === undefined ? [] : split(tail);
  const missing = tail === undefined ? 0 : GROUPS - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, missing)).fill('0'), ...after].map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
}

/**
 * What is limited of a peer (`address:port` as the connection has it): an IPv4 address, or the /64 of an IPv6 address,
 * since one household may choose among all addresses of it (RFC 6177). `unknown` for anything else, one key for all.
 *
 * No header is asked: a caller writes those itself. Behind a proxy that ends the connection, the proxy limits.
 */
export function limitedAddress(peer: string): string {
  const colon = peer.lastIndexOf(':');
  const address = peer
    .slice(0, Math.max(0, colon))
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
    .toLowerCase();
  if (isIPv4(address)) return address;
  const mapped = /^::ffff:([\d.]+)$/.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  if (!isIPv6(address) || address.includes('.')) return 'unknown';
  return `${groupsOf(address).slice(0, NETWORK_GROUPS).join(':')}::/64`;
}
