/**
 * From the locations of one server to routes. A location without a translation is a closed route where its requests would
 * reach another one, and where an application is behind it.
 */
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import { escapePattern, fixedStart } from './pattern.ts';
import { closedRoute, readRoute } from './route.ts';
import type { RouteData, RouteSource } from './route-data.ts';
import type { SourcePosition } from './tokens.ts';

/** A route with where it came from and what to know about it. */
export interface ImportedRoute {
  readonly data: RouteData;
  readonly place: SourcePosition;
  readonly written: string;
  readonly notes: readonly string[];
}

interface Candidate extends ImportedRoute {
  readonly location: FlatLocation;
  /** Undefined for one that leads to an upstream. */
  readonly closed?: Closing;
}

/** `passed`: an application is behind it; `missing` and `forbidden`: nginx lets nobody in. */
interface Closing {
  readonly why: string;
  readonly as: 'unsaid' | 'passed' | 'missing' | 'forbidden';
}

/** Reads the locations of a server for one of its hosts. */
export function readLocations(
  locations: readonly FlatLocation[],
  source: RouteSource,
  faultOf: (route: RouteData) => string | undefined,
  { findings, general }: { readonly findings: Findings; readonly general: Findings },
): ImportedRoute[] {
  const candidates = locations.flatMap((location): Candidate[] => {
    const { name, place, args } = location.directive;
    const written = name === 'location' ? `location ${args.join(' ')}` : (location.branch?.what ?? name);
    const shut = (why: string, as: Closing['as'] = 'unsaid'): Candidate[] => {
      const asWritten = closedRoute(location, source.host);
      const fault = faultOf(asWritten);
      const data = fault === undefined ? asWritten : widerRoute(location, asWritten);
      if (data) return [{ location, data, place, written, notes: [], closed: { why, as } }];
      general.add('refused', place, written, `${why}; as a location it ${fault}`);
      return [];
    };
    const read = readRoute(location, source, findings);
    switch (read.kind) {
      case 'own':
        findings.add('ignored', place, written, 'the gateway does this by itself');
        return [];
      case 'closed':
        return shut(read.why, read.isPassed ? 'passed' : 'unsaid');
      case 'shut':
        return shut(read.why, read.isMissing ? 'missing' : 'forbidden');
      case 'route': {
        const fault = faultOf(read.data);
        return fault === undefined
          ? [{ location, data: read.data, place, written, notes: read.notes }]
          : shut(fault, 'passed');
      }
      default:
        return read satisfies never;
    }
  });
  return candidates.flatMap((candidate) => closeUntranslated(candidate, candidates, { findings, general }));
}

/** An expression that cannot be written: for want of a better one, every path that begins as its paths do. */
function widerRoute({ modifier, path }: FlatLocation, route: RouteData): RouteData | undefined {
  if (!modifier.startsWith('~')) return undefined;
  const begins = modifier === '~' ? fixedStart(path) : '';
  return { ...route, location: `~ ^${begins === '' ? '/' : escapePattern(begins)}` };
}

/** A location without a translation stays as a closed route where its requests would reach another application. */
function closeUntranslated(
  candidate: Candidate,
  all: readonly Candidate[],
  { findings, general }: { readonly findings: Findings; readonly general: Findings },
): ImportedRoute[] {
  const { closed, location, place, written } = candidate;
  if (closed === undefined) return [candidate];
  const { why, as } = closed;
  if (as === 'forbidden') return [{ ...candidate, notes: [`Closed in nginx, too: ${why}.`] }];
  const isTaken = all.some((other) => other.closed === undefined && takes(other.location, location));
  if (!isTaken && as !== 'passed') {
    general.add(as === 'missing' ? 'note' : 'refused', place, written, `${why}; nothing else takes its requests`);
    return [];
  }
  const rest = isTaken ? 'another location would take its requests, so it is closed' : 'an application is behind it';
  findings.add(as === 'missing' ? 'note' : 'closed', place, written, `${why}; ${rest}`);
  if (as === 'missing') return [{ ...candidate, notes: [`Closed in nginx, too: ${why}.`] }];
  const choice = 'Give it an upstream, or take it out to leave its requests to the other locations.';
  return [{ ...candidate, notes: [`Closed: ${why}. ${choice}`] }];
}

/** Whether a location could take requests of another one that is not there. */
function takes(other: FlatLocation, { modifier, path }: FlatLocation): boolean {
  if (modifier.startsWith('~')) return true;
  // A regular expression comes before a plain prefix anyway.
  if (other.modifier.startsWith('~')) return modifier !== '';
  return other.modifier !== '=' && path.startsWith(other.path);
}
