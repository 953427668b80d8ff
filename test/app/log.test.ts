import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Logger } from 'pino';
import { createLogger } from '../../src/app/log.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { StatementFailed } from '../../src/store/sql/engine/errors.ts';
import { RedisUrl } from '../../src/store/volatile/redis-url.ts';

const TOKEN = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from('{"sub":"a-device"}').toString('base64url')}.c2lnbmF0dXJl`;
const PAN = '4539578763621486';
const INVITE = 'ABCDEF-012345-GHJKMN-6789PQ';
/** Texts of 16 384 characters, each of which JSON may write as six. */
const LONGEST_LINE = 131_072;

/** The lines that logging leaves. */
function logged(log: (logger: Logger) => void): string[] {
  const lines: string[] = [];
  log(createLogger('debug', 'test', { write: (line) => lines.push(line) }));
  return lines;
}

function line(log: (logger: Logger) => void): Record<string, unknown> {
  const [only, ...others] = logged(log);
  expect(others).toEqual([]);
  return JSON.parse(only ?? '') as Record<string, unknown>;
}

describe('a log line', () => {
  test('says what is no secret as it is', () => {
    const at = new Date('2026-03-01T12:00:00Z');
    const fields = { device: 'd-1', count: 3, big: 2n ** 60n, ok: true, none: null, at, reasons: ['TOKEN_INVALID'] };
    expect(line((logger) => logger.info(fields, 'phone refused'))).toMatchObject({
      level: 30,
      name: 'test',
      msg: 'phone refused',
      device: 'd-1',
      count: 3,
      big: '1152921504606846976',
      ok: true,
      none: null,
      at: '2026-03-01T12:00:00.000Z',
      reasons: ['TOKEN_INVALID'],
    });
  });

  test('gives of bytes their number', () => {
    const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
    const deep = { list: [bytes, { view: new Uint8Array(bytes) }], raw: bytes.buffer.slice(0, 7) };
    const said = line((logger) => logger.info({ bytes, deep }, 'bytes'));
    expect(said).toMatchObject({
      bytes: '[16 bytes]',
      deep: { list: ['[16 bytes]', { view: '[16 bytes]' }], raw: '[7 bytes]' },
    });
  });

  test('gives of signed bytes and tokens a hash to find them by', () => {
    const signed = { payload: Buffer.from('grant'), signature: Buffer.alloc(64) };
    const said = line((logger) => logger.info({ grant: signed, deviceToken: TOKEN, seen: `got ${TOKEN} twice` }));
    expect(said.grant).toMatch(/^\[signed sha256:[0-9a-f]{12}\]$/);
    expect(said.deviceToken).toMatch(/^\[token sha256:[0-9a-f]{12}\]$/);
    expect(said.seen).toBe(`got ${said.deviceToken} twice`);
  });

  test('marks secret types, keys and objects of classes, and looks into none', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    class Holder {
      readonly held = PAN;
      toJSON() {
        return this.held;
      }
    }
    const values = [
      new SecretBytes(Buffer.alloc(16, 7)),
      privateKey,
      createSecretKey(Buffer.alloc(16, 7)),
      publicKey,
      new Holder(),
      new Map([['pan', PAN]]),
      new Set([PAN]),
      () => PAN,
      Symbol(PAN),
      RedisUrl.parse('redis://user:hunter2@redis:6379/0'),
    ];
    expect(line((logger) => logger.info({ values })).values).toEqual([
      '[secret]',
      '[secret]',
      '[secret]',
      '[public key]',
      '[Holder]',
      '[Map]',
      '[Set]',
      '[function]',
      '[symbol]',
      '[RedisUrl]',
    ]);
  });

  test.each([
    ['pin', '1234'],
    ['PIN', 1234],
    ['pinBlock', 'f00d'],
    ['pin_block', 'f00d'],
    ['pan', PAN],
    ['inviteCode', INVITE],
    ['invite_code', INVITE],
    ['password', 'hunter2'],
    ['redisPassword', 'hunter2'],
    ['clientSecret', 'hunter2'],
    ['privateKey', 'MIG…'],
    ['key', 'MIG…'],
    ['authorization', 'Bearer x'],
    ['token', 'short'],
    ['code', INVITE],
    ['code', INVITE.replaceAll('-', '')],
    ['block', { nested: 'f00d' }],
  ])('writes nothing of what stands under %s', (name, value) => {
    expect(line((logger) => logger.info({ inner: [{ [name]: value }] })).inner).toEqual([{ [name]: '[secret]' }]);
  });

  test.each([
    ['code', 'RESOURCE_EXHAUSTED'],
    ['code', 'OK'],
    ['code', 'ECONNREFUSED'],
    ['code', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['code', '40001'],
    ['code', 8],
    ['keyId', 'bdk-1'],
    ['tokenHash', 'ab12'],
    ['pinAllowed', true],
    ['key', null],
  ])('writes what stands under %s where it is %s', (name, value) => {
    expect(line((logger) => logger.info({ [name]: value }))).toHaveProperty(name, value);
  });

  test('knows card numbers, invite codes and keys in any text', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----';
    const said = line((logger) =>
      logger.warn(
        { cause: `card ${PAN} or 4539 5787 6362 1486`, code: 'OK' },
        `invite ${INVITE}, key ${pem}, not 123456`,
      ),
    );
    expect(said.cause).toBe('card [pan] or [pan]');
    expect(said.msg).toBe('invite [invite code], key [secret], not 123456');
  });

  test('redacts what fills the text, what children are bound to, and a bare text', () => {
    const lines = logged((logger) => {
      logger.info('token %s, card %s, %o', TOKEN, PAN, { pin: '1234' });
      const child = logger.child({ call: 'c-1', deviceToken: TOKEN, pin: '1234', held: Buffer.alloc(3) });
      child.info('first');
      child.child({ pan: PAN }).info({ bytes: Buffer.alloc(2) }, `for ${PAN}`);
      logger.error(new Error(`no card ${PAN}`));
    }).join('');
    expect(lines).not.toContain(TOKEN);
    expect(lines).not.toContain(PAN);
    expect(lines).not.toContain('1234"');
    expect(lines).toContain('"call":"c-1"');
    expect(lines).toContain('[3 bytes]');
    expect(lines).toContain('[2 bytes]');
    expect(lines).toContain('no card [pan]');
  });
});

describe('an error in the log', () => {
  test('is its kind, message and place, with its causes', () => {
    const cause = Object.assign(new Error('the socket'), { code: 'ECONNRESET', payload: PAN });
    const error = new TypeError('a bug', { cause });
    const { err } = line((logger) => logger.error({ err: error }, 'failed')) as { err: Record<string, unknown> };
    expect(err).toMatchObject({
      name: 'TypeError',
      message: 'a bug',
      cause: { name: 'Error', code: 'ECONNRESET', message: 'the socket' },
    });
    expect(err.cause).not.toHaveProperty('payload');
    expect(err.stack).toEqual(expect.arrayContaining([expect.stringMatching(/^at .*log\.test\.ts/)]));
  });

  test('says nothing that a database quotes', () => {
    const fromDriver = Object.assign(new Error('duplicate key value violates unique constraint "device_key"'), {
      name: 'error',
      severity: 'ERROR',
      code: '23505',
      detail: `Key (pan)=(${PAN}) already exists.`,
      where: 'hunter2',
      hint: 'hunter2',
      internalQuery: 'hunter2',
      table: 'device',
      constraint: 'device_key',
      routine: '_bt_check_unique',
      parameters: ['hunter2'],
    });
    const wrapped = new StatementFailed('column "x" does not exist (SQLSTATE 42703)', '42703');
    wrapped.cause = fromDriver;
    const text = logged((logger) => logger.error({ err: wrapped }, 'failed')).join('');
    expect(text).not.toMatch(/hunter2|453957|already exists|duplicate key/);
    expect(JSON.parse(text)).toMatchObject({
      err: {
        code: 'STATEMENT_FAILED',
        sqlState: '42703',
        cause: { code: '23505', constraint: 'device_key', table: 'device', message: '[a database message]' },
      },
    });
  });

  test('that is its own cause, or one of many, ends', () => {
    const circular = new Error('circle');
    circular.cause = circular;
    const many = new AggregateError(
      Array.from({ length: 100 }, (_, index) => new Error(`one ${index}`)),
      'many',
    );
    const said = line((logger) => logger.error({ err: circular, many })) as { err: object; many: { errors: object[] } };
    expect(said.err).toMatchObject({ cause: '[circular]' });
    expect(said.many.errors).toHaveLength(4);
  });
});

describe('whatever is logged', () => {
  test('ends, where it is circular, deep, wide, long or hostile', () => {
    const circular: Record<string, unknown> = { name: 'a' };
    circular.self = circular;
    circular.list = [circular];
    let deep: object = { pin: '1234' };
    for (let level = 0; level < 10_000; level += 1) deep = { deep };
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, 'x'.repeat(10_000)]));
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    const getter = {
      get held(): string {
        throw new Error('no');
      },
    };
    const lines = logged((logger) => {
      logger.info(circular, 'circular');
      logger.info({ deep }, 'deep');
      logger.info(wide, 'wide');
      logger.info({ list: Array.from({ length: 100_000 }, () => wide) }, 'list');
      logger.info({ hostile, getter }, 'hostile');
      logger.info('long '.repeat(100_000));
      logger.info('x'.repeat(1_000_000));
    });
    expect(lines).toHaveLength(7);
    for (const one of lines) expect(one.length).toBeLessThan(LONGEST_LINE);
    expect(lines.join('')).not.toContain('1234');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ self: '[circular]' });
    expect(JSON.parse(lines[4] ?? '')).toMatchObject({ hostile: '[unreadable]', getter: '[unreadable]' });
  });

  test('holds no secret, wherever in it the secret stands', () => {
    const bytes = Buffer.from('5ec2e75ec2e75ec2e75ec2e75ec2e7aa', 'hex');
    const secrets = [TOKEN, PAN, INVITE, bytes, new SecretBytes(bytes), { pin: '739105' }, new Error(`x ${PAN}`)];
    const { tree } = fc.letrec<{ tree: unknown; object: unknown; leaf: unknown }>((tie) => ({
      tree: fc.oneof({ maxDepth: 5 }, tie('leaf'), fc.array(tie('tree'), { maxLength: 4 }), tie('object')),
      object: fc.dictionary(fc.string({ maxLength: 8 }), tie('tree'), { maxKeys: 4 }),
      leaf: fc.oneof(fc.constantFrom(...secrets), fc.string({ maxLength: 20 }), fc.integer()),
    }));
    fc.assert(
      fc.property(tree, fc.string(), (value, text) => {
        const written = logged((logger) => {
          logger.info({ value }, text);
          logger.child({ value }).warn('%o', [value]);
        }).join('');
        for (const secret of [TOKEN, PAN, INVITE, '739105', '5ec2e75e', bytes.toString('base64'), bytes.join(',')])
          expect(written).not.toContain(secret);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('is not altered by being logged', () => {
    const value = { pin: '1234', inner: { token: TOKEN }, bytes: Buffer.from('abc') };
    const before = inspect(value, { depth: 9 });
    logged((logger) => logger.info(value));
    expect(inspect(value, { depth: 9 })).toBe(before);
  });
});
