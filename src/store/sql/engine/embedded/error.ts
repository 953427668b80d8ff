/** Why the embedded database cannot be had. */
export type EmbeddedErrorCode =
  | 'EMBEDDED_IN_USE'
  | 'EMBEDDED_FOLDER_UNUSABLE'
  | 'EMBEDDED_NOT_SUPPORTED'
  | 'EMBEDDED_NOT_STARTED'
  | 'EMBEDDED_NOT_STOPPED';

/** A failure of the embedded database; the message says what to do. */
export class EmbeddedError extends Error {
  readonly code: EmbeddedErrorCode;

  constructor(code: EmbeddedErrorCode, message: string) {
    super(message);
    this.name = 'EmbeddedError';
    this.code = code;
  }
}
