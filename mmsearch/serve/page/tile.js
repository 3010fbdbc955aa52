// One result in the grid.
import { html, useRef, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";
import { thumb } from "./server.js";
import { clock, excerpt, folderOf, kindWord, levelWords, marked, nameOf, spanWords } from "./words.js";

const AGAIN_MS = 1500;
const NARROW = 150; // pixels: no room for the end of a moment

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
      aria-current=${isOpen ? "true" : null} onClick=${open} onFocus=${() => onFocus(index)}>
      <span class="unseen">${label(hit, name)}</span>
      <${Face} hit=${hit} name=${name} c=${c} query=${query} side=${Math.max(place.width, place.height)} />
    </a>
  </li>`;
}

function label(hit, name) {
  const level = hit.level ? levelWords(hit.level)[0] : "";
  return [name, kindWord(hit.modality), spanWords(hit.span), level].filter(Boolean).join(", ");
}

function Face({ hit, name, c, query, side }) {
  if (hit.modality === "text" && hit.text) return html`<${Passage} hit=${hit} name=${name} query=${query} />`;
  if (hit.modality === "audio") return html`<${Sound} hit=${hit} name=${name} />`;
  return html`<${Picture} hit=${hit} name=${name} c=${c} side=${side} />`;
}

function Picture({ hit, name, c, side }) {
  const [state, setState] = useState("");
  const [source, setSource] = useState(null);
  const largest = useRef(0);
  largest.current = Math.max(largest.current, side); // a tile that becomes smaller keeps its picture
  const own = thumb(c, hit.id, largest.current);
  const again = () => {
    if (source) setState("failed");
    else setTimeout(() => setSource(`${own}&again=1`), AGAIN_MS); // the server may have been busy
  };
  if (state === "failed") {
    return html`<span class="card plain" aria-hidden="true"><${Icon} name=${hit.modality} size=${28} /><span class="name">${name}</span></span>`;
  }
  return html`
    <img
      class=${state} src=${source ?? own} alt="" decoding="async" draggable=${false}
      onLoad=${() => setState("there")} onError=${again} />
    <span class="caption" aria-hidden="true">${name}</span>
    ${hit.modality === "video" && html`<span class="badge" aria-hidden="true"><${Icon} name="play" size=${14} />${side < NARROW ? when(hit).split("–")[0] : when(hit)}</span>`}
    ${"start_page" in (hit.span ?? {}) && html`<span class="badge" aria-hidden="true">${spanWords(hit.span)}</span>`}
  `;
}

// The moment that was found; of a file that is merely listed, its length.
function when({ rank, span, duration_s }) {
  const isMoment = rank !== undefined && span && "start_s" in span;
  if (isMoment && !(span.start_s < 0.5 && duration_s && span.end_s > duration_s - 0.5)) return spanWords(span);
  return duration_s ? clock(duration_s) : "";
}

function Sound({ hit, name }) {
  return html`<span class="card sound">
    <${Wave} />
    <span class="foot" aria-hidden="true"><${Icon} name="audio" size=${16} /><span class="name">${name}</span><span class="time">${when(hit)}</span></span>
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
    <span class="foot" aria-hidden="true">
      <${Icon} name="text" size=${16} /><span class="name" title=${folderOf(hit.path)}>${name}</span>
      <span class="time">${spanWords(hit.span)}</span>
    </span>
  </span>`;
}
