/**
 * Search filters with holes: parsed once into objects, filled with values that go over the wire as assertion values. What a
 * user types never meets the filter's own text, so there is nothing to escape (Dovecot CVE-2026-27860).
 */
import {
  AndFilter,
  ApproximateFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts';
import { type FilterNode, parseFilter, type Value } from './filter-parser.ts';

/** What fills the holes: `%s` the user name, `%d` the DN. */
interface Holes {
  readonly s?: string;
  readonly d?: string;
}

/** The rule by which Active Directory follows groups in groups by itself: LDAP_MATCHING_RULE_IN_CHAIN. */
const inChain = '1.2.840.113556.1.4.1941';

/** A parsed filter. */
export class FilterTemplate {
  readonly #root: FilterNode;

  /** Throws an Error that says where the text is wrong. */
  constructor(text: string) {
    this.#root = parseFilter(text);
  }

  /** Whether a hole of this kind is in it. */
  has(hole: 's' | 'd'): boolean {
    return valuesOf(this.#root).some((value) => value.some((part) => typeof part !== 'string' && part.hole === hole));
  }

  fill(holes: Holes): Filter {
    return build(this.#root, (value) => fillValue(value, holes));
  }

  /** The filter with each comparison that has a hole widened to "has the attribute": whom it could find at all. */
  widen(): Filter {
    return build(widenNode(this.#root), (value) => fillValue(value, {}));
  }

  /** The filter whose equal comparisons with `%d` follow nested groups on Active Directory. */
  fillInChain(holes: Holes): Filter {
    return build(chainNode(this.#root), (value) => fillValue(value, holes));
  }

  /** What each attribute would have to equal for this user name; empty where the filter compares in other ways too. */
  expectations(username: string): readonly { attribute: string; value: string }[] {
    const nodes = leavesOf(this.#root).filter((node) => 'value' in node && holds(node.value, 's'));
    const equalities = nodes.flatMap((node) => (node.kind === 'compare' && node.operator === '=' ? [node] : []));
    if (equalities.length !== nodes.length) return [];
    return equalities.map(({ attribute, value }) => ({ attribute, value: fillValue(value, { s: username }) }));
  }
}

function build(node: FilterNode, readValue: (value: Value) => string): Filter {
  switch (node.kind) {
    case 'and':
      return new AndFilter({ filters: node.parts.map((part) => build(part, readValue)) });
    case 'or':
      return new OrFilter({ filters: node.parts.map((part) => build(part, readValue)) });
    case 'not':
      return new NotFilter({ filter: build(node.part, readValue) });
    case 'present':
      return new PresenceFilter({ attribute: node.attribute });
    case 'substring':
      return new SubstringFilter({
        attribute: node.attribute,
        initial: node.initial,
        any: [...node.any],
        final: node.final,
      });
    case 'extensible':
      return new ExtensibleFilter({
        matchType: node.attribute,
        rule: node.rule,
        dnAttributes: node.dnAttributes,
        value: readValue(node.value),
      });
    case 'compare': {
      const { operator, attribute } = node;
      const parts = { attribute, value: readValue(node.value) };
      if (operator === '>=') return new GreaterThanEqualsFilter(parts);
      if (operator === '<=') return new LessThanEqualsFilter(parts);
      if (operator === '~=') return new ApproximateFilter(parts);
      return new EqualityFilter(parts);
    }
    default:
      return node satisfies never;
  }
}

function fillValue(value: Value, holes: Holes): string {
  return value
    .map((part) => {
      if (typeof part === 'string') return part;
      const filled = holes[part.hole];
      if (filled === undefined) throw new Error(`the filter wants %${part.hole}, which is not known here`);
      return filled;
    })
    .join('');
}

function mapLeaves(node: FilterNode, change: (leaf: FilterNode) => FilterNode): FilterNode {
  if (node.kind === 'and' || node.kind === 'or')
    return { ...node, parts: node.parts.map((part) => mapLeaves(part, change)) };
  if (node.kind === 'not') return { ...node, part: mapLeaves(node.part, change) };
  return change(node);
}

function widenNode(root: FilterNode): FilterNode {
  return mapLeaves(root, (leaf) =>
    'value' in leaf && leaf.attribute !== '' && (holds(leaf.value, 's') || holds(leaf.value, 'd'))
      ? { kind: 'present', attribute: leaf.attribute }
      : leaf,
  );
}

function chainNode(root: FilterNode): FilterNode {
  return mapLeaves(root, (leaf) =>
    leaf.kind === 'compare' && leaf.operator === '=' && holds(leaf.value, 'd')
      ? { kind: 'extensible', attribute: leaf.attribute, rule: inChain, dnAttributes: false, value: leaf.value }
      : leaf,
  );
}

function leavesOf(node: FilterNode): readonly FilterNode[] {
  if (node.kind === 'and' || node.kind === 'or') return node.parts.flatMap(leavesOf);
  return node.kind === 'not' ? leavesOf(node.part) : [node];
}

function valuesOf(root: FilterNode): readonly Value[] {
  return leavesOf(root).flatMap((leaf) => ('value' in leaf ? [leaf.value] : []));
}

function holds(value: Value, hole: 's' | 'd'): boolean {
  return value.some((part) => typeof part !== 'string' && part.hole === hole);
}
