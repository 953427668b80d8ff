/** Bounds of one conversation. */
export interface ConversationLimits {
  /** Messages that the client may send over the whole stream. */
  readonly maximumMessages: number;
  /** Age at which the stream is ended. */
  readonly maximumLifetimeMilliseconds: number;
  /** Messages received and not yet taken; then nothing more is read. grpc-js holds up to 16 further ones itself. */
  readonly maximumUnread: number;
  /** Messages handed to `send` that the client did not read yet; one more ends the stream. */
  readonly maximumUnsent: number;
  /** A client that leaves no room for a message this long is cut; so is one that does not take its status. */
  readonly sendWithinMilliseconds: number;
}

/** Bounds of a short exchange, such as attestation. Long streams state their own. */
export const DEFAULT_CONVERSATION_LIMITS: ConversationLimits = {
  maximumMessages: 64,
  maximumLifetimeMilliseconds: 120_000,
  maximumUnread: 16,
  maximumUnsent: 64,
  sendWithinMilliseconds: 10_000,
};

/** Longest time of a unary call where the method states none, in milliseconds. */
export const DEFAULT_UNARY_MILLISECONDS = 15_000;

/** Bounds of one listener. */
export interface ListenerLimits {
  /** Largest message received, in bytes, after decompression. */
  readonly maximumReceiveBytes: number;
  /** Largest message sent, in bytes. */
  readonly maximumSendBytes: number;
  /** TCP connections at one time; further ones are dropped before TLS. */
  readonly maximumConnections: number;
  /** Streams at one time in a connection. */
  readonly maximumStreamsPerConnection: number;
  /** Calls at one time over all connections; further ones are refused with TOO_MANY_REQUESTS. */
  readonly maximumOpenCalls: number;
  readonly handshakeMilliseconds: number;
  /** A connection without a call is closed after this time. */
  readonly connectionIdleMilliseconds: number;
  /** A connection is told to go (GOAWAY) after this time, give or take a tenth, so that load spreads anew. */
  readonly connectionAgeMilliseconds: number;
  /** Then its calls have this long to end; let it be longer than the longest conversation. */
  readonly connectionAgeGraceMilliseconds: number;
  /** Ping of a silent connection, and how long its answer may take. */
  readonly keepaliveMilliseconds: number;
  readonly keepaliveTimeoutMilliseconds: number;
}

export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  maximumReceiveBytes: 65_536,
  maximumSendBytes: 262_144,
  maximumConnections: 10_000,
  maximumStreamsPerConnection: 128,
  maximumOpenCalls: 50_000,
  handshakeMilliseconds: 10_000,
  connectionIdleMilliseconds: 300_000,
  connectionAgeMilliseconds: 3_600_000,
  connectionAgeGraceMilliseconds: 3_600_000,
  keepaliveMilliseconds: 120_000,
  keepaliveTimeoutMilliseconds: 20_000,
};
