import { describe, expect, test } from '@jest/globals';
import { lackingOf, NEEDS, type Need, type TargetPlaces, targetSchema } from '../../../src/virtual/world/places.ts';

const file = 'file.pem';
const LEAST = {
  device: { address: 'localhost:7401', ca: file, serviceAnchor: file },
  virtualPhones: 'factory',
  admin: { address: 'localhost:7403', ca: file, certificate: file, key: file },
  acquirer: { name: 'acquirer', certificate: file, key: file },
};
const gate = { address: 'localhost:7402', ca: file };
const rival = { name: 'rival', certificate: file, key: file };
const processing = { address: 'localhost:7501', ca: file };
const zone = { file: 'zone.json', components: ['1.txt', '2.txt'] };

const parsed = (more: object = {}): TargetPlaces => targetSchema.parse({ ...LEAST, ...more });
const ALL = Object.keys(NEEDS) as Need[];

describe('the description of a target', () => {
  test('has a merchant and an issuer where none is said', () => {
    expect(parsed()).toMatchObject({ issuer: 'https://tapgate.localhost', acquirer: { merchant: 'courier-7' } });
  });

  test.each<[string, object]>([
    ['device', { device: undefined }],
    ['admin', { admin: undefined }],
    ['virtualPhones', { virtualPhones: '' }],
    ['acquirer.certificate', { acquirer: { name: 'acquirer', key: file } }],
    ['acquirer.name', { acquirer: { ...LEAST.acquirer, name: 'An Acquirer' } }],
    ['acquirer.zone.components', { acquirer: { ...LEAST.acquirer, zone: { ...zone, components: ['1.txt'] } } }],
    ['device.address', { device: { ...LEAST.device, address: 'localhost' } }],
    ['device.address', { device: { ...LEAST.device, address: 'https://localhost:7401' } }],
    ['gate.address', { gate: { ...gate, address: 'localhost:' } }],
    ['', { console: 'localhost:1' }],
  ])('is refused where %p does not fit', (path, more) => {
    const { error } = targetSchema.safeParse({ ...LEAST, ...more });
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });

  test.each(['localhost:1', '127.0.0.1:7401', '[::1]:7401', 'tapgate.example.org:443'])('takes %s', (address) => {
    expect(parsed({ gate: { ...gate, address } }).gate?.address).toBe(address);
  });
});

describe('what a target lacks', () => {
  const acquirer = LEAST.acquirer;
  test.each<[string, object, readonly Need[]]>([
    ['nothing is given', {}, ['gate', 'processing', 'cards', 'rival']],
    ['a gate', { gate }, ['processing', 'cards', 'rival']],
    ['a processing', { acquirer: { ...acquirer, processing } }, ['gate', 'cards', 'rival']],
    ['a processing and its cards', { acquirer: { ...acquirer, processing }, cards: file }, ['gate', 'rival']],
    ['zone keys without a gate', { acquirer: { ...acquirer, zone } }, ['gate', 'processing', 'cards', 'rival']],
    ['zone keys and a gate', { gate, acquirer: { ...acquirer, zone } }, ['rival']],
    ['a rival without a gate', { rival }, ['gate', 'processing', 'cards', 'rival']],
    ['a rival and a gate', { gate, rival }, ['processing', 'cards']],
    ['everything', { gate, rival, cards: file, acquirer: { ...acquirer, processing } }, []],
    [
      'zone keys beside a running processing',
      { gate, acquirer: { ...acquirer, processing, zone } },
      ['cards', 'rival'],
    ],
  ])('with %s', (_what, more, lacking) => {
    expect(lackingOf(parsed(more), ALL)).toEqual(lacking);
  });

  test('is asked for by need', () => {
    expect(lackingOf(parsed({ gate }), ['gate', 'rival'])).toEqual(['rival']);
    expect(lackingOf(parsed(), [])).toEqual([]);
  });
});
