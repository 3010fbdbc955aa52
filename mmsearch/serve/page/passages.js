// A passage of a text, with those around it.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ask } from "./server.js";
import { marked } from "./words.js";

const [FEW, MANY] = [3, 40];

/** The passage of a text result, with a few before and behind it, and more if one wants. */
export function Passages({ c, item, query }) {
  const [around, setAround] = useState(FEW);
  const [passages, setPassages] = useState(null);
  useEffect(() => {
    const controller = new AbortController();
    ask(`api/items/${item.id}/passages`, { parameters: { c, around }, signal: controller.signal })
      .then((answer) => setPassages(answer.passages))
      .catch((error) => error.name === "AbortError" || setPassages([]));
    return () => controller.abort();
  }, [c, item.id, around]);

  const shown = passages?.length ? passages : [{ id: item.id, text: item.text }];
  const mayHaveMore = around === FEW && passages && passages.length > FEW;
  return html`<section class="passages" aria-label="Text">
    ${shown.map(({ id, text }) => html`<p key=${id} class=${id === item.id ? "found" : ""} aria-current=${id === item.id ? "true" : null}>
      ${marked(text ?? "", query).map(([part, isMarked]) => (isMarked ? html`<mark>${part}</mark>` : part))}
    </p>`)}
    ${mayHaveMore && html`<button type="button" class="link" onClick=${() => setAround(MANY)}>Show more of the text</button>`}
  </section>`;
}
