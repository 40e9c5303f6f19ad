/*
 * Looks at all text of a page, in the page: where it is, what it stands on, and how well it can be told from that (contrast as in WCAG 2.2, 1.4.3).
 * The source of a function, for `page.evaluate`: it has no imports, and is none of Node.
 */
// oxlint-disable-next-line no-unused-vars
function seeTexts(withLines) {
  const luminance = (colour) => {
    const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isClear = (colour) => colour === 'none' || colour.endsWith(', 0)');
  const contains = (outer, inner) => {
    const [x, y] = [inner.left + inner.width / 2, inner.top + inner.height / 2];
    return outer.left <= x && x <= outer.right && outer.top <= y && y <= outer.bottom;
  };
  const boxes = [...document.querySelectorAll('svg rect')].map((box) => ({
    place: box.getBoundingClientRect(),
    fill: getComputedStyle(box).fill,
  }));
  const behind = (element, place) => {
    const drawn = boxes.findLast((box) => !isClear(box.fill) && contains(box.place, place));
    if (element.closest('svg') !== null && drawn !== undefined) return drawn.fill;
    for (let at = element; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (!isClear(backgroundColor)) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const crossed = (element) => {
    const svg = element.closest('svg');
    if (!withLines || svg === null || !(element instanceof SVGGraphicsElement)) return false;
    const { x, y, width, height } = element.getBBox();
    return [...svg.querySelectorAll('path.flow')].some((path) => {
      const outer = path.getBBox();
      if (outer.x > x + width || outer.x + outer.width < x || outer.y > y + height || outer.y + outer.height < y)
        return false;
      return [0.05, 0.35, 0.65, 0.95].some((share) =>
        [0.25, 0.5, 0.75].some((high) => path.isPointInStroke(new DOMPoint(x + width * share, y + height * high))),
      );
    });
  };
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? '';
    if (element === null || text === '' || element.closest('style, title') !== null) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const place = range.getBoundingClientRect();
    if (place.width === 0) continue;
    const isDrawn = element.closest('svg') !== null;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(isDrawn ? style.fill : style.color), luminance(behind(element, place))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const { left, right, top, bottom } = place;
    seen.push({ text, left, right, top, bottom, isDrawn, contrast, isCrossed: crossed(element) });
  }
  return seen;
}
