/**
 * Names as people type them: `CORP\alice` and `alice@corp.example.com`. Where a provider lists domains, it is asked about the
 * names of these, and nobody else is; how the options agree with one another is judged here too.
 */
import { nearest } from '../config/nearest.ts';
import { canonicalUsername } from '../core/principal.ts';
import type { Attempt, Credentials } from '../core/provider.ts';
import {
  type ChainLink,
  type ChainOptions,
  type ChainResult,
  nobodysCredentials,
  runChain,
} from '../providers/chain.ts';
import { type LoginDocument, type ProviderDocument, providerKind } from './options.ts';

/** What a typed name means; `counted` is the one name by which failures of all its forms are counted and recorded. */
export type TypedName =
  /** Everybody in the chain is asked. */
  | { readonly kind: 'anywhere'; readonly counted: string }
  /** One provider is asked, about `asked`. */
  | { readonly kind: 'at'; readonly provider: string; readonly asked: string; readonly counted: string }
  /** Its domain is listed nowhere. */
  | { readonly kind: 'nowhere'; readonly counted: string };

interface Listed {
  readonly provider: string;
  readonly keeps: boolean;
}

type ProviderDocuments = Readonly<Record<string, ProviderDocument>>;

/** Reads typed names by the domains that the providers list. */
export class TypedNames {
  readonly #listed: ReadonlyMap<string, Listed>;

  constructor(providers: ProviderDocuments) {
    this.#listed = listedDomains(providers);
  }

  /** What a name means. `isOurs` where nobody typed it and a session has it: then a domain that is listed nowhere is part of the name. */
  read(username: string, isOurs = false): TypedName {
    // The signs that only look like @ and \ are these to a directory.
    const typed = username.normalize('NFKC').trim();
    const counted = canonicalUsername(username);
    const parts = this.#listed.size === 0 ? undefined : splitDomain(typed);
    if (!parts) return { kind: 'anywhere', counted };
    const { name, domain } = parts;
    const listed = this.#listed.get(canonicalUsername(domain));
    if (listed && name !== '' && !splitDomain(name))
      return {
        kind: 'at',
        provider: listed.provider,
        asked: listed.keeps ? typed : name,
        counted: canonicalUsername(name),
      };
    return { kind: isOurs ? 'anywhere' : 'nowhere', counted };
  }

  /** The names that an operator may mean: the name as it stands, which a subject may be, and what it is of a listed domain. */
  meant(username: string): readonly string[] {
    const typed = this.read(username, true);
    const asked = typed.kind === 'at' ? [canonicalUsername(typed.asked)] : [];
    return [...new Set([canonicalUsername(username), typed.counted, ...asked])];
  }
}

/** `DOMAIN\name`, else `name@domain`. */
function splitDomain(typed: string): { readonly name: string; readonly domain: string } | undefined {
  const backslash = typed.indexOf('\\');
  if (backslash >= 0) return { domain: typed.slice(0, backslash), name: typed.slice(backslash + 1).trim() };
  const at = typed.lastIndexOf('@');
  return at < 0 ? undefined : { name: typed.slice(0, at).trim(), domain: typed.slice(at + 1) };
}

/**
 * Asks those whose a name may be. Where it is nobody's, they are asked about nobody, so that the answer takes the time and shows
 * the outages that it does for any unknown name; nothing but an outage is kept of what they say.
 */
export async function askAbout(
  typed: TypedName,
  links: readonly ChainLink[],
  attempt: Attempt & { readonly credentials: Credentials },
  options: ChainOptions,
): Promise<ChainResult> {
  switch (typed.kind) {
    case 'anywhere':
      return runChain(links, attempt, options);
    case 'at': {
      const credentials = { ...attempt.credentials, username: typed.asked };
      const named = links.filter(({ name }) => name === typed.provider);
      // Whose domains are listed is in the chain, unless it is switched off.
      if (named.length === 0) return { outcome: { kind: 'rejected', reason: 'external-off' }, steps: [], offers: [] };
      return runChain(named, { ...attempt, credentials }, options);
    }
    case 'nowhere': {
      const result = await runChain(links, { ...attempt, credentials: nobodysCredentials() }, options);
      const steps = result.steps.filter(({ outcome }) => outcome === 'unavailable');
      const { outcome, provider } = result;
      if (outcome.kind === 'unavailable') return { outcome, steps, offers: [], ...(provider && { provider }) };
      return { outcome: { kind: 'unknown-user' }, steps, offers: [] };
    }
    default:
      return typed satisfies never;
  }
}

