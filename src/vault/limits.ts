/** Largest message either way, in bytes: an intent and a grant at their own limits fit. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Connections at one time: a service's own, and those of its start and its restart. */
export const MAX_CONNECTIONS = 16;
