/**
 * The contract of a second factor: what it is given, what it may answer. Plain data both ways: a factor sees no request and
 * writes no page, and what it is to be asked about once only, its caller consumes by compare-and-set.
 */
import type { Account } from './account.ts';
import type { Assertion } from './principal.ts';
import type { Proof } from './proof.ts';
import type { ProbeStep } from './provider.ts';
import type { Reason } from './reason.ts';
import type { WordsForVisitors } from './route.ts';

/** A factor that one account has set up. */
export interface Enrolment {
  /** Random, and no secret. */
  readonly id: string;
  /** The configured name of the factor. */
  readonly factor: string;
  /** What its owner calls it; may be empty. */
  readonly name: string;
  /** The factor's own JSON, sealed in the store. Parse it with a schema when it comes back. */
  readonly data: unknown;
  readonly createdAt: number;
  readonly lastUsedAt?: number;
  /** The store's version of the record: a change is written only over what was read. */
  readonly version: string;
}

/** What is known of whoever is asked. */
export interface AskTerms {
  /** What the first proof says of the user; contacts stand among the attributes. */
  readonly assertion: Assertion;
  /** The user's roles at this moment. */
  readonly roles: ReadonlySet<string>;
  /** The configured name of the provider that says it. */
  readonly provider: string;
  /** Of the pages, in two letters. */
  readonly language: string;
  /** The client's address, for limits of sends. */
  readonly address: string;
  /** Present where the factor has been asked for before in this login, such as for another code: the state of that challenge. */
  readonly previous?: unknown;
  /** Aborts at the factor's deadline, or when the client has gone. */
  readonly signal: AbortSignal;
}

/** What a page asks for. A kind of factor that wants another page adds a kind here, and its view to the pages. */
type ChallengePage = CodePage | KeyPage;

/** A touch of a security key: the browser is given options and gives back, in the field `answer`, both as JSON. */
export interface KeyPage {
  readonly kind: 'key';
  readonly ceremony: 'create' | 'get';
  readonly options: object;
}

/** A field for a code. */
export interface CodePage {
  readonly kind: 'code';
  /** How many digits the code has; absent where it is no number. */
  readonly digits?: number;
  /** Words of the operator; the kind's own when absent. */
  readonly prompt?: WordsForVisitors;
  /** Where the code was sent, masked. */
  readonly contact?: string;
  /** How often another code can be asked for; absent where none is sent. */
  readonly sendsLeft?: number;
  /** Ways to get the code, of which the user names one in the field `method`. */
  readonly methods?: readonly { readonly id: string; readonly label: string }[];
}

/** A question that was put. */
export interface Challenge {
  /** JSON that is sealed in the pending login and comes back with the answer. */
  readonly state?: unknown;
  readonly page: ChallengePage;
}

/** What follows when a factor does not go on, where the operator has said so. */
export type FactorBehaviour =
  /** Another code can be asked for, while sends are left. */
  | 'resend'
  /** Back to the choice, without this factor, for the rest of the login. */
  | 'other'
  /** The login begins again. */
  | 'restart'
  /** The account's codes are locked for a while. */
  | 'lock'
  /** The page that says whom to ask; the login ends. */
  | 'help';

/** What asking comes to. */
export type AskOutcome =
  | { readonly kind: 'asked'; readonly challenge: Challenge }
  /** Not of this account, or not for now: no contact, too many sends. The user takes another factor. */
  | {
      readonly kind: 'refused';
      readonly reason: Reason;
      readonly next?: FactorBehaviour;
      /** When it can be asked again, in milliseconds from now. */
      readonly retryAfter?: number;
    }
  | { readonly kind: 'unavailable'; readonly reason: Reason; readonly cause?: unknown };

/** An answer that a form has brought. */
export interface FactorResponse {
  /** The fields of the form, as sent. */
  readonly fields: ReadonlyMap<string, string>;
  /** The account's enrolments of this factor at this moment, not at that of the question. */
  readonly enrolments: readonly Enrolment[];
  /** The state of the challenge that is answered. */
  readonly state: unknown;
  readonly signal: AbortSignal;
}

/** What an answer comes to. */
export type FactorOutcome =
  | {
      readonly kind: 'verified';
      readonly proof: Proof;
      /**
       * The enrolment as it is from here on, with the version that was read. The proof counts only once this is written; where
       * somebody else has written meanwhile, the factor is asked anew.
       */
      readonly enrolment?: Enrolment;
    }
  /** Counted against the account, where the factor can be guessed. */
  | {
      readonly kind: 'rejected';
      readonly reason: Reason;
      /** The challenge goes on in this state; as it was when absent. */
      readonly state?: unknown;
      readonly next?: FactorBehaviour;
    }
  /** Counts for nothing, and is never a pass. */
  | { readonly kind: 'unavailable'; readonly reason: Reason; readonly cause?: unknown };

/** What a page of a setup shows. A kind of factor that wants another page adds a kind here, and its view to the pages. */
type EnrolmentPage = AuthenticatorPage | KeyPage | SpareCodesPage | ContactPage | CodePage;

