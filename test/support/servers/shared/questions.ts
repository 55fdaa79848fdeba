/** What the files of a run ask the process that holds the shared servers, and what it answers; a line of JSON each. */
import type { TokenOrder } from '../kerberos-tokens.ts';
import type { SlapdPorts } from '../slapd-process.ts';

/** The servers that a run shares. */
export type SharedServerName = 'slapd' | 'kdc' | 'cas' | 'casTls' | 'chromium';

/** The start of a server that a test works with. */
export interface Started {
  readonly pid: number;
}

interface SharedCas extends Started {
  readonly folder: string;
  readonly port: number;
  /** As for slapd. */
  readonly number: number;
}

/** What is asked, by kind. */
interface Details {
  readonly slapd: object;
  readonly kdc: object;
  readonly cas: object;
  readonly casTls: object;
  readonly chromium: object;
  /** Names with their realm. */
  readonly keytab: { readonly principals: readonly string[] };
  readonly token: { readonly order: TokenOrder };
  /** Whether a start of a server has ended. */
  readonly end: { readonly server: SharedServerName } & Started;
}

/** The answers, by kind; the first who asks for a server starts it. */
export interface Answers {
  /** With a number that no other asker gets. */
  readonly slapd: Started & SlapdPorts & { readonly number: number };
  readonly cas: SharedCas;
  readonly casTls: SharedCas;
  readonly kdc: Started & { readonly port: number };
  readonly chromium: Started & { readonly endpoint: string };
  /** In base64. */
  readonly keytab: { readonly keytab: string };
  readonly token: { readonly token: string };
  readonly end: { readonly how?: string };
}

/** A question of one kind. */
export type Question<K extends keyof Answers = keyof Answers> = { readonly kind: K } & Details[K];
