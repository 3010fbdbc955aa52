// One result in the grid.
import { html, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";
import { thumb } from "./server.js";
import { clock, excerpt, folderOf, kindWord, levelWords, marked, nameOf, spanWords } from "./words.js";

/** A result: a link whose address opens it in the side view. */
export function Tile({ hit, index, count, place, c, query, isOpen, inTabOrder, address, onOpen, onFocus }) {
  const name = nameOf(hit.path);
  const open = (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as links do
    event.preventDefault();
    onOpen(hit);
  };
  const at = { transform: `translate(${place.left}px, ${place.top}px)` };
  return html`<li
    class="tile ${hit.modality} ${isOpen ? "open" : ""}" style=${{ ...at, width: `${place.width}px`, height: `${place.height}px` }}
    aria-posinset=${index + 1} aria-setsize=${count}>
    <a
      href=${address} data-index=${index} data-id=${hit.id} tabindex=${inTabOrder ? 0 : -1} draggable=${false}
      aria-label=${label(hit, name)} aria-current=${isOpen ? "true" : null} onClick=${open} onFocus=${() => onFocus(index)}>
      <${Face} hit=${hit} name=${name} c=${c} query=${query} width=${place.width} />
    </a>
  </li>`;
}

function label(hit, name) {
  const level = hit.level ? levelWords(hit.level)[0] : "";
  return [name, kindWord(hit.modality), spanWords(hit.span), level].filter(Boolean).join(", ");
}

function Face({ hit, name, c, query, width }) {
  if (hit.modality === "text" && hit.text) return html`<${Passage} hit=${hit} name=${name} query=${query} />`;
  if (hit.modality === "audio") return html`<${Sound} hit=${hit} name=${name} />`;
  return html`<${Picture} hit=${hit} name=${name} c=${c} width=${width} />`;
}

function Picture({ hit, name, c, width }) {
  const [state, setState] = useState("");
  if (state === "failed") {
    return html`<span class="card plain"><${Icon} name=${hit.modality} size=${28} /><span class="name">${name}</span></span>`;
  }
  return html`
    <img
      class=${state} src=${thumb(c, hit.id, width)} alt="" decoding="async" draggable=${false}
      onLoad=${() => setState("there")} onError=${() => setState("failed")} />
    <span class="caption">${name}</span>
    ${hit.modality === "video" && html`<span class="badge"><${Icon} name="play" size=${14} />${when(hit)}</span>`}
    ${"start_page" in (hit.span ?? {}) && html`<span class="badge">${spanWords(hit.span)}</span>`}
  `;
}

function when({ span, duration_s }) {
  if (span && "start_s" in span && span.start_s >= 1) return clock(span.start_s);
  return duration_s ? clock(duration_s) : "";
}

function Sound({ hit, name }) {
  const moment = spanWords(hit.span) || (hit.duration_s ? clock(hit.duration_s) : "");
  return html`<span class="card sound">
    <${Wave} />
    <span class="foot"><${Icon} name="audio" size=${16} /><span class="name">${name}</span><span class="time">${moment}</span></span>
  </span>`;
}

const HEIGHTS = [4, 9, 6, 13, 22, 15, 28, 38, 24, 33, 44, 30, 38, 26, 34, 18, 25, 12, 17, 8, 11, 5, 7, 3];

/** A symbol for sound; not the wave of this one. */
export function Wave() {
  return html`<svg class="wave" viewBox="0 0 144 48" preserveAspectRatio="xMidYMid meet" aria-hidden="true" focusable="false">
    ${HEIGHTS.map((height, i) => html`<rect x=${i * 6 + 1.5} y=${24 - height / 2} width="3" height=${height} rx="1.5" />`)}
  </svg>`;
}

function Passage({ hit, name, query }) {
  const parts = marked(excerpt(hit.text.slice(0, 2000), query), query);
  return html`<span class="card passage">
    <span class="words">${parts.map(([part, isMarked]) => (isMarked ? html`<mark>${part}</mark>` : part))}</span>
    <span class="foot">
      <${Icon} name="text" size=${16} /><span class="name" title=${folderOf(hit.path)}>${name}</span>
      <span class="time">${spanWords(hit.span)}</span>
    </span>
  </span>`;
}
