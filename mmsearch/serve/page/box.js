// The one box: words, and pictures, films or sounds to search by.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { previewOf } from "./answers.js";
import { Icon } from "./icons.js";
import { thumb } from "./server.js";

const TYPING_MS = 280;

/** The search box. `onWords(text, {done})` is called while one types, and with `done` on Enter. */
export function Box({ asked, onWords, onFiles, onChange, busy, isNarrow }) {
  const [text, setText] = useState(asked.q);
  const input = useRef(null);
  const files = useRef(null);
  const timer = useRef(0);
  const sent = useRef(asked.q);

  useEffect(() => {
    if (asked.q.trim() === sent.current.trim()) return;
    clearTimeout(timer.current);
    sent.current = asked.q;
    setText(asked.q);
  }, [asked.q]);

  const send = (words, done) => {
    clearTimeout(timer.current);
    sent.current = words;
    onWords(words, { done });
  };
  const type = (event) => {
    const words = event.target.value;
    setText(words);
    clearTimeout(timer.current);
    timer.current = setTimeout(send, TYPING_MS, words, false);
  };
  const submit = (event) => {
    event.preventDefault();
    send(text, true);
  };
  const key = (event) => {
    if (event.key === "ArrowDown") {
      const tile = document.querySelector('.tiles [tabindex="0"]');
      tile?.focus();
      if (tile) event.preventDefault();
    } else if (event.key === "Escape" && text) {
      event.preventDefault();
      event.stopPropagation();
      setText("");
      send("", true);
    } else if (event.key === "Backspace" && !text) {
      if (asked.vectors.length) onChange({ vectors: asked.vectors.slice(0, -1) });
      else if (asked.by.length) onChange({ by: asked.by.slice(0, -1) });
    }
  };
  const choose = (event) => {
    onFiles([...event.target.files]);
    event.target.value = "";
  };
  const examples = asked.by.length + asked.vectors.length;

  return html`<form class="box" role="search" onSubmit=${submit}>
    <span class="lens">${busy ? html`<span class="spinner" />` : html`<${Icon} name="search" />`}</span>
    ${examples > 0 && html`<ul class="examples" aria-label="Examples to search by">
      ${asked.by.map((id) => html`<${Example} key=${`i${id}`} source=${thumb(asked.c, id, 64)} name=${`result ${id}`} kind="similar"
        onRemove=${() => onChange({ by: asked.by.filter((one) => one !== id) })} />`)}
      ${asked.vectors.map((vector) => html`<${Example} key=${vector.vector} source=${previewOf(vector)} name=${vector.name || "file"}
        kind=${vector.modality} onRemove=${() => onChange({ vectors: asked.vectors.filter((one) => one !== vector) })} />`)}
    </ul>`}
    <input
      id="words" ref=${input} type="text" enterkeyhint="search" autocomplete="off" spellcheck=${false} autofocus=${matchMedia("(hover: hover)").matches}
      aria-label="Search" placeholder=${examples ? "Add words" : isNarrow ? "Describe what you look for" : "Describe what you look for, or drop a picture, film or sound"}
      value=${text} onInput=${type} onKeyDown=${key} />
    ${text && html`<button type="button" class="plain" aria-label="Clear the words" title="Clear (Esc)"
      onClick=${() => { setText(""); send("", true); input.current.focus(); }}><${Icon} name="close" size=${18} /></button>`}
    <button type="button" class="plain by-file" aria-label="Search by a picture, film or sound" title="Search by a picture, film or sound"
      onClick=${() => files.current.click()}><${Icon} name="camera" /></button>
    <input ref=${files} type="file" hidden multiple accept="image/*,video/*,audio/*,text/*,.pdf,.docx,.pptx,.xlsx,.odt,.ods,.odp,.epub,.rtf,.eml,.mbox" onChange=${choose} aria-hidden="true" tabindex="-1" />
  </form>`;
}

/** What is searched by: a small picture of it, which one can take away. */
function Example({ source, name, kind, onRemove }) {
  const [failed, setFailed] = useState(false);
  return html`<li class="example">
    ${source && !failed
      ? html`<img src=${source} alt="" onError=${() => setFailed(true)} />`
      : html`<span class="face"><${Icon} name=${kind ?? "image"} size=${16} /></span>`}
    <button type="button" aria-label=${`Do not search by ${name}`} title=${name} onClick=${onRemove}><${Icon} name="close" size=${14} /></button>
  </li>`;
}

/** Files that are dropped on the page or pasted into it, and whether some are being dragged over it. */
export function useFiles(onFiles) {
  const [over, setOver] = useState(false);
  const call = useRef(onFiles);
  call.current = onFiles;
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const enter = (event) => hasFiles(event) && (depth++, setOver(true));
    const leave = (event) => hasFiles(event) && --depth <= 0 && ((depth = 0), setOver(false));
    const allow = (event) => hasFiles(event) && event.preventDefault();
    const drop = (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      call.current([...event.dataTransfer.files]);
    };
    const paste = (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      call.current(files);
    };
    const handlers = { dragenter: enter, dragleave: leave, dragover: allow, drop, paste };
    for (const [name, handler] of Object.entries(handlers)) addEventListener(name, handler);
    return () => {
      for (const [name, handler] of Object.entries(handlers)) removeEventListener(name, handler);
    };
  }, []);
  return over;
}