/** Domains that contradict one another, at the key that is wrong. */
interface DomainProblem {
  readonly path: readonly string[];
  readonly message: string;
  readonly hint: string;
  readonly other?: readonly string[];
}

/** What is wrong with the domains of a configuration. */
export function domainProblems(chain: LoginDocument['chain'], providers: ProviderDocuments): readonly DomainProblem[] {
  const problems: DomainProblem[] = [];
  const seen = new Map<string, { path: readonly string[]; leadsTo: string; isHere: boolean }>();
  for (const [provider, document] of Object.entries(providers))
    for (const [domain, fate] of Object.entries(domainsOf(document))) {
      const path = ['providers', provider, 'domains', domain];
      const isHere = fate === 'strip' || fate === 'keep';
      const leadsTo = isHere ? provider : fate;
      const wrong = leadsWrong(provider, leadsTo, isHere, chain, providers);
      if (wrong) problems.push({ path, ...wrong });
      const first = seen.get(canonicalUsername(domain));
      if (first && (first.leadsTo !== leadsTo || first.isHere === isHere))
        problems.push({
          path,
          message: 'is listed already, and a name with this domain goes to one provider only',
          hint: 'keep one of the two; capitals make no other domain',
          other: first.path,
        });
      seen.set(canonicalUsername(domain), { path, leadsTo, isHere });
    }
  return problems;
}

function leadsWrong(
  provider: string,
  leadsTo: string,
  isHere: boolean,
  chain: readonly string[],
  providers: ProviderDocuments,
): Pick<DomainProblem, 'message' | 'hint'> | undefined {
  const known = Object.keys(providers);
  if (!isHere && leadsTo === provider)
    return { message: 'names its own provider', hint: 'write strip for the plain name, or keep for the name as typed' };
  const document = Object.hasOwn(providers, leadsTo) ? providers[leadsTo] : undefined;
  if (!document) {
    const meant = nearest(leadsTo, ['strip', 'keep', ...known]);
    return {
      message: `must be strip, keep, or the name of a provider, and "${leadsTo}" is none of these`,
      hint: meant === undefined ? `there are: ${known.join(', ')}` : `did you mean "${meant}"?`,
    };
  }
  if (providerKind(document.type)?.isDirectory !== true)
    return {
      message: `leads to ${leadsTo}, which takes no passwords`,
      hint: 'name a provider of type ldap or local',
    };
  if (!chain.includes(leadsTo))
    return {
      message: `leads to ${leadsTo}, which is not in login.chain: nobody would be asked`,
      hint: `add ${leadsTo} to login.chain, or take the domain out`,
    };
  return undefined;
}

/** Where another provider says itself what becomes of the domain, its word counts; else the plain name is asked for. */
function listedDomains(providers: ProviderDocuments): ReadonlyMap<string, Listed> {
  const listed = new Map<string, Listed>();
  for (const [provider, document] of Object.entries(providers))
    for (const [domain, fate] of Object.entries(domainsOf(document))) {
      const key = canonicalUsername(domain);
      if (fate === 'strip' || fate === 'keep') listed.set(key, { provider, keeps: fate === 'keep' });
      else if (!listed.has(key)) listed.set(key, { provider: fate, keeps: false });
    }
  return listed;
}

function domainsOf(document: ProviderDocument): Readonly<Record<string, string>> {
  const domains: unknown = 'domains' in document ? document.domains : undefined;
  return typeof domains === 'object' && domains !== null ? (domains as Readonly<Record<string, string>>) : {};
}
