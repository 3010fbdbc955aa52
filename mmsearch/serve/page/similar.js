// A few results that are like the one in the side view.
import { html, useEffect, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";
import { ask, thumb } from "./server.js";
import { nameOf } from "./words.js";

const FEW = 8;

/** Results of the same kind that are like it. */
export function Similar({ asked, kind, onChange }) {
  const { c, open: id } = asked;
  const [hits, setHits] = useState(null);
  useEffect(() => {
    const controller = new AbortController();
    ask(`api/items/${id}/similar`, { parameters: { c, k: FEW, to: kind }, signal: controller.signal })
      .then((answer) => setHits(answer.hits))
      .catch((error) => error.name === "AbortError" || setHits([]));
    return () => controller.abort();
  }, [c, id]);
  if (hits?.length === 0) return null;
  return html`<section class="similar" aria-labelledby="similar-title">
    <h3 id="similar-title">Similar</h3>
    <ul>${(hits ?? Array(FEW).fill(null)).map((hit) => html`<li>
      ${hit && html`<button type="button" title=${nameOf(hit.path)}
        onClick=${() => onChange({ open: hit.id, at: null })}><${Small} c=${c} hit=${hit} /></button>`}
    </li>`)}</ul>
  </section>`;
}

function Small({ c, hit }) {
  const [failed, setFailed] = useState(false);
  const name = nameOf(hit.path);
  if (hit.modality === "text" && hit.text) {
    return html`<span class="face passage"><span class="unseen">${name}: </span>${hit.text.slice(0, 160)}</span>`;
  }
  if (failed || hit.modality === "text" || hit.modality === "audio") {
    return html`<span class="face"><${Icon} name=${hit.modality} /><span class="name">${name}</span></span>`;
  }
  return html`<img src=${thumb(c, hit.id, 120)} alt=${name} loading="lazy" onError=${() => setFailed(true)} />`;
}
