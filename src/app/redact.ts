import { createHash, KeyObject } from 'node:crypto';
import { types } from 'node:util';

/** Bounds of one log line. */
const DEPTH = 6;
const KEYS = 64;
const ITEMS = 64;
const TEXT = 1024;
const FRAMES = 12;
const CAUSES = 4;
/** Values of a line altogether, and characters of its texts. */
const NODES = 512;
const CHARACTERS = 16_384;

/** Names, in lower case without separators, under which nothing but a mark is written. */
const SECRET_NAMES =
  /^(pin|pinblock|clearpin|pan|track\d?|cvv\d?|cvc\d?|secret|key|password|passphrase|passwd|credentials?|authorization|cookie|seed|privatekey|secretkey|masterkey|initialkey|workingkey|keybytes|keyblock|invitecode|block|accountdata|iccdata|evidence|payload|envelope)$|(password|secret|token|privatekey)$/;

/** Keys' public names end like this, too, and are worth reading. */
const NAMES_OF_KEYS = /^(keyid|kid|token(id|hash)|jti)$/;

const GRPC_CODES =
  /^(OK|CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNAUTHENTICATED)$/;
/** A code of the program's own: words joined by underscores, or the system's (`ECONNRESET`). Invite codes are neither. */
const OWN_CODE = /^[A-Z]{2,}(_[A-Z0-9]+)+$|^E[A-Z]{2,14}$/;
/** SQLSTATE of a failure that the store has not yet named. */
const SQLSTATE = /^[0-9]{2}[0-9A-Z]{3}$/;

/** A header that is a JSON object begins so (RFC 7515, RFC 7516); a detached payload leaves its part empty. */
const COMPACT_JWS = /\beyJ[\w-]+\.[\w-]*\.[\w-]*(\.[\w-]*){0,2}/g;
const INVITE_CODE = /\b[0-9A-HJKMNP-TV-Z]{6}(-[0-9A-HJKMNP-TV-Z]{6}){3}\b/gi;
const CARD_NUMBER = /(?<![\w.])\d(?:[ -]?\d){11,18}(?![\w.])/g;
const PEM = /-----BEGIN [^-]*KEY-----[\s\S]*?(-----END [^-]*KEY-----|$)/g;

/** No card number, code or token is shorter. */
const SHORTEST_SECRET = 12;
/** Names whose kind is remembered: the program's own are few. */
const REMEMBERED_NAMES = 1000;

const SECRET = '[secret]';

function digestOf(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12);
}

function passesLuhn(text: string): boolean {
  const digits = [...text.replaceAll(/\D/g, '')].reverse().map(Number);
  const sum = digits.reduce((total, digit, index) => {
    const weighed = index % 2 === 0 ? digit : digit * 2;
    return total + (weighed > 9 ? weighed - 9 : weighed);
  }, 0);
  return sum % 10 === 0;
}

/** A text without what looks like a token, an invite code, a card number or a key; bounded in length. */
export function redactText(text: string, longest: number = TEXT): string {
  if (text.length < SHORTEST_SECRET && text.length <= longest) return text;
  const window = longest * 4;
  // What would be cut in the middle could not be told for what it is, so that a long text loses its last word first.
  const whole = text.length > window ? text.slice(0, window - 64).replace(/\S+$/, '') : text;
  const shown = whole
    .replaceAll(PEM, SECRET)
    .replaceAll(COMPACT_JWS, (token) => `[token sha256:${digestOf(token)}]`)
    .replaceAll(INVITE_CODE, '[invite code]')
    .replaceAll(CARD_NUMBER, (digits) => (passesLuhn(digits) ? '[pan]' : digits));
  return whole.length < text.length || shown.length > longest ? `${shown.slice(0, longest)}… [${text.length}]` : shown;
}

function isCode(value: unknown): boolean {
  if (typeof value === 'number') return true;
  return typeof value === 'string' && (GRPC_CODES.test(value) || OWN_CODE.test(value) || SQLSTATE.test(value));
}

type NameKind = 'plain' | 'code' | 'token' | 'secret';

const knownNames = new Map<string, NameKind>();

/** What a field's name says of its value. */
function kindOf(name: string): NameKind {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const letters = name
    .slice(0, 256)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
  const secret = SECRET_NAMES.test(letters) && !NAMES_OF_KEYS.test(letters);
  const kind = letters === 'code' ? 'code' : !secret ? 'plain' : letters.endsWith('token') ? 'token' : 'secret';
  if (knownNames.size < REMEMBERED_NAMES && name.length <= 64) knownNames.set(name, kind);
  return kind;
}

/** What stands under a name that says secret: nothing of it but whether it is there. */
function hidden(value: unknown): unknown {
  return value === undefined || value === null || typeof value === 'boolean' ? (value ?? null) : SECRET;
}

/** A token long enough to be no guess leaves a handle to find it by. */
function hiddenToken(value: unknown): unknown {
  return typeof value === 'string' && value.length >= 32 ? `[token sha256:${digestOf(value)}]` : hidden(value);
}

function textField(error: object, field: string): string | undefined {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : undefined;
}

/** One line's walk: what it has seen, and how much it may still write. */
class Redaction {
  readonly #open = new Set<object>();
  #left = NODES;
  #room = CHARACTERS;

