// An error as AWS services answer it. The stand-ins throw it; the server turns it into a response.

export class AwsError extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

export function accessDenied(message: string): AwsError {
  return new AwsError("AccessDeniedException", message);
}

export function validation(message: string): AwsError {
  return new AwsError("ValidationException", message);
}
