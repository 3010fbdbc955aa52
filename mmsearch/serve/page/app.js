// The page: what is asked, what is answered, and which result is open.
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { NOTHING_ASKED, asksSomething, isFiltered, useAddress, writeAddress } from "./address.js";
import { useAnswer, vectorsOf } from "./answers.js";
import { Box, useFiles } from "./box.js";
import { Chips, Marks, ReadAs, useFacets } from "./chips.js";
import { Grid } from "./grid.js";
import { Icon } from "./icons.js";
import { Empty, Help, Line, NothingIndexed, TroubleLine } from "./messages.js";
import { ask } from "./server.js";
import { View } from "./view.js";
import { count, counted, isPoor } from "./words.js";

const LOOK_AGAIN_MS = 2000;

/** What is served, asked again while there is nothing in it or no answer, and by `lookAgain`. */
function useStatus(c) {
  const [state, setState] = useState({ status: null, trouble: null });
  const [tries, setTries] = useState(0);
  const collection = state.status && (state.status.collections.find(({ name }) => name === c) ?? (c ? null : state.status.collections[0]));
  const again = !state.status || state.trouble || collection?.rows === 0;
  useEffect(() => {
    const controller = new AbortController();
    ask("api/status", { signal: controller.signal })
      .then((status) => setState({ status, trouble: null }))
      .catch((trouble) => trouble.name === "AbortError" || setState((before) => ({ ...before, trouble })));
    return () => controller.abort();
  }, [tries]);
  useEffect(() => {
    if (!again) return undefined;
    const timer = setTimeout(setTries, LOOK_AGAIN_MS, tries + 1);
    return () => clearTimeout(timer);
  }, [again, tries, state]);
  const lookAgain = useCallback(() => setTries((before) => before + 1), []);
  return { ...state, collection, lookAgain };
}

function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const follow = () => setMatches(list.matches);
    list.addEventListener("change", follow);
    return () => list.removeEventListener("change", follow);
  }, [query]);
  return matches;
}