  value(value: unknown, depth: number): unknown {
    this.#left -= 1;
    if (this.#left < 0) return '[more]';
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'bigint':
        return String(value);
      case 'number':
      case 'boolean':
        return value;
      case 'object':
        return value === null ? null : this.#object(value, depth);
      default:
        return value === undefined ? undefined : `[${typeof value}]`;
    }
  }

  #text(value: string, longest: number = TEXT): string {
    if (this.#room <= 0) return '[more]';
    const shown = redactText(value, Math.min(longest, this.#room));
    this.#room -= shown.length;
    return shown;
  }

  #object(value: object, depth: number): unknown {
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return `[${value.byteLength} bytes]`;
    if (types.isDate(value)) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString();
    if (this.#open.has(value)) return '[circular]';
    if (depth >= DEPTH) return '[deep]';
    this.#open.add(value);
    try {
      if (isError(value)) return this.#error(value, depth);
      if (Array.isArray(value)) return this.#list(value, depth);
      return isPlain(value) ? this.#fields(value, depth) : nameOf(value);
    } catch {
      // A getter or a proxy of the value threw; a log line is not worth an exception.
      return '[unreadable]';
    } finally {
      this.#open.delete(value);
    }
  }

  #list(values: readonly unknown[], depth: number): unknown[] {
    const shown = values.slice(0, ITEMS).map((value) => this.value(value, depth + 1));
    return values.length > ITEMS ? [...shown, `[${values.length - ITEMS} more]`] : shown;
  }

  #fields(value: object, depth: number): unknown {
    if (isSignedBytes(value)) return `[signed sha256:${digestOf(value.payload)}]`;
    const names = Object.keys(value);
    const shown = names.slice(0, KEYS).map((name) => {
      const at: unknown = Reflect.get(value, name);
      return [this.#text(name, 64), this.#field(name, at, depth)] as const;
    });
    const fields = Object.fromEntries(shown);
    return names.length > KEYS ? { ...fields, more: names.length - KEYS } : fields;
  }

  #field(name: string, value: unknown, depth: number): unknown {
    const kind = kindOf(name);
    if (kind === 'plain' || (kind === 'code' && isCode(value))) return this.value(value, depth + 1);
    return kind === 'token' ? hiddenToken(value) : hidden(value);
  }

  /** Kind and place of an error. What a database says of a failure may quote rows, so that its message stays out. */
  #error(error: object, depth: number): Record<string, unknown> {
    const code: unknown = Reflect.get(error, 'code');
    const fromDatabase = textField(error, 'severity') !== undefined && textField(error, 'routine') !== undefined;
    const schema = ['constraint', 'table', 'column', 'sqlState', 'reason'].flatMap((field) => {
      const text = textField(error, field);
      return text === undefined ? [] : [[field, redactText(text, 128)]];
    });
    const cause: unknown = Reflect.get(error, 'cause');
    const errors: unknown = Reflect.get(error, 'errors');
    return {
      name: redactText(textField(error, 'name') ?? 'Error', 128),
      ...(isCode(code) && { code }),
      message: fromDatabase ? '[a database message]' : this.#text(textField(error, 'message') ?? ''),
      ...Object.fromEntries(schema),
      stack: framesOf(error).map((frame) => this.#text(frame, 256)),
      ...(cause !== undefined && { cause: this.value(cause, depth + 1) }),
      ...(Array.isArray(errors) && { errors: errors.slice(0, CAUSES).map((one) => this.value(one, depth + 1)) }),
    };
  }
}

/** The frames only: a stack begins with the message. */
function framesOf(error: object): string[] {
  const lines = (textField(error, 'stack') ?? '').split('\n', 256);
  const frames = lines.filter((line) => /^\s+at .{1,512}$/.test(line)).slice(0, FRAMES);
  return frames.map((line) => line.trim());
}

function isError(value: object): boolean {
  return value instanceof Error || types.isNativeError(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm have an Object.prototype of their own: the one that has no prototype itself.
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null);
}

function isSignedBytes(value: object): value is { readonly payload: Uint8Array } {
  const { payload, signature } = value as { readonly payload?: unknown; readonly signature?: unknown };
  return payload instanceof Uint8Array && signature instanceof Uint8Array;
}

/** Anything that is no plain value is its kind: classes keep what they hold. */
function nameOf(value: object): string {
  if (value instanceof KeyObject) return value.type === 'public' ? '[public key]' : SECRET;
  const name: unknown = value.constructor?.name;
  if (typeof name !== 'string' || /secret|token|password/i.test(name)) return SECRET;
  return `[${redactText(name, 64)}]`;
}

/**
 * What a log line may say of some fields: plain values only, bounded in depth and number. Bytes are their length, secrets a
 * mark, tokens and signed bytes a hash to find them by, errors their kind and place.
 */
export function redactFields(fields: object): Record<string, unknown> {
  const shown = new Redaction().value(isError(fields) ? { err: fields } : fields, 0);
  return typeof shown === 'object' && shown !== null && !Array.isArray(shown) ? { ...shown } : { value: shown };
}

/** What a log line may say of one value. */
export function redactValue(value: unknown): unknown {
  return new Redaction().value(value, 0);
}
