/** The colours: whatever accent an operator chooses, text stays readable. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { contrast, themeCss } from '../../src/pages/theme.ts';
import { trials } from '../support/tools/properties.ts';

const readColours = (block: string): Record<string, string> =>
  Object.fromEntries(
    [...block.matchAll(/--([a-z-]+\d?):\s*(#[0-9a-f]{6})/g)].map(([, name, value]) => [name!, value!]),
  );

const stylesheet = readFileSync(new URL('../../src/pages/assets/gatehouse.css', import.meta.url), 'utf8');
const fixed = stylesheet.split('@media (prefers-color-scheme: dark)').slice(0, 2).map(readColours);

test('theme: the contrast of black and white is that of WCAG', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.ok(Math.abs(contrast('#767676', '#ffffff') - 4.54) < 0.01);
});

test('theme: for every accent, buttons, links and edges meet WCAG AA in light and dark', () => {
  const colour = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);
  fc.assert(
    fc.property(colour, (accent) => {
      const blocks = themeCss(accent).split('@media').map(readColours);
      assert.equal(blocks.length, 2);
      blocks.forEach((theme, i) => {
        const { paper, ink } = fixed[i]!;
        const text = { link: theme.link, accent: theme['on-accent'], 'accent-hover': theme['on-accent'] };
        assert.ok(contrast(text.link!, paper!) >= 4.5, `link on paper: ${accent}`);
        assert.ok(contrast(text.accent!, theme.accent!) >= 4.5, `button text: ${accent}`);
        assert.ok(
          contrast(text['accent-hover']!, theme['accent-hover']!) >= 4.5,
          `button text under the mouse: ${accent}`,
        );
        assert.ok(contrast(ink!, theme.wash!) >= 4.5, `text on wash: ${accent}`);
      });
    }),
    trials(300),
  );
});

test('theme: the fixed colours of the stylesheet meet WCAG AA in light and dark', () => {
  for (const { paper, ink, soft, alert, edge, 'alert-wash': wash } of fixed) {
    assert.ok(contrast(ink!, paper!) >= 7);
    assert.ok(contrast(soft!, paper!) >= 4.5);
    assert.ok(contrast(ink!, wash!) >= 4.5);
    assert.ok(contrast(alert!, paper!) >= 3);
    assert.ok(contrast(edge!, paper!) >= 3);
  }
});
