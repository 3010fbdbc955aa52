// What stands in the place of results, or above them: nothing indexed, nothing found, something wrong.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { Icon } from "./icons.js";

/** A line above the results. */
export function Line({ kind = "plain", icon, children }) {
  return html`<p class="line ${kind}">${icon && html`<${Icon} name=${icon} size=${18} />`}<span>${children}</span></p>`;
}

/** A message in the place of results. */
export function Empty({ icon, title, children }) {
  return html`<section class="empty" aria-label=${title}>
    <${Icon} name=${icon} size=${40} />
    <h2>${title}</h2>
    ${children}
  </section>`;
}

/** What to do where nothing is indexed. */
export function NothingIndexed({ collection }) {
  const command = `mmsearch index FOLDER -c ${shellWord(collection.path)}`;
  return html`<${Empty} icon="image" title="Nothing is indexed yet">
    <p>Give mmsearch a folder of pictures, films, sounds or texts. What it finds appears here by itself.</p>
    <${Command} text=${command} />
    ${collection.skipped > 0 && html`<p>${collection.skipped} files were read and skipped; <code>mmsearch status</code> says why.</p>`}
  <//>`;
}

const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function Command({ text }) {
  const [copied, copy] = useCopy();
  return html`<div class="command">
    <code tabindex="0">${text}</code>
    <button type="button" class="plain" aria-label="Copy the command" onClick=${() => copy(text)}>
      <${Icon} name=${copied ? "check" : "copy"} size=${18} />
    </button>
  </div>`;
}

/** Whether something was just copied, and a function that copies a text. */
export function useCopy() {
  const [copied, setCopied] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (text) => {
    await copyText(text);
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(setCopied, 1600, false);
  };
  return [copied, copy];
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).catch(() => copySelected(text));
  return copySelected(text); // without HTTPS, other machines get no clipboard
}

function copySelected(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  area.className = "unseen";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** What is wrong, in one line, and what one can do. */
export function TroubleLine({ trouble, filtered, onRetry, onClearFilters, home }) {
  if (trouble.isHint) return html`<${Line} icon="help">${trouble.message}<//>`;
  const { status } = trouble;
  if (status === 401) {
    return html`<${Line} kind="wrong" icon="warning">Open the address that the server printed when it started: it holds the token.<//>`;
  }
  if (status === 429 || status === 503) {
    return html`<${Line} kind="busy" icon="clock">The server is busy. Trying again…<//>`;
  }
  const way = {
    404: () => home && html`<a href=${home}>Open the first collection</a>`,
    400: () => filtered && html`<button type="button" class="link" onClick=${onClearFilters}>Clear the filters</button>`,
  }[status]?.();
  const retry = !way && html`<button type="button" class="link" onClick=${onRetry}>Try again</button>`;
  return html`<${Line} kind="wrong" icon="warning">${sentence(trouble.message)} ${way || retry}<//>`;
}

const sentence = (text) => {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
};

/** The keys and the words that the box understands. */
export function Help({ onClose }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const rows = [
    ["a red car -people", "words; a minus leaves out"],
    ["-\"ice cream\"", "leaves out several words together"],
    ["dogs in Lisbon last summer", "dates, places and kinds of files are read"],
    ["\"total due\"", "words that must stand in it"],
    ["drop, paste", "search by a picture, film, sound or text"],
  ];
  const keys = [
    ["/", "to the box"], ["↓", "from the box to the results"], ["← ↑ ↓ →", "from result to result"],
    ["Enter", "open"], ["Esc", "close; in the box: clear"], ["← →", "in the side view: the result before, the next"],
  ];
  const table = (lines, tag) => html`<dl>${lines.map(([term, meaning]) => html`<dt><${tag}>${term}<//></dt><dd>${meaning}</dd>`)}</dl>`;
  return html`<dialog class="help" ref=${dialog} onClose=${onClose} aria-labelledby="help-title"
    onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
    <div>
      <header><h2 id="help-title">How to search</h2>
        <button type="button" class="plain" aria-label="Close" onClick=${() => dialog.current.close()}><${Icon} name="close" /></button>
      </header>
      ${table(rows, "code")}
      <h3>Keys</h3>
      ${table(keys, "kbd")}
    </div>
  </dialog>`;
}
