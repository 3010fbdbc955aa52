// Facts about a file.
import { html } from "./vendor/preact.js";
import { clock, dated, folderOf, kindWord, sized, spanWords } from "./words.js";

const FROM = { name: "from its name", exif: "from its EXIF", xmp: "from its XMP" };
const STATES = { changed: "The file has changed since it was indexed.", gone: "The file is no longer there." };

export function Facts({ item, hit, onUnder }) {
  const folder = folderOf(item.path);
  const copies = hit?.copies ?? [];
  const rows = [
    ["Kind", kindWord(item.modality)],
    item.taken_at && ["Taken", [dated(item.taken_at), FROM[item.taken_from]].filter(Boolean).join(", ")],
    ["Camera", item.camera],
    ["Title", item.title],
    ["Place", [item.place, item.country].filter(Boolean).join(", ")],
    item.tags?.length > 0 && ["Tags", item.tags.join(", ")],
    item.width && item.height && ["Size", `${item.width} × ${item.height}`],
    item.duration_s && ["Length", clock(item.duration_s)],
    item.span && spanWords(item.span) && ["Part", spanWords(item.span)],
    item.size_bytes && ["File", sized(item.size_bytes)],
    ["Folder", folder && html`<button type="button" class="link path" title="Only this folder" onClick=${() => onUnder(folder)}>${folder}</button>`],
    copies.length > 0 && ["Copies", copies.map(({ path }) => html`<span class="path">${path}</span>`)],
    item.note && ["Note", item.note],
    ...Object.entries(item.facts ?? {}).map(([name, value]) => [name, String(value)]),
    hit?.score !== undefined && ["Score", `${hit.score.toFixed(3)} (cosine)`],
  ].filter((row) => row && row[1]);
  return html`<section class="facts" aria-label="Facts">
    ${STATES[item.state] && html`<p class="line wrong">${STATES[item.state]}</p>`}
    <dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
  </section>`;
}
