/** The log as the rooms see it; `telemetry/log.ts` makes one on pino, with redaction. */

/** Writes one record: fields first, then a fixed sentence. Fields never hold secrets; redaction is the second net. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose records all carry these fields. */
  child(fields: object): Log;
}
