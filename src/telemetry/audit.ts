/** The audit: who did what and what came of it, as JSON lines of a fixed shape. When to write is `telemetry/recorder.ts`'s. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { OutcomeKind } from '../core/outcome.ts';
import type { Reason } from '../core/reason.ts';
import { referenceCode } from '../core/reference-code.ts';
import { fileSink, noSink, streamSink } from './audit-sink.ts';
import { ForwardedLines, type ForwardedRequest, forwardedLine } from './forwarded-line.ts';
import { visibleJson } from './json-line.ts';
import type { AuditOptions } from './options.ts';
import { scrubFields } from './scrub.ts';
import { areHarmless } from './scrub-text.ts';
import { standardOutput } from './standard-output.ts';
import type { StreamEndRecord } from './stream-figures.ts';

/** What every record may say. */
interface AuditSubject {
  readonly reason?: Reason;
  /** In canonical form. */
  readonly user?: string;
  /** Of the user's account; absent where nobody has authenticated the name. */
  readonly tenant?: string;
  readonly provider?: string;
  /** The session's public id. */
  readonly session?: string;
  /** What a request was let in by, where it was no session: an API token by its name, such as `api:wallboard`, or `basic`. */
  readonly shown?: string;
  /** The client's, after trusted proxies. */
  readonly address?: string;
  /** The request's id. */
  readonly request?: string;
}

/** A request and what became of it. */
export interface RequestRecord extends AuditSubject {
  readonly event: 'request';
  readonly verdict: string;
  readonly status: number;
  readonly method: string;
  readonly route: string;
  /** Canonical, without the query. */
  readonly path: string;
  readonly seconds: number;
  /** Of a refusal: what exactly was wrong. */
  readonly detail?: string;
  /** What a machine wanted, and the row of the one that it is. */
  readonly service?: string;
  readonly peer?: string;
  /** A front proxy asked, and carried the request itself; `status` is what it was told. */
  readonly via?: 'forward-auth';
  /** It went from socket to socket; absent where the parser of Node has read it. */
  readonly lane?: boolean;
}

/** A login, a logout, the end of a session, a re-authentication, a change of password at its user's wish, or a session that goes on at another host too. */
export interface AccountRecord extends AuditSubject {
  readonly event:
    | 'login'
    | 'logout'
    | 'session-end'
    | 'step-up'
    | 'password-change'
    | 'handover'
    | 'factor'
    | 'factor-send'
    | 'enrol'
    | 'unenrol'
    | 'remember'
    | 'factor-reset'
    | 'pass';
  /** `pending`: the first proof was right, and the login takes more. */
  readonly outcome: 'succeeded' | 'failed' | 'pending';
  /** Of a step by a second factor: its configured name. */
  readonly factor?: string;
  /** What more there is to say, such as how many browsers were forgotten. */
  readonly detail?: string;
  /** Of a hand-over: the host that the session goes on at. */
  readonly host?: string;
  /** Of a login that was judged while the provider was away. */
  readonly mode?: 'offline';
  /** Of a session that an operator ended: who it was, as in the record of the operation; the address is theirs too. */
  readonly actor?: string;
  readonly steps?: readonly {
    readonly provider: string;
    readonly outcome: OutcomeKind;
    readonly reason?: Reason;
    readonly milliseconds: number;
  }[];
}

/** Something an operator or the program itself did: a start, a reload, a session ended by hand. */
export interface OperationRecord extends AuditSubject {
  readonly event:
    | 'start'
    | 'stop'
    | 'reload'
    | 'revoke'
    | 'unlock'
    | 'offline-forget'
    | 'api-token'
    | 'api-token-end'
    | 'factor-reset'
    | 'unenrol'
    | 'remember'
    | 'accept-loss'
    | 'factor-move'
    | 'users-import'
    | 'pass';
  readonly outcome: 'succeeded' | 'failed';
  /** A name of `admin.tokens`, `token`, `local` (by the socket), `loopback`, `signal` or `application`. */
  readonly actor?: string;
  readonly detail?: string;
}

/** The end of a WebSocket that had opened; `request` is the request that opened it. */
export interface WebSocketEndRecord extends AuditSubject {
  readonly event: 'websocket-end';
  /** Who hung up first; `reason` says why where it was the gateway. Of an application's own socket only that is known. */
  readonly endedBy?: 'client' | 'upstream' | 'gateway';
  /** Bytes from the client, and to it. */
  readonly up: number;
  readonly down: number;
  readonly route: string;
  readonly path: string;
  /** Since it was asked for. */
  readonly seconds: number;
}

