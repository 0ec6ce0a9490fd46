import { fieldsOf, messageOf } from '../checks.js';
import { abortError, QuantizeError, type QuantizeErrorCode } from '../errors.js';

/** What errors of systems (by `code`) and of browsers (by `name`) mean, in words that continue "Cannot read x: ". */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'it is closed, or not open for this',
  EBUSY: 'it is in use',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than is allowed here',
  EIO: 'the device reports an error',
  EISDIR: 'it is a folder',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is not a folder',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  NoModificationAllowedError: 'it is in use',
  NotAllowedError: 'permission denied; ask for it with requestPermission() after a click',
  NotFoundError: 'it has been moved or deleted',
  NotReadableError: 'it has changed or is gone since it was chosen',
  QuotaExceededError: 'the storage quota is used up',
  SecurityError: 'permission denied',
};

const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG', 'QuotaExceededError'];

/** The system's name of an error. Not by `instanceof`: in a vm context, system errors are of another realm. */
export function codeOf(error: unknown): unknown {
  const { code, name } = fieldsOf(error);
  // A DOMException's code is a number that says less than its name.
  return typeof code === 'string' ? code : name;
}

/** What went wrong, in words that continue "Cannot read x: ". */
export function reasonOf(cause: unknown): string {
  const code = codeOf(cause);
  const known = typeof code === 'string' && Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  return known ?? messageOf(cause);
}

/** The error of code `code` about `file` that `cause` led to; errors of ours stay what they are. */
export function failure(code: QuantizeErrorCode, file: string, cause: unknown): QuantizeError {
  if (cause instanceof QuantizeError) return cause;
  return new QuantizeError(code, { file, detail: reasonOf(cause), cause });
}

export const readFailure = (file: string, cause: unknown): QuantizeError => failure('unreadable_input', file, cause);

export const writeFailure = (file: string, cause: unknown): QuantizeError =>
  failure(FULL.includes(codeOf(cause)) ? 'disk_full' : 'unwritable_output', file, cause);

export const unwritable = (file: string, detail: string): QuantizeError =>
  new QuantizeError('unwritable_output', { file, detail });

export const unreadable = (file: string, detail: string): QuantizeError =>
  new QuantizeError('unreadable_input', { file, detail });

/** Errors after which what was written is of two versions of an input. */
const ofTwoVersions = new WeakSet<QuantizeError>();

/** For an input that is not what it was when it was opened. */
export function changed(
  file: string,
  detail = 'it changed while it was read; start again when nothing writes it any more',
): QuantizeError {
  const error = unreadable(file, detail);
  ofTwoVersions.add(error);
  return error;
}

/** Whether `changed` made the error: nobody may go on with what was written. */
export const isOfTwoVersions = (error: QuantizeError): boolean => ofTwoVersions.has(error);

/** Throws what the signal ends calls with, when it has fired. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal.reason);
}
