import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { limitedAddress } from '../../../src/server/admission/peer-address.ts';

test.each([
  ['203.0.113.7:50000', '203.0.113.7'],
  ['::ffff:203.0.113.7:50000', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6:50000', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1:50000', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::1]:50000', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::1:50000', '2001:db8:1:2::/64'],
  ['2001:db8::1:50000', '2001:db8:0:0::/64'],
  ['fe80::1%eth0:50000', 'fe80:0:0:0::/64'],
  ['::1:50000', '0:0:0:0::/64'],
  ['unknown', 'unknown'],
  ['', 'unknown'],
  ['unix:/run/tapgate.sock', 'unknown'],
  ['10.0.0.1, 203.0.113.7:1', 'unknown'],
])('limits %s as %s', (peer, limited) => {
  expect(limitedAddress(peer)).toBe(limited);
});

test('all addresses of a /64 are one, and another /64 is another', () => {
  const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
  const four = fc.array(group, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(four, four, four, fc.integer({ min: 1, max: 65_535 }), (network, first, second, port) => {
      const at = (host: string[]) => limitedAddress(`${[...network, ...host].join(':')}:${port}`);
      expect(at(first)).toBe(at(second));
      expect(at(first)).toBe(`${network.join(':')}::/64`);
    }),
    { seed: 1 },
  );
});
