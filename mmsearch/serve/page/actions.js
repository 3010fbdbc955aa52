// What one can do with a result.
import { html, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";
import { useCopy } from "./messages.js";
import { address, tell } from "./server.js";
import { pdfPage } from "./words.js";

export function Actions({ asked, item, local, searched, isSheet, onChange }) {
  const { c } = asked;
  const [copied, copy] = useCopy();
  const [revealed, setRevealed] = useState("");
  const closing = isSheet ? { open: null, at: null } : {};
  const mark = (name, other) => {
    const has = asked[name].includes(item.id);
    onChange({
      [name]: has ? asked[name].filter((id) => id !== item.id) : [...asked[name], item.id],
      [other]: asked[other].filter((id) => id !== item.id),
      ...closing,
    });
  };
  const reveal = () => tell(`api/items/${item.id}/reveal`, { c }).then(() => setRevealed(""), (error) => setRevealed(error.message));
  const similar = () => onChange({ q: "", by: [item.id], to: [item.modality], vectors: [], like: [], unlike: [], open: null, at: null });
  const openable = item.openable !== false;
  const page = pdfPage(item);
  return html`<div class="actions" role="group" aria-label="Actions">
    <${Action} icon="similar" onClick=${similar}>Similar<//>
    <${Action} icon="more" pressed=${asked.like.includes(item.id)} onClick=${() => mark("like", "unlike")}>More like this<//>
    ${(searched || asked.unlike.includes(item.id)) && html`<${Action} icon="less" pressed=${asked.unlike.includes(item.id)}
      onClick=${() => mark("unlike", "like")}>Less like this<//>`}
    ${openable && page && html`<a class="action" href=${`${address(`media/${item.id}`, { c })}#page=${page}`} target="_blank" rel="noopener">
      <${Icon} name="text" size=${18} />Open at page ${page}</a>`}
    ${openable && html`<a class="action" href=${address(`media/${item.id}`, { c, download: 1 })} download=${item.name ?? ""}>
      <${Icon} name="download" size=${18} />Download</a>`}
    <${Action} icon=${copied ? "check" : "copy"} onClick=${() => copy(item.path)}>${copied ? "Copied" : "Copy path"}<//>
    ${local && openable && html`<${Action} icon="folder" onClick=${reveal}>Show in folder<//>`}
    ${revealed && html`<p class="line wrong" role="alert">${revealed}</p>`}
  </div>`;
}

function Action({ icon, pressed, onClick, children }) {
  return html`<button type="button" class="action" aria-pressed=${pressed === undefined ? null : String(pressed)} onClick=${onClick}>
    <${Icon} name=${icon} size=${18} />${children}
  </button>`;
}
