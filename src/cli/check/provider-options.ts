/** The options of a provider by its type, for checks that look at the options of one kind. */
import type * as z from 'zod';
import type * as kinds from '../../providers/index.ts';

type Kinds = typeof kinds;

/** The options of a provider where it is of a type; undefined where it is of another. They have been parsed by its schema. */
export function optionsOf<Type extends keyof Kinds>(
  type: Type,
  options: { readonly type: string },
): z.output<Kinds[Type]['options']> | undefined {
  return options.type === type ? (options as unknown as z.output<Kinds[Type]['options']>) : undefined;
}
