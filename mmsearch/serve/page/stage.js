// The full picture; the film or sound, playing at its moment.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";
import { address, thumb } from "./server.js";
import { Wave } from "./tile.js";
import { pdfPage } from "./words.js";
import { Boxes } from "./written.js";

const HIGHEST = "62vh";

const CLIP_S = 60; // how much of a film is converted at once

/** What is shown of a result. `known`: the server has said whether the file can be opened. */
export function Stage({ c, item, known, start }) {
  if (known && item.openable === false) {
    return html`<div class="stage missing"><${Icon} name="warning" size=${28} /><p>${item.why_not ?? "The file cannot be opened."}</p></div>`;
  }
  if (item.modality === "image" || pdfPage(item)) return html`<${Picture} c=${c} item=${item} />`;
  if (item.modality === "video") return html`<${Film} c=${c} item=${item} start=${start} />`;
  if (item.modality === "audio") return html`<${Film} c=${c} item=${item} start=${start} isSound />`;
  return null;
}

function Picture({ c, item }) {
  const page = item.span && "start_page" in item.span;
  const [source, setSource] = useState(page ? null : address(`media/${item.id}`, { c }));
  const [size, setSize] = useState(null); // known when the picture is there
  const box = useRef(null);
  const small = address(`thumb/${item.id}`, { c, w: 1280 });
  return html`<div class="stage picture" ref=${box} style=${shape(item)}>
    ${!size && html`<img class="before" src=${thumb(c, item.id, 320)} alt="" />`}
    <img
      class="full" src=${source ?? small} alt=${item.name ?? "picture"} onLoad=${({ target }) => setSize([target.naturalWidth, target.naturalHeight])}
      onError=${() => source && setSource(null)} />
    ${size && html`<${Boxes} item=${item} size=${size} />`}
    <${Expand} box=${box} />
  </div>`;
}

// The room that a picture will take is kept free before it is there.
function shape({ width, height }) {
  if (!width || !height) return {};
  return { aspectRatio: `${width} / ${height}`, width: `min(100%, ${HIGHEST} * ${(width / height).toFixed(4)})` };
}

function Expand({ box }) {
  const toggle = () => (document.fullscreenElement ? document.exitFullscreen() : box.current.requestFullscreen());
  return html`<button type="button" class="expand" aria-label="Full screen" title="Full screen" onClick=${toggle}><${Icon} name="expand" size=${18} /></button>`;
}

// A part that is copied begins at a key frame, which may lie before the moment.
async function skipTo(film, time, source) {
  const response = await fetch(source, { method: "HEAD" }).catch(() => null);
  const begins = Number(response?.headers.get("Clip-Start") ?? time);
  if (film.src === source && time - begins > 0.25) film.currentTime = Math.max(film.currentTime, time - begins);
}

// Plays the file itself, or where the browser cannot, a part of it that the server converts.
function Film({ c, item, start, isSound }) {
  const player = useRef(null);
  const [clipFrom, setClipFrom] = useState(null);
  const [failed, setFailed] = useState(false);
  const wanted = useRef(start);
  const first = useRef(start);
  const end = item.duration_s ?? Infinity;

  const source = clipFrom === null
    ? address(`media/${item.id}`, { c }) + (first.current > 0 ? `#t=${first.current}` : "")
    : address(`clip/${item.id}`, { c, from: clipFrom, to: Math.min(end, clipFrom + CLIP_S) });

  const convert = () => {
    if (clipFrom === null) setClipFrom(wanted.current);
    else setFailed(true);
  };
  const ready = () => {
    const film = player.current;
    if (!film) return undefined;
    if (clipFrom === null && !isSound && !film.videoWidth && item.width) return convert(); // its sound alone is played
    if (clipFrom === null && Math.abs(film.currentTime - wanted.current) > 0.25) film.currentTime = wanted.current;
    if (clipFrom !== null) skipTo(film, clipFrom, source);
    return film.play().catch(() => {}); // browsers may want a click first
  };

  useEffect(() => {
    if (start === wanted.current) return;
    wanted.current = start;
    if (clipFrom !== null) {
      setClipFrom(start);
    } else if (player.current?.readyState) {
      player.current.currentTime = start;
      player.current.play().catch(() => {});
    }
  }, [start]);

  if (failed) {
    return html`<div class="stage missing"><${Icon} name="warning" size=${28} /><p>This browser cannot play the file. You can download it.</p></div>`;
  }
  const common = { ref: player, src: source, controls: true, preload: "auto", onLoadedMetadata: ready, onError: convert };
  return html`<div class="stage ${isSound ? "sound" : "film"}" style=${isSound ? {} : shape(item)}>
    ${isSound
      ? html`<${Wave} /><audio ...${common} aria-label=${item.name ?? "sound"} />`
      : html`<video ...${common} playsinline poster=${address(`thumb/${item.id}`, { c, w: 1280 })} aria-label=${item.name ?? "film"} />`}
    ${clipFrom !== null && html`<p class="converted">Converted for this browser</p>`}
  </div>`;
}
