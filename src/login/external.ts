/** Users of other systems, switched off at once: which providers of the chain are asked, and which are left out. */
import type { RefinementCtx } from 'zod';

interface ChainDocument {
  readonly login: { readonly chain: readonly string[]; readonly external: boolean };
  readonly providers: Readonly<Record<string, { readonly type: string }>>;
}

/** The providers of the chain that nobody is asked about, since they are of other systems. */
export function switchedOff({ login, providers }: ChainDocument): readonly string[] {
  return login.external ? [] : login.chain.filter((name) => providers[name]?.type !== 'local');
}

/** The providers of the chain that are asked, in its order. */
export function askedChain(document: ChainDocument): readonly string[] {
  const off = switchedOff(document);
  return document.login.chain.filter((name) => !off.includes(name));
}

/** Reports a chain in which nobody would be left to ask. */
export function checkExternal(document: ChainDocument, context: RefinementCtx): void {
  if (document.login.external || askedChain(document).length > 0) return;
  context.addIssue({
    code: 'custom',
    path: ['login', 'external'],
    message: 'is false, and the chain has no provider of type local: nobody could sign in',
    input: document,
    params: { hint: 'add a provider of type local to login.chain, or take external out' },
  });
}
