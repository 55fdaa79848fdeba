/** What reading a configuration comes to, whatever it is read from. */
import type { ConfigIssue, LoadResult, Override } from '../config/load.ts';
import type { Document } from '../gateway/document.ts';

/** A configuration that was read, or everything that is wrong with it. */
export type Reading =
  | {
      readonly kind: 'ok';
      readonly document: Document;
      readonly warnings: readonly ConfigIssue[];
      readonly locate: Extract<LoadResult<Document>, { kind: 'ok' }>['locate'];
      /** The values that came from the environment. */
      readonly overrides: readonly Override[];
    }
  | { readonly kind: 'invalid'; readonly issues: readonly ConfigIssue[] };