/** A contact that a code is to go to: the one that is known of the user, or a field `contact`. `again` asks for another code after that. */
interface ContactPage {
  readonly kind: 'contact';
  readonly medium: 'mail' | 'sms';
  /** What is known of the user, masked. */
  readonly told?: string;
}

/** Codes that are shown once, to be kept; the field `kept` says that they are. */
interface SpareCodesPage {
  readonly kind: 'spare-codes';
  readonly codes: readonly string[];
}

/** The setup of an authenticator app. */
interface AuthenticatorPage {
  readonly kind: 'authenticator';
  /** The `otpauth:` address, which the page draws as a QR code. */
  readonly uri: string;
  /** The secret as its owner may type it, in groups. */
  readonly secret: string;
  readonly digits: number;
}

/** What is to be set up. */
export interface EnrolmentOffer {
  /** JSON that is sealed in the pending login and comes back with the answer. */
  readonly state: unknown;
  readonly page: EnrolmentPage;
}

/** What the first answer to a setup comes to. Nothing is enrolled before it is right. */
export type EnrolOutcome =
  /** `data` is what the enrolment is to hold; there is no proof where setting it up proves nothing. */
  | { readonly kind: 'enrolled'; readonly data: unknown; readonly proof?: Proof }
  /** One more page before that. */
  | { readonly kind: 'continue'; readonly offer: EnrolmentOffer }
  | {
      readonly kind: 'rejected';
      readonly reason: Reason;
      /** The setup goes on in this state; as it was when absent. */
      readonly state?: unknown;
      /** The code fits another time: by how many seconds the user's clock is ahead, or behind where negative. */
      readonly clockOffset?: number;
    }
  | { readonly kind: 'unavailable'; readonly reason: Reason; readonly cause?: unknown };

/** Setting a factor up. */
export interface Enrolling {
  /** Whether there is something to set up for an account; always when absent. */
  isOffered?(enrolments: readonly Enrolment[], terms: Pick<AskTerms, 'assertion'>): boolean;
  /** True: a wrong answer may be a guess at what its owner alone is told, and counts as one. */
  readonly isGuessed?: true;
  /** `enrolments` are those that the account has of this factor. */
  begin(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<EnrolmentOffer>;
  finish(account: Account, response: FactorResponse): Promise<EnrolOutcome>;
}

/** Who is behind an answer that came without a name, by the store's word. */
export interface FirstOwner {
  readonly account: Account;
  /** The provider that vouched for them when they set it up. */
  readonly provider: string;
}

/** Signing in by a factor alone: nobody has given a name, and the answer says whose it is. */
export interface FirstProving {
  /** The question, the same for everybody. `state` comes back with the answer, and never reaches the browser in the clear. */
  ask(): Promise<{ readonly state: unknown; readonly page: KeyPage }>;
  /** Whose an answer says that it is; undefined where nobody is known by it. `Factor.verify` judges it. */
  ownerOf(fields: FactorResponse['fields']): Promise<FirstOwner | undefined>;
}

/** A way to prove oneself besides the first. */
export interface Factor {
  /** True for codes, false for keys: what may be guessed is counted and locked. */
  readonly canBeGuessed: boolean;
  /** True: it asks a server, and has a deadline and a circuit breaker. */
  readonly isNetworked: boolean;
  /** The deadline of a question in milliseconds, where it is not one of its options. */
  readonly timeout?: number;
  /** Whether an account can be asked, told without a network; whoever has an enrolment when absent. Throws where nobody can tell. */
  isUsable?(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<boolean>;
  /** Puts the question, and sends what is to be sent. `enrolments` are those of this factor. */
  ask(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<AskOutcome>;
  /** Judges an answer. Never throws for a wrong one; a throw is `unavailable`. */
  verify(account: Account, response: FactorResponse): Promise<FactorOutcome>;
  /** What an account gets that cannot be asked as nothing is known to reach its user by, where nothing else can be asked or set up. */
  readonly withoutContact?: 'help' | 'refuse' | 'insecure-allow';
  /** Present where a login may begin with it. */
  readonly first?: FirstProving | undefined;
  /** Absent where there is nothing to set up. */
  readonly enrol?: Enrolling;
  /** False: whoever has proved themselves by it alone sets nothing up. */
  readonly letsEnrol?: boolean;
  /** An enrolment has been removed: what stands beside it in the store goes too. */
  forget?(account: Account, enrolment: Enrolment): Promise<void>;
  /** The data of an enrolment that becomes another account's, whose user is the same; absent where nothing binds it to its account. */
  carry?(from: Account, to: Account, enrolment: Enrolment): Promise<unknown>;
  /** How many uses an account has left, where they are counted. */
  stock?(account: Account, enrolments: readonly Enrolment[]): Promise<number>;
  /** True where somebody else vouches for a while: no browser is remembered by it. */
  readonly isStandIn?: boolean;
  /** True where it stands in for another that is lost: it is set up beside one, and never as the only one. */
  readonly isSpare?: boolean;
  /** Tries the real thing step by step, for `check --connect`. */
  probe?(signal: AbortSignal): AsyncIterable<ProbeStep>;
  /** Ends sockets and timers. */
  close?(): Promise<void>;
}