/** One line of the audit, but for its time. */
export type AuditRecord = StreamEndRecord | WebSocketEndRecord | RequestRecord | AccountRecord | OperationRecord;

/** Takes records. Nothing that goes wrong with them reaches the caller, and no request waits for them. */
export interface Audit {
  record(record: AuditRecord): void;
  /** The same of a request that was let through and answered as asked, of whose record most is made already. */
  forwarded(request: ForwardedRequest): void;
  /** Opens the file anew after its rotation, as SIGHUP asks for. */
  reopen(): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What the audit works with. */
export interface AuditParts extends Partial<AuditOptions> {
  /** Takes the lines in place of what `to` names. */
  readonly stream?: { write(line: string): unknown };
  readonly clock: Clock;
  readonly log: Log;
  /** Told each time records are lost. */
  readonly onLoss?: (records: number) => void;
  /** Keeps what has a reference code, wherever the rest goes. */
  readonly recent?: { keep(line: string): void };
  /** Other processes write to the same file. */
  readonly isShared?: boolean;
}

/** Opens the audit. A file that cannot be opened at the start is an OperatorError; later failures are logged once. */
export function createAudit(parts: AuditParts): Audit {
  const { to = 'stdout', requests = 'all', stream, clock, log } = parts;
  const sink =
    stream || to === 'stdout'
      ? streamSink(stream ?? standardOutput(), parts)
      : to === 'off'
        ? noSink
        : fileSink(to, parts);
  const timeOf = timeWriter();
  const forwarded = new ForwardedLines();
  const failed = (error: unknown, event: string): void => {
    parts.onLoss?.(1);
    log.error({ error, event }, 'an audit record could not be written');
  };
  return {
    ...sink,
    forwarded: (request) => {
      if (requests !== 'all' || sink === noSink) return;
      try {
        sink.write(`{"time":"${timeOf(clock.now())}",${forwardedLine(request)}`);
      } catch (error) {
        failed(error, 'request');
      }
    },
    record: (record) => {
      const isWritten = record.event !== 'request' || isWanted(record, requests);
      const code = codeOf(record);
      if (!isWritten && code === undefined) return;
      try {
        const shown = code === undefined ? '' : `"code":"${code}",`;
        const fields = (record.event === 'request' ? forwarded.of(record) : undefined) ?? fieldsOf(record);
        const line = `{"time":"${timeOf(clock.now())}",${shown}${fields}`;
        if (code !== undefined) parts.recent?.keep(line);
        if (isWritten) sink.write(line);
      } catch (error) {
        failed(error, record.event);
      }
    },
  };
}

function fieldsOf(record: AuditRecord): string {
  return visibleJson(JSON.stringify(isHarmless(record) ? record : scrubFields(record))).slice(1);
}

/** What a user may have been shown a code of: logins and fresh proofs, and requests that were not answered as asked. */
function codeOf(record: AuditRecord): string | undefined {
  const { event, request } = record;
  if (request === undefined) return undefined;
  if (event === 'login' || event === 'step-up' || event === 'password-change') return referenceCode(request);
  return event === 'request' && record.status >= 400 ? referenceCode(request) : undefined;
}

/** Writes times; of one millisecond once. */
function timeWriter(): (now: number) => string {
  let [last, text] = [Number.NaN, ''];
  return (now) => {
    if (now !== last) text = new Date(now).toISOString();
    last = now;
    return text;
  };
}

/**
 * Whether a record may be written as it is, as nearly all records of requests may: the texts in it that others chose hold
 * nothing that looks like a secret. The rest are numbers, words of ours, and a session's id, which is a digest.
 */
function isHarmless(record: AuditRecord): boolean {
  if (record.event !== 'request') return false;
  const {
    method,
    route,
    path,
    request = '',
    address = '',
    user = '',
    tenant = '',
    provider = '',
    detail = '',
    shown = '',
  } = record;
  return areHarmless([method, route, path, request, address, user, tenant, provider, detail, shown]);
}

function isWanted({ verdict }: RequestRecord, requests: AuditOptions['requests']): boolean {
  return requests === 'all' || (requests === 'refused' && verdict !== 'forward' && verdict !== 'portal');
}
