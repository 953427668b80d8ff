import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

/** A generated client's unary method, bound to its client. */
export type UnaryCall<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** One unary call as a promise, with a deadline in milliseconds. Rejects with the ServiceError of its status. */
export function callUnary<Request, Response>(
  call: UnaryCall<Request, Response>,
  request: Request,
  withinMilliseconds: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call(request, new Metadata(), { deadline: Date.now() + withinMilliseconds }, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}
