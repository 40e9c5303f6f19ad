import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeText, html, joined } from './html.ts';

const BACK: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };

test('no text can end an element or an attribute, and each is what it was when it is read', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const escaped = escapeText(text);
      expect(escaped).not.toMatch(/[<>"']/);
      const read = escaped.replace(/&(?:amp|lt|gt|quot|#39);/g, (found) => BACK[found] ?? '');
      expect(read).toBe(text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/gu, '\uFFFD'));
    }),
  );
});

test('what cannot be seen, or turns text around, is shown as what it is not', () => {
  expect(escapeText('a\u0000b\u202Ec\uD800d\u200Be\nf')).toBe('a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\nf');
});

test('templates escape text and leave markup', () => {
  const name = '<b>"x"</b>';
  expect(html`<p title="${name}">${name}${undefined}${false}${3n}${[1, html`<i>${'&'}</i>`]}</p>`.text).toBe(
    '<p title="&lt;b&gt;&quot;x&quot;&lt;/b&gt;">&lt;b&gt;&quot;x&quot;&lt;/b&gt;31<i>&amp;</i></p>',
  );
  expect(joined([html`<hr class="x" />`, '<']).text).toBe('<hr class="x" />&lt;');
});
