const UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const;

/** A number with its thousands apart: `12,345`. */
export function whole(value: bigint | number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A number in at most four characters and a letter: `12.3k`. */
export function short(value: bigint | number): string {
  let rest = Number(value);
  let unit = 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${rest.toFixed(digits)}${UNITS[unit] ?? ''}`;
}

/** How long it is from one time to another, in its two largest units: `3 d 4 h`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = (
    [
      ['d', Math.floor(seconds / 86_400)],
      ['h', Math.floor(seconds / 3_600) % 24],
      ['min', Math.floor(seconds / 60) % 60],
      ['s', seconds % 60],
    ] as const
  ).map(([unit, value]) => ({ unit, value }));
  const first = parts.findIndex(({ value }) => value > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(({ value }) => value > 0)
    .map(({ unit, value }) => `${value} ${unit}`)
    .join(' ');
}

/** Text cut to a number of characters; what is left out is told by `…`. */
export function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, Math.max(0, most - 1)).join('')}…`;
}

/** A name cut to a number of characters in its middle: names that begin alike differ at their ends. */
export function squeeze(name: string, most: number): string {
  const characters = [...name];
  if (characters.length <= most) return name;
  const tail = Math.floor((most - 1) / 2);
  return `${characters.slice(0, Math.max(0, most - 1 - tail)).join('')}…${characters.slice(characters.length - tail).join('')}`;
}

/** One thing or several: `1 pod`, `2 pods`. */
export function number(count: number, one: string, several: string = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : several}`;
}
