/** Largest message either way, in bytes: an intent and a grant at their own limits fit. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Streams of one connection; a service opens one. */
export const MAX_STREAMS = 4;
