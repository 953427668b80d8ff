/** How the vault's process ends (sysexits.h), so that who starts it can tell a crash from a refusal to work. */
export const EXIT = {
  stopped: 0,
  /** A bug: an exception that nobody expected. */
  failed: 70,
  /** The socket cannot be had. */
  socketRefused: 73,
  usage: 64,
  /** The token, its PIN, or the passphrase cannot be had; the PIN is not tried again until its file has changed. */
  sourceRefused: 69,
  /** The keystore is missing, damaged, or open to others. */
  keystoreRefused: 78,
} as const;