/** Keeps the height of an element in a variable of the style sheets. */
function useHeight(name) {
  const element = useRef(null);
  useLayoutEffect(() => {
    const measure = () => document.documentElement.style.setProperty(name, `${element.current.offsetHeight}px`);
    const observer = new ResizeObserver(measure);
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [name]);
  return element;
}

export function App() {
  const { asked: written, byHistory, change, close } = useAddress();
  const { status, trouble: away, collection, lookAgain } = useStatus(written.c);
  const asked = collection ? { ...written, c: collection.name } : written;
  const ready = Boolean(collection?.rows);
  const { answer, trouble, loading, version, more, retry, isStale } = useAnswer(asked, ready, byHistory);
  const facets = useFacets(asked.c, ready, collection?.generation);
  useEffect(() => {
    if (collection && answer && answer.generation > collection.generation) lookAgain(); // another process has committed
  }, [answer]);
  const [upload, setUpload] = useState({ busy: null, trouble: null });
  const [helping, setHelping] = useState(false);
  const isSheet = useMedia("(max-width: 900px)");
  const isNarrow = useMedia("(max-width: 600px)");
  const head = useHeight("--head");
  const typing = useRef(false);

  const onWords = useCallback((q, { done }) => {
    change({ q, open: null, at: null }, { replace: typing.current });
    typing.current = !done;
  }, [change]);
  const onChange = useCallback((changes, options) => {
    typing.current = false;
    change(changes, options);
  }, [change]);

  const onFiles = async (files) => {
    if (!files.length) return;
    setUpload({ busy: files.map(({ name }) => name).join(", "), trouble: null });
    try {
      const vectors = await vectorsOf(files, asked);
      setUpload({ busy: null, trouble: null });
      onChange({ q: "", vectors, by: [], like: [], unlike: [], open: null, at: null });
    } catch (problem) {
      setUpload({ busy: null, trouble: problem });
    }
  };
  const over = useFiles(onFiles);
  useEffect(() => setUpload((before) => ({ ...before, trouble: null })), [asked.q, asked.vectors.length]);

  const hits = answer?.hits ?? [];
  const index = asked.open === null ? -1 : hits.findIndex(({ id }) => id === asked.open);
  const onOpen = useCallback((hit) => onChange({ open: hit.id, at: null }, { replace: asked.open !== null }), [onChange, asked.open]);
  const onClose = useCallback(() => {
    const tile = document.querySelector(`[data-id="${asked.open}"]`);
    close();
    setTimeout(() => (document.querySelector(`[data-id="${asked.open}"]`) ?? tile ?? document.querySelector("#words"))?.focus({ preventScroll: true }));
  }, [close, asked.open]);
  const onStep = (step, dry = false) => {
    const next = index < 0 ? null : hits[index + step];
    if (next && !dry) onChange({ open: next.id, at: null }, { replace: true });
    if (step > 0 && !dry && index > hits.length - 20) more();
    return Boolean(next);
  };

  useKeys({ open: asked.open !== null, onClose, onStep });
  useLayoutEffect(() => document.body.classList.toggle("sheet", isSheet && asked.open !== null), [isSheet, asked.open]);
  useEffect(() => {
    document.title = asked.q.trim() ? `${asked.q.trim()} · mmsearch` : "mmsearch";
  }, [asked.q]);

  const clearFilters = () => onChange({ to: [], year: null, under: null, camera: null, place: null });
  const problem = upload.trouble ?? (away && !status ? away : null) ?? trouble ?? unknownCollection(status, collection, written.c);
  const said = announced({ problem, loading, isStale, answer, ready });

  return html`
    <header class="head" ref=${head} inert=${isSheet && asked.open !== null ? true : null}>
      <div class="top">
        <a class="mark" href="." aria-label="mmsearch: start again" onClick=${(event) => {
          if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onChange({ ...NOTHING_ASKED, c: written.c });
          document.querySelector("#words").focus();
        }}><img src="static/icon.svg" alt="" width="28" height="28" /><span>mmsearch</span></a>
        <${Box} asked=${asked} onWords=${onWords} onFiles=${onFiles} onChange=${onChange} busy=${Boolean(upload.busy) || (loading && ready)} isNarrow=${isNarrow} />
        <div class="tools">
          ${status?.collections.length > 1 && html`<span class="menu"><select aria-label="Collection" value=${asked.c ?? ""}
            onChange=${(event) => onChange({ ...NOTHING_ASKED, c: event.target.value, q: asked.q })}>
            ${status.collections.map(({ name, files }) => html`<option value=${name}>${name} (${count(files)})</option>`)}
          </select></span>`}
          <button type="button" class="plain" aria-label="How to search" title="How to search" onClick=${() => setHelping(true)}><${Icon} name="help" /></button>
        </div>
      </div>
      ${(ready || !status) && html`<${Chips} asked=${asked} facets=${facets} onChange=${onChange} />`}
      <${Marks} asked=${asked} onChange=${onChange} />
    </header>
    <div class="middle">
      <main inert=${isSheet && asked.open !== null ? true : null}>
        <h1 class="unseen">Search ${collection?.name ?? ""}</h1>
        <p class="unseen" role="status">${said}</p>
        ${upload.busy && html`<${Line} icon="clock">Looking at ${upload.busy} …<//>`}
        ${problem && html`<${TroubleLine} trouble=${problem} filtered=${isFiltered(asked)} onRetry=${retry} onClearFilters=${clearFilters} home="." />`}
        ${collection && !ready && html`<${NothingIndexed} collection=${collection} />`}
        ${ready && answer && html`<${Results}
          answer=${answer} version=${version} asked=${asked} isStale=${isStale} byHistory=${byHistory} more=${more} problem=${problem}
          onOpen=${onOpen} clearFilters=${clearFilters} onChange=${onChange} />`}
        ${ready && !answer && (loading || trouble?.passes) && html`<${Waiting} />`}
      </main>
      ${asked.open !== null && ready && html`<${View} asked=${asked} request=${answer?.request ?? {}} hit=${hits[index] ?? null}
        place=${index >= 0 ? `${count(index + 1)} / ${total(answer)}` : null} local=${status.local} isSheet=${isSheet}
        onChange=${onChange} onStep=${onStep} onClose=${onClose} />`}
    </div>
    ${over && html`<div class="drop"><p><${Icon} name="image" size=${40} />Drop to search by it</p></div>`}
    ${helping && html`<${Help} onClose=${() => setHelping(false)} />`}
  `;
}

function Results({ answer, version, asked, isStale, byHistory, more, problem, onOpen, clearFilters, onChange }) {
  const { hits, complete, searched } = answer;
  const readAs = html`<${ReadAs} reading=${answer.reading} q=${asked.q} onChange=${onChange} />`;
  if (!hits.length && complete) {
    if (problem) return null;
    const filtered = isFiltered(asked);
    const read = Boolean(answer.reading?.parts.length);
    return html`${readAs}<${Empty} icon="search" title=${filtered || read ? "Nothing here with these filters" : "Nothing was found"}>
      ${read && html`<p>Take a part of the words away above.</p>`}
      ${filtered && html`<p><button type="button" class="button" onClick=${clearFilters}>Clear the filters</button></p>`}
    <//>`;
  }
  const poor = searched && isPoor(answer.level);
  const addressOf = (hit) => writeAddress({ ...asked, open: hit.id, at: null });
  return html`<div class="results ${isStale ? "stale" : ""}">
    <p class="summary">
      ${poor ? html`<strong>No good match.</strong> The nearest:` : html`<strong>${summary(answer)}</strong>`}
      ${searched && !poor && html`<span>${Math.max(1, Math.round(answer.tookMs))} ms</span>`}
    </p>
    ${readAs}
    ${answer.notices.map((notice) => html`<${Line} icon="help">${notice}<//>`)}
    <${Grid} answer=${answer} version=${version} openId=${asked.open} addressOf=${addressOf} onOpen=${onOpen} more=${more}
      query=${asked.q} restore=${byHistory ? answer.scroll : 0} />
    ${!complete && html`<p class="going-on" aria-hidden="true"><span class="spinner" /></p>`}
  </div>`;
}

const total = ({ total: all, hits, complete }) => (all !== null ? count(all) : `${count(hits.length)}${complete ? "" : "+"}`);

function summary(answer) {
  const { total: all, hits, complete, searched } = answer;
  if (!searched) return all === null ? "Everything" : `${counted(all, "file")}, newest first`;
  const good = answer.level === null ? -1 : hits.findIndex(({ level }) => isPoor(level));
  if (good >= 0) return counted(good, "good match", "good matches");
  const found = answer.level === null ? ["result", "results"] : ["good match", "good matches"];
  return complete ? counted(hits.length, ...found) : `${count(hits.length)}+ ${found[1]}`;
}

function announced({ problem, loading, isStale, answer, ready }) {
  if (problem) return problem.message;
  if (!ready || loading || isStale || !answer) return "";
  if (answer.searched && isPoor(answer.level)) return "No good match. The nearest are shown.";
  return summary(answer);
}

function unknownCollection(status, collection, name) {
  if (!status || collection) return null;
  const message = name ? `No collection is called "${name}".` : "No collection is served.";
  return Object.assign(new Error(message), { status: 404 });
}

function Waiting() {
  return html`<div class="waiting" aria-hidden="true">${Array.from({ length: 24 }, (_, i) => html`<span key=${i} />`)}</div>`;
}

// Keys that work everywhere on the page.
function useKeys(handlers) {
  const current = useRef(handlers);
  current.current = handlers;
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      const { open, onClose, onStep } = current.current;
      const writing = event.target.closest?.("input, select, textarea");
      const playing = event.target.closest?.("video, audio");
      if (event.key === "/" && !writing) {
        event.preventDefault();
        const box = document.querySelector("#words");
        box.focus();
        box.select();
      } else if (event.key === "Escape" && open && !document.fullscreenElement) {
        onClose();
      } else if (open && !writing && !playing && !event.target.closest?.(".tiles") && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
        event.preventDefault();
        onStep(event.key === "ArrowRight" ? 1 : -1);
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
