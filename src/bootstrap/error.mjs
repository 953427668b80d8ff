/** A failure that its message explains fully: printed without a stack. */
export class BootstrapError extends Error {}
