/** The address of a Unix socket as gRPC writes it. */
export function socketAddress(path: string): string {
  return `unix:${path}`;
}
