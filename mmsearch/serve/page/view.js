// The side view: one result in full, where it lies, what else it is, and what one can do with it.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { Actions } from "./actions.js";
import { Facts } from "./facts.js";
import { Icon } from "./icons.js";
import { Moments, useMoments } from "./moments.js";
import { Passages } from "./passages.js";
import { ask } from "./server.js";
import { Similar } from "./similar.js";
import { Stage } from "./stage.js";
import { levelWords, nameOf, spanWords } from "./words.js";
import { Written } from "./written.js";

/** What the server knows about a result, or why it knows nothing. */
function useRecord(c, id) {
  const [state, setState] = useState({ id: null, record: null, trouble: null });
  useEffect(() => {
    const controller = new AbortController();
    ask(`api/items/${id}`, { parameters: { c }, signal: controller.signal })
      .then((record) => setState({ id, record, trouble: null }))
      .catch((trouble) => trouble.name === "AbortError" || setState({ id, record: null, trouble }));
    return () => controller.abort();
  }, [c, id]);
  return state.id === id ? state : { record: null, trouble: null };
}

// A row of what is heard or said in a film stands for the film.
function kindOf({ modality, width, duration_s }) {
  return width && duration_s ? "video" : modality;
}

/**
 * One result in full. `hit` is what the search said of it, if it is among the results; `place` is where it stands there.
 */
export function View({ asked, request, hit, place, local, isSheet, onChange, onStep, onClose }) {
  const { c, open: id, at } = asked;
  const { record, trouble } = useRecord(c, id);
  const said = hit?.boxes ? { text: hit.text, boxes: hit.boxes } : {}; // a picture's own row knows no text in it
  const item = record ? { ...hit, ...record, ...said, modality: hit?.modality ?? kindOf(record), span: hit?.span ?? record.span } : hit;
  const timed = item && (item.modality === "video" || item.modality === "audio");
  const moments = useMoments(timed ? request : null, id);
  const start = at ?? item?.span?.start_s ?? 0;
  const heading = useRef(null);
  const panel = useRef(null);

  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    panel.current.querySelector(".body").scrollTop = 0;
  }, [id]);

  return html`<div
    class="view" ref=${panel} aria-label="Result" role=${isSheet ? "dialog" : "complementary"} aria-modal=${isSheet ? "true" : null}>
    <div class="bar">
      <h2 ref=${heading} tabindex="-1" title=${item?.path}>${item ? nameOf(item.path) : "Result"}</h2>
      ${place && html`<span class="place">${place}</span>`}
      <button type="button" class="plain" aria-label="Previous result" title="Previous (←)" disabled=${!onStep(-1, true)}
        onClick=${() => onStep(-1)}><${Icon} name="previous" /></button>
      <button type="button" class="plain" aria-label="Next result" title="Next (→)" disabled=${!onStep(1, true)}
        onClick=${() => onStep(1)}><${Icon} name="next" /></button>
      <button type="button" class="plain" aria-label="Close" title="Close (Esc)" onClick=${onClose}><${Icon} name="close" /></button>
    </div>
    <div class="body" tabindex="-1">
      ${trouble && html`<p class="line wrong"><${Icon} name="warning" size=${18} /><span>${trouble.message}</span></p>`}
      ${item && html`
        <${Stage} key=${`stage ${id}`} c=${c} item=${item} known=${Boolean(record)} start=${start} query=${asked.q} />
        ${item.modality === "text" && html`<${Passages} key=${`text ${id}`} c=${c} item=${item} query=${asked.q} />`}
        ${item.modality === "image" && item.text && html`<${Written} item=${item} query=${asked.q} />`}
        ${timed && html`<${Moments} c=${c} moments=${moments} item=${item} start=${start} onSeek=${(seconds) => onChange({ at: seconds }, { replace: true })} />`}
        <${Level} hit=${hit} />
        <${Actions} asked=${asked} item=${item} local=${local} searched=${Boolean(request.terms)} onChange=${onChange} isSheet=${isSheet} />
        <${Facts} item=${item} hit=${hit} onUnder=${(under) => onChange({ under, open: null, at: null })} />
        <${Similar} key=${`similar ${id}`} asked=${asked} kind=${item.modality} onChange=${onChange} />
      `}
      ${!item && !trouble && html`<div class="stage waiting" />`}
    </div>
  </div>`;
}

const EVIDENCE = { look: "its look", text: "its text", ocr: "text in it", caption: "its caption", speech: "what is said", name: "its name", frame: "what is seen", sound: "what is heard", subtitle: "what is said" };

function Level({ hit }) {
  if (!hit || hit.rank === undefined) return null;
  const [title, meaning] = levelWords(hit.level);
  const bars = { strong: 4, likely: 3, weak: 2, nothing: 1 }[hit.level] ?? 0;
  const plain = ["look", "text"].includes((hit.evidence ?? []).join());
  const evidence = !plain ? (hit.evidence ?? []).map((kind) => EVIDENCE[kind] ?? kind).join(" and ") : "";
  return html`<p class="level ${hit.level ?? "unknown"}">
    <span class="meter" aria-hidden="true">${[1, 2, 3, 4].map((i) => html`<span class=${i <= bars ? "on" : ""} />`)}</span>
    <strong>${title}</strong>
    <span class="meaning">${[meaning, evidence && `by ${evidence}`, spanWords(hit.span)].filter(Boolean).join(" · ")}</span>
  </p>`;
}
