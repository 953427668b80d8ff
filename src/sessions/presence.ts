import type { Reason } from '../reasons/catalogue.ts';
import type { Directive } from './directive.ts';
import type { PresenceSubject } from './subject.ts';

/** Ends an open call from the outside; the reason goes to the phone, and what it may know of what caused it. */
export type EndSession = (reason: Reason, because?: readonly Reason[]) => void;

/** How an open call is reached from the outside. Neither blocks nor throws. */
export interface OpenCallHandle {
  readonly end: EndSession;
  readonly direct: (directive: Directive) => void;
}

/** Picks open calls. */
export type SubjectMatch = (subject: PresenceSubject) => boolean;

/** What reaches open calls; all of it at once and only on this replica. */
export interface OpenCalls {
  /** Ends a device's call, if one is open here. */
  end(deviceId: string, ...why: Parameters<EndSession>): void;
  /** As `end`, unless the call was opened by a token that was issued after the instant: the phone has attested anew. */
  endIssuedBy(deviceId: string, instant: Date, reason: Reason): void;
  /** Ends all that match; answers how many. */
  endWhere(matches: SubjectMatch, ...why: Parameters<EndSession>): number;
  /** Directs all that match; answers how many. */
  directWhere(matches: SubjectMatch, directive: Directive): number;
  /** How many match. */
  countWhere(matches: SubjectMatch): number;
}

interface Entered {
  readonly subject: PresenceSubject;
  readonly handle: OpenCallHandle;
  readonly issuedAt: Date | null;
}

/** The calls of one kind that are open on this replica: one a phone, the newest wins. */
export class Presence implements OpenCalls {
  readonly #open = new Map<string, Entered>();
  readonly #replaced: Reason;
  readonly #tellsFirst: boolean;

  /**
   * `replaced` is told to the call that a newer one of the same phone ends. With `tellsFirst`, whatever ends many calls
   * directs each phone to stop before the first call is ended: to end a call takes several times as long as a message.
   */
  constructor(replaced: Reason = 'SESSION_UNKNOWN', tellsFirst = false) {
    this.#replaced = replaced;
    this.#tellsFirst = tellsFirst;
  }

  /**
   * Enters a phone's call and ends the one before; answers how to leave again. `issuedAt` is when the token that opened
   * it was issued.
   */
  enter(subject: PresenceSubject, handle: OpenCallHandle, issuedAt: Date | null = null): () => void {
    const { deviceId } = subject;
    const before = this.#open.get(deviceId);
    const entered = { subject, handle, issuedAt };
    this.#open.set(deviceId, entered);
    before?.handle.end(this.#replaced);
    return () => {
      if (this.#open.get(deviceId) === entered) this.#open.delete(deviceId);
    };
  }

  endIssuedBy(deviceId: string, instant: Date, reason: Reason): void {
    const open = this.#open.get(deviceId);
    if (open !== undefined && (open.issuedAt === null || open.issuedAt <= instant)) open.handle.end(reason);
  }

  end(deviceId: string, ...why: Parameters<EndSession>): void {
    this.#open.get(deviceId)?.handle.end(...why);
  }

  endWhere(matches: SubjectMatch, ...why: Parameters<EndSession>): number {
    if (this.#tellsFirst) this.directWhere(matches, { kind: 'suspend', reason: why[0] });
    return this.#each(matches, (handle) => handle.end(...why));
  }

  directWhere(matches: SubjectMatch, directive: Directive): number {
    return this.#each(matches, (handle) => handle.direct(directive));
  }

  countWhere(matches: SubjectMatch): number {
    return this.#each(matches, () => {});
  }

  #each(matches: SubjectMatch, act: (handle: OpenCallHandle) => void): number {
    let count = 0;
    // A call that is ended leaves by itself, later or now: a map bears both while it is walked.
    for (const { subject, handle } of this.#open.values()) {
      if (!matches(subject)) continue;
      count += 1;
      act(handle);
    }
    return count;
  }

  /** The devices that have one open here. */
  devices(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }
}

/** Calls of several kinds as one: what ends a phone ends its session and its PIN entry. */
export function everyOpenCall(kinds: readonly OpenCalls[]): OpenCalls {
  const sum = (count: (kind: OpenCalls) => number): number => kinds.reduce((total, kind) => total + count(kind), 0);
  return {
    end: (...call) => {
      for (const kind of kinds) kind.end(...call);
    },
    endIssuedBy: (...call) => {
      for (const kind of kinds) kind.endIssuedBy(...call);
    },
    endWhere: (...call) => sum((kind) => kind.endWhere(...call)),
    directWhere: (...call) => sum((kind) => kind.directWhere(...call)),
    countWhere: (matches) => sum((kind) => kind.countWhere(matches)),
  };
}
