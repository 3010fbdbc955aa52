// Text that was read in a picture: where its lines are, and what they say.
import { html } from "./vendor/preact.js";
import { marked } from "./words.js";

/** The boxes of the lines that matched, as `[left, top, right, bottom]` in fractions; of all lines if no word did. */
export function matchedBoxes({ text, boxes, matched }) {
  const ranges = (matched ?? []).filter(({ where }) => where === "text");
  let start = 0;
  const lines = (text ?? "").split("\n").map((line) => {
    const range = [start, start + [...line].length]; // the server counts characters, not UTF-16
    start = range[1] + 1;
    return range;
  });
  const wanted = (boxes ?? []).filter((_, i) => lines[i] && ranges.some((range) => range.start < lines[i][1] && range.end > lines[i][0]));
  return wanted.length ? wanted : boxes ?? [];
}

/** Draws the boxes over a picture of a size in pixels, in the same room. */
export function Boxes({ item, size: [width, height] }) {
  const boxes = matchedBoxes(item);
  if (!boxes.length) return null;
  const room = 0.004 * Math.max(width, height);
  return html`<svg class="boxes" viewBox="0 0 ${width} ${height}" aria-hidden="true">
    ${boxes.map(([left, top, right, bottom]) => html`<rect
      x=${left * width - room} y=${top * height - room} rx=${room}
      width=${(right - left) * width + 2 * room} height=${(bottom - top) * height + 2 * room} />`)}
  </svg>`;
}

/** What is written in a picture. */
export function Written({ item, query }) {
  return html`<section class="passages" aria-label="Text in the picture">
    <p class="found">${marked(item.text, query).map(([part, isMarked]) => (isMarked ? html`<mark>${part}</mark>` : part))}</p>
  </section>`;
}
