import type { Clock } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { Cryptoki, type ModuleFault } from './cryptoki.ts';
import { type PinFault, PinFile } from './pin-file.ts';
import { type TokenName, TokenSession } from './session.ts';
import { TokenError } from './token-error.ts';

/** Where a token is. */
export interface TokenAddress {
  /** Absolute path of the PKCS #11 module. */
  readonly module: string;
  readonly label: string;
  /** Absolute path of the file with the user's PIN, 0600. */
  readonly pinFile: string;
}

/** Why a token cannot be used from the start. */
export type TokenFault = ModuleFault | PinFault | 'TOKEN_UNAVAILABLE';

/** A token that was lost is looked for so often, whoever asks. */
const LOOK_EVERY_MILLISECONDS = 1000;

/** A token that the vault works with: one session, opened anew when it is gone. */
export class Token {
  readonly #cryptoki: Cryptoki;
  readonly #name: TokenName;
  readonly #pin: PinFile;
  readonly #clock: Clock;
  #session: TokenSession | null = null;
  #lost: { readonly error: TokenError; readonly until: number } | null = null;

  private constructor(cryptoki: Cryptoki, name: TokenName, pin: PinFile, clock: Clock) {
    this.#cryptoki = cryptoki;
    this.#name = name;
    this.#pin = pin;
    this.#clock = clock;
  }

  /**
   * Loads the module, opens a session and logs in. `serial` is the token that a keystore was made on; `memory` the folder
   * where a refused PIN is remembered. Refuses with a {@link TokenFault}.
   */
  static async open(
    { module, label, pinFile }: TokenAddress,
    {
      serial,
      memory,
      clock,
    }: { readonly serial: string | null; readonly memory: string | null; readonly clock: Clock },
  ): Promise<Result<Token, TokenFault>> {
    const cryptoki = await Cryptoki.load(module);
    if (!cryptoki.ok) return cryptoki;
    const pin = new PinFile(pinFile, memory);
    const token = new Token(cryptoki.value, { label, serial }, pin, clock);
    try {
      token.use((session) => session.serial);
      return ok(token);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const readable = pin.read();
      if (readable.ok) readable.value.wipe();
      else return readable;
      return refuse('TOKEN_UNAVAILABLE', error.detail);
    }
  }

  /** Serial number of the token. */
  get serial(): string {
    return this.use(({ serial }) => serial);
  }

  /**
   * Works with the session, and a second time with a new one where the first was gone: work is given here that may be
   * done twice. Throws TokenError.
   */
  use<T>(work: (session: TokenSession) => T): T {
    try {
      return work(this.#open());
    } catch (error) {
      if (!this.#dropFor(error)) throw error;
    }
    return this.once(work);
  }

  /** Works with the session once: for what must not be done twice. Throws TokenError. */
  once<T>(work: (session: TokenSession) => T): T {
    try {
      return work(this.#open());
    } catch (error) {
      this.#dropFor(error);
      throw error;
    }
  }

  /** True while the token has not returned from a call that was given up. */
  get isStuck(): boolean {
    return this.#cryptoki.isStuck;
  }

  /** Ends session and login. */
  close(): void {
    this.#session?.close();
    this.#session = null;
    this.#cryptoki.stop();
  }

  /** Forgets a session that an error has ended; true where there was one. */
  #dropFor(error: unknown): boolean {
    if (this.#session === null || !(error instanceof TokenError) || !error.endsSession) return false;
    const ended = this.#session;
    this.#session = null;
    ended.close();
    // Many modules read which tokens there are at their start only.
    this.#cryptoki.stop();
    return true;
  }

  #open(): TokenSession {
    if (this.#session !== null) return this.#session;
    const now = this.#clock.now().getTime();
    if (this.#lost !== null && now < this.#lost.until) throw this.#lost.error;
    try {
      this.#session = this.#connect();
      this.#lost = null;
      return this.#session;
    } catch (error) {
      if (error instanceof TokenError) this.#lost = { error, until: now + LOOK_EVERY_MILLISECONDS };
      throw error;
    }
  }

  #connect(): TokenSession {
    const pin = this.#pin.read();
    if (!pin.ok) throw new TokenError(`${pin.reason} ${pin.detail ?? ''}`.trimEnd());
    try {
      this.#cryptoki.start();
      const session = TokenSession.open(this.#cryptoki, this.#name, pin.value);
      this.#pin.accepted();
      return session;
    } catch (error) {
      if (error instanceof TokenError && error.refusesPin) this.#pin.refused();
      this.#cryptoki.stop();
      throw error;
    } finally {
      pin.value.wipe();
    }
  }
}
