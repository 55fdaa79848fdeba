/** The lane passes every test of the other way to forward: one set of rules, two ways to carry. */
import { onLane } from '../../support/scenes/data-plane.ts';

onLane.isOn = true;
for (const file of ['forward', 'streaming', 'carried', 'upstream-pool']) await import(`../${file}.test.ts`);
