/** What became of directives that no translation has spoken for, each by the table of `directives.ts`. */
import { isLiveTurn } from './access.ts';
import { handlingOf } from './directives.ts';
import { conditionText, type Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import { readPathCondition } from './rewrite-rule.ts';
import { constantMaps } from './scope.ts';

/** Says what became of the directives of a block. */
export function reportRest(directives: readonly Directive[], findings: Findings): void {
  const constants = constantMaps(directives);
  for (const { name, args, place } of directives) {
    if (findings.isTranslated(place)) continue;
    const [source = '', target = ''] = args;
    const { handling, why } = handlingOf(name);
    const what = named.test(name) && /^[\w-]+$/.test(source) ? `${name} ${source}` : name;
    if (handling !== 'translated') findings.add(handling, place, what, why);
    else if (name === 'map' && !/upgrade|websocket/.test(source) && !constants.has(target.slice(1)))
      findings.add('refused', place, `map ${target}`, `it depends on the request, by ${source}`);
  }
}

/** Directives whose first word says what they are about, and is no secret. */
const named = /^(?:add_header|add_trailer|more_set_headers|proxy_hide_header|proxy_pass_header)$/;

/** The same for a location with those around it, whose directives hold in it unless it has such a one itself. */
export function reportBlocks(blocks: readonly (readonly Directive[])[], findings: Findings): void {
  const seen = new Set<string>();
  for (const block of blocks.toReversed()) {
    const effective = block.filter(({ name }) => block === blocks.at(-1) || !seen.has(name));
    reportRest(effective, findings);
    for (const { name, place } of effective)
      if (/^(?:set_real_ip_from|real_ip_header)$/.test(name))
        findings.add('refused', place, name, 'addresses are believed for the whole gateway: see server.trustedProxies');
    for (const { name } of block) seen.add(name);
  }
  reportConditions(blocks.at(-1) ?? [], findings);
}

/** Conditions are in no route. */
export function reportConditions(body: readonly Directive[], findings: Findings): void {
  for (const directive of body) {
    const { name, args, place } = directive;
    if (name !== 'if' || findings.has(place) || findings.isTranslated(place) || readPathCondition(directive)) continue;
    if (isLiveTurn(directive))
      findings.add('ignored', place, conditionText({ args }), 'the gateway carries what stays open by itself');
    else findings.add('refused', place, conditionText({ args }), 'routes have no conditions');
  }
}
