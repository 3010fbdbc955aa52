// What may answer: kinds, years, folders, cameras and places; and the results that were marked as wanted or not.
import { html, useEffect, useState } from "./vendor/preact.js";
import { KINDS } from "./address.js";
import { Icon } from "./icons.js";
import { ask, thumb } from "./server.js";
import { count, kindWord } from "./words.js";

const YEARS = 7; // as chips; earlier ones are in a menu

/** What there is to choose from in a collection; null until it is known. */
export function useFacets(c, ready, generation) {
  const [state, setState] = useState({ c: null, facets: null });
  useEffect(() => {
    if (!ready) return undefined;
    const controller = new AbortController();
    ask("api/facets", { parameters: { c }, signal: controller.signal })
      .then((facets) => setState({ c, facets }))
      .catch(() => {}); // the results say what is wrong with the server
    return () => controller.abort();
  }, [c, ready, generation]);
  return state.c === c ? state.facets : null;
}

/** The row of filters. */
export function Chips({ asked, facets, onChange }) {
  if (!facets) return html`<div class="chips" aria-hidden="true"></div>`;
  const kinds = KINDS.filter((kind) => facets.kinds[kind] || asked.to.includes(kind));
  const years = Object.keys(facets.years).sort().reverse();
  const folders = facets.folders;
  const cameras = Object.keys(facets.cameras ?? {}).sort();
  const places = Object.keys(facets.places ?? {}).sort();
  const toggle = (kind) => {
    const to = asked.to.includes(kind) ? asked.to.filter((one) => one !== kind) : [...asked.to, kind];
    onChange({ to: to.length === kinds.length ? [] : KINDS.filter((one) => to.includes(one)) });
  };
  if (Math.max(kinds.length, years.length, folders.length, cameras.length, places.length) < 2) return null;
  return html`<div class="chips" role="group" aria-label="Filters">
    ${kinds.length > 1 && kinds.map((kind) => html`<${Chip} key=${kind} icon=${kind} pressed=${asked.to.includes(kind)}
      onClick=${() => toggle(kind)}>${capital(kindWord(kind, 2))}<span class="count">${count(facets.kinds[kind] ?? 0)}</span><//>`)}
    ${kinds.length > 1 && years.length > 1 && html`<span class="bar" />`}
    ${folders.length > 1 && html`<${Menu} icon="folder" label="Folder" every="All folders" value=${asked.under}
      options=${folders.map(({ path, name }) => [path, name, path])} onChange=${(under) => onChange({ under })} />`}
    ${cameras.length > 1 && html`<${Menu} icon="camera" label="Camera" every="All cameras" value=${asked.camera}
      options=${cameras.map((camera) => [camera, camera])} onChange=${(camera) => onChange({ camera })} />`}
    ${places.length > 1 && html`<${Menu} icon="place" label="Place" every="All places" value=${asked.place}
      options=${places.map((place) => [place, place])} onChange=${(place) => onChange({ place })} />`}
    ${(folders.length > 1 || cameras.length > 1 || places.length > 1) && years.length > 1 && html`<span class="bar" />`}
    ${years.length > 1 && years.slice(0, YEARS).map((year) => html`<${Chip} key=${year} pressed=${asked.year === year}
      onClick=${() => onChange({ year: asked.year === year ? null : year })}>${year}<//>`)}
    ${years.length > YEARS && html`<${Menu} icon="clock" label="Earlier year" every="Earlier" value=${years.indexOf(asked.year) < YEARS ? null : asked.year}
      options=${years.slice(YEARS).map((year) => [year, year])} onChange=${(year) => onChange({ year })} />`}
  </div>`;
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);

function Chip({ icon, pressed, onClick, children }) {
  return html`<button type="button" class="chip" aria-pressed=${String(Boolean(pressed))} onClick=${onClick}>
    ${icon && html`<${Icon} name=${icon} size=${16} />`}${children}
  </button>`;
}

function Menu({ icon, label, every, value, options, onChange }) {
  const known = !value || options.some(([one]) => one === value);
  return html`<span class="chip menu ${value ? "chosen" : ""}">
    <${Icon} name=${icon} size=${16} />
    <select aria-label=${label} value=${value ?? ""} onChange=${(event) => onChange(event.target.value || null)}>
      <option value="">${every}</option>
      ${!known && html`<option value=${value}>${value}</option>`}
      ${options.map(([one, name, title]) => html`<option value=${one} title=${title}>${name}</option>`)}
    </select>
  </span>`;
}

/** What the words were read as; each part can be taken out of them. */
export function ReadAs({ reading, q, onChange }) {
  if (!reading?.parts.length) return null;
  const without = (text) => q.split(/\s+/).join(" ").replace(text, " ").split(/\s+/).join(" ").trim();
  return html`<div class="chips read" role="group" aria-label="Read as">
    ${reading.parts.map(({ text, shown }) => html`<button type="button" class="chip" key=${text} title="Take it out of the words"
      aria-label=${`${shown}: take it out of the words`} onClick=${() => onChange({ q: without(text), open: null, at: null })}>
      ${shown}<${Icon} name="close" size=${14} />
    </button>`)}
  </div>`;
}

/** The results that the query is moved towards and away from. */
export function Marks({ asked, onChange }) {
  if (!asked.like.length && !asked.unlike.length) return null;
  const group = (name, words) => asked[name].length > 0 && html`<span class="words">${words}</span>
    <ul class="marked ${name}" aria-label=${words}>
      ${asked[name].map((id) => html`<${Mark} key=${id} source=${thumb(asked.c, id, 64)} id=${id} words=${words}
        onRemove=${() => onChange({ [name]: asked[name].filter((one) => one !== id) })} />`)}
    </ul>`;
  return html`<div class="marks" role="group" aria-label="Marked results">
    ${group("like", "More like")}
    ${group("unlike", "Less like")}
    <button type="button" class="link" onClick=${() => onChange({ like: [], unlike: [] })}>Forget the marks</button>
  </div>`;
}

function Mark({ source, id, words, onRemove }) {
  const [failed, setFailed] = useState(false);
  return html`<li>
    ${failed ? html`<span class="face"><${Icon} name="audio" size=${16} /></span>`
      : html`<img src=${source} alt="" onError=${() => setFailed(true)} />`}
    <button type="button" aria-label=${`No longer ${words.toLowerCase()} result ${id}`} title="Take the mark away" onClick=${onRemove}>
      <${Icon} name="close" size=${14} />
    </button>
  </li>`;
}
