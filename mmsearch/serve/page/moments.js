// The other moments of a film or sound that fit the query, as a bar of its length.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ask, thumb } from "./server.js";
import { clock, isPoor, levelWords, spanWords } from "./words.js";

const MOST = 60;
const MOST_FRAMES = 8;

/** The moments of the file of a row, in order of time; null until they are known. */
export function useMoments(request, id) {
  const [state, setState] = useState({ key: null, moments: null });
  const key = request?.terms ? JSON.stringify([request, id]) : null;
  useEffect(() => {
    if (!key) return undefined;
    const controller = new AbortController();
    const json = { ...request, in: id, all_spans: true, include_self: true, k: MOST };
    ask("api/search", { json, signal: controller.signal })
      .then(({ hits }) => setState({ key, moments: inOrder(hits) }))
      .catch((error) => error.name === "AbortError" || setState({ key, moments: [] }));
    return () => controller.abort();
  }, [key]);
  return state.key === key ? state.moments : null;
}

const inOrder = (hits) => hits.filter(({ span }) => span && "start_s" in span).sort((a, b) => a.span.start_s - b.span.start_s);

const isAt = (span, seconds) => seconds >= span.start_s - 0.01 && seconds < span.end_s;

/** A bar as long as the film, with its moments; the better ones stand out. */
export function Moments({ c, moments, item, start, onSeek }) {
  const length = item.duration_s;
  if (!length || (moments && moments.length < 2)) return null;
  const good = moments?.filter(({ level }) => !isPoor(level)).length ?? 0;
  const shown = item.modality === "video" && moments ? moments.filter(({ rank }) => rank <= MOST_FRAMES) : [];
  return html`<section class="moments" aria-label="Moments">
    <div class="strip">
      ${moments?.map(({ id, span, level, rank }) => {
        const at = { left: `${(100 * span.start_s) / length}%`, width: `${(100 * (Math.min(span.end_s, length) - span.start_s)) / length}%` };
        const words = `${spanWords(span)}, ${levelWords(level)[0].toLowerCase()}`;
        return html`<button type="button" key=${id} class="moment ${level ?? "unknown"} ${rank === 1 ? "best" : ""}" style=${at}
          aria-label=${`Play ${words}`} title=${words} aria-current=${isAt(span, start) ? "true" : null} onClick=${() => onSeek(span.start_s)} />`;
      })}
    </div>
    <p class="ends"><span>0:00</span>${moments && html`<span>${good ? `${good} of ${moments.length} moments fit` : "no moment fits well"}</span>`}<span>${clock(length)}</span></p>
    ${shown.length > 1 && html`<ul class="frames">${shown.map(({ id, span, level }) => html`<li key=${id} class=${isPoor(level) ? "poor" : ""}>
      <button type="button" aria-label=${`Play from ${clock(span.start_s)}`} aria-current=${isAt(span, start) ? "true" : null} onClick=${() => onSeek(span.start_s)}>
        <img src=${thumb(c, id, 140)} alt="" loading="lazy" /><span>${clock(span.start_s)}</span>
      </button>
    </li>`)}</ul>`}
  </section>`;
}
