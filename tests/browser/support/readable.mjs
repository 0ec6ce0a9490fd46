/** What can be found out about a page's use by a program. Every function runs in the page and returns what is wrong. */

/** Controls and regions without a name, and headings out of order. */
export function nameless() {
  const problems = [];
  const nameOf = (element) =>
    element.getAttribute('aria-label') ??
    (element.getAttribute('aria-labelledby') !== null
      ? document.getElementById(element.getAttribute('aria-labelledby'))?.textContent
      : null) ??
    (element.labels?.[0]?.textContent || element.textContent);
  for (const element of document.querySelectorAll('button, a, input, select, summary, section, [role]')) {
    if (['status', 'alert', 'rowgroup', 'row'].includes(element.getAttribute('role'))) continue;
    if (['cell', 'columnheader', 'rowheader'].includes(element.getAttribute('role'))) continue;
    if (!nameOf(element)?.trim()) problems.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(({ tagName }) => Number(tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) problems.push(`${levels}: not one h1`);
  levels.forEach((level, index) => {
    if (index > 0 && level > levels[index - 1] + 1) problems.push(`${levels}: a level is skipped`);
  });
  for (const landmark of ['header', 'main', 'footer']) {
    if (document.querySelectorAll(`#app > ${landmark}`).length !== 1) problems.push(`not one ${landmark}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) problems.push('an id occurs twice');
  return problems;
}

/** Text with less contrast to what is behind it than 4.5 to 1; what is disabled needs none. */
export function lowContrast() {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const backgroundOf = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const problems = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest(':disabled, option, .visually-hidden, .skip-link')) continue;
    if (element.getClientRects().length === 0) continue;
    const segment = element.closest('.segment');
    const [front, back] = [parse(getComputedStyle(element).color), backgroundOf(element)].map(luminance);
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) problems.add(`${ratio.toFixed(2)}: ${(segment ?? element).textContent.trim().slice(0, 40)}`);
  }
  return [...problems];
}

/** What makes the page scroll sideways. */
export function overflowing() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll('#app *')]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .map((element) => `${element.tagName} ${element.className}`);
}
