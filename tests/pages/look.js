// What is wrong with a page, as a person would see it: a list of sentences.
(() => {
  const wrong = [];
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${element.textContent.trim().slice(0, 40)}`;

  // Nothing is wider than the window, and no table hides a part of itself where there is room for all of it.
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  if (innerWidth >= 700) {
    for (const wide of document.querySelectorAll(".wide")) {
      if (wide.scrollWidth > wide.clientWidth + 1) wrong.push(`${wide.scrollWidth - wide.clientWidth} px are hidden of ${name(wide)}`);
    }
  }

  // No words of a picture leave it, or lie upon each other.
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
    for (const [text, box] of texts) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) {
        wrong.push(`outside of its picture: ${name(text)}`);
      }
    }
    texts.forEach(([one, a], place) => texts.slice(place + 1).forEach(([other, b]) => {
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (width > 0.5 && height > 2) wrong.push(`upon each other: ${name(one)} and ${name(other)}`);
    }));
  }

  // All words can be read: 4.5 to 1 between them and what is behind them (WCAG AA).
  const parse = (text) => {
    const found = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return found.length < 4 ? [...found, 1] : found;
  };
  const upon = (front, back) => [0, 1, 2].map((channel) => front[channel] * front[3] + back[channel] * (1 - front[3])).concat(1);
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] >= 1 ? own : upon(own, behind(element.parentElement));
  };
  const light = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const back = behind(element);
    const front = upon(parse(element.closest("svg") ? style.fill : style.color), back);
    const [low, high] = [light(front), light(back)].sort((one, other) => one - other);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) wrong.push(`${ratio.toFixed(1)} to 1: ${name(element)}`);
  }
  if (seen.size < 20) wrong.push(`only ${seen.size} elements have words`);
  return [...new Set(wrong)];
})()
