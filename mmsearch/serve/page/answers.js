// Answers to queries: asked page by page as one scrolls, kept for the way back.
import { useCallback, useEffect, useRef, useState } from "./vendor/preact.js";
import { asksSomething } from "./address.js";
import { ask } from "./server.js";
import { parseWords } from "./words.js";

const FIRST_PAGE = 80;
const LATER_PAGES = 250;
const [MOST_KEPT, MOST_KEPT_HITS] = [12, 120_000];
const LONGEST_WAIT_S = 8;

/** What the collection is asked: the body of a search, or the parameters of a list if no words or examples are given. */
export function requestOf(asked) {
  const { words, minus } = parseWords(asked.q);
  const terms = [
    ...asked.by.map((id) => ({ id })),
    ...asked.vectors,
  ];
  const searching = words || terms.length || asked.like.length;
  return {
    ...(asked.c ? { c: asked.c } : {}),
    ...(searching && words ? { line: words } : {}),
    ...(searching ? { terms, minus, like: asked.like, unlike: asked.unlike } : {}),
    ...filtersOf(asked),
  };
}

/** The filters of a query, as the server takes them. */
export function filtersOf({ to, year, under, camera, place }) {
  return {
    ...(to.length ? { to } : {}),
    ...(year ? { after: year, before: String(Number(year) + 1) } : {}),
    ...(under ? { under } : {}),
    ...(place ? { place } : {}),
    ...(camera ? { where: `camera = ${JSON.stringify(camera)}` } : {}),
  };
}

/** A message for a query that cannot be asked, or null. */
export function whyNotAsked(asked) {
  const { words, minus } = parseWords(asked.q);
  if (minus.length && !words && !asksSomething({ ...asked, q: "" })) {
    return "Say what to look for too: words with a minus only push away.";
  }
  return null;
}

async function fetchPage(request, cursor, k, signal) {
  const page = { k, ...(cursor ? { cursor } : {}) };
  if (request.terms) return ask("api/search", { json: { ...request, ...page }, signal });
  const { items, ...rest } = await ask("api/items", { parameters: { ...request, ...page }, signal });
  return { ...rest, hits: items };
}

/** All that is known of the answer to one query; it grows. */
class Answer {
  constructor(key, request) {
    Object.assign(this, { key, request, hits: [], cursor: null, complete: false, scroll: 0, ids: new Set() });
    Object.assign(this, { level: null, notices: [], reading: null, tookMs: 0, total: null, generation: null });
  }

  add(page) {
    if (!this.ids.size) {
      this.level = page.level ?? null;
      this.notices = page.notices ?? [];
      this.reading = page.reading ?? null;
      this.tookMs = Object.values(page.took_ms ?? {}).reduce((sum, ms) => sum + ms, 0);
      this.total = page.total ?? null;
      this.generation = page.generation;
    }
    for (const hit of page.hits) {
      if (this.ids.has(hit.id)) continue; // another process has committed between two pages
      this.ids.add(hit.id);
      this.hits.push(hit);
    }
    this.cursor = page.cursor;
    this.complete = !page.cursor;
  }

  get searched() {
    return Boolean(this.request.terms);
  }
}

/**
 * The answer to a query, and what goes on with it.
 *
 * `answer` stays the one before until the new one is there; `version` counts its changes. A server that is busy or away
 * is asked again by itself. What was answered before is shown again on the way back and forth (`byHistory`), and else
 * asked anew: the collection may have changed.
 */
export function useAnswer(asked, ready, byHistory) {
  const [state, setState] = useState({ answer: null, trouble: null, loading: true, version: 0 });
  const kept = useRef(new Map());
  const request = requestOf(asked);
  const refused = whyNotAsked(asked);
  const key = `${refused ?? ""} ${JSON.stringify(request)}`;
  const current = useRef(key);
  current.current = key;
  const running = useRef(null);

  const load = useCallback((answer, k) => {
    const controller = new AbortController();
    running.current = controller;
    const attempt = async (tries) => {
      try {
        answer.add(await fetchPage(answer.request, answer.cursor, k, controller.signal));
        keep(kept.current, answer);
        if (current.current !== answer.key) return;
        running.current = null;
        setState(({ version }) => ({ answer, trouble: null, loading: false, version: version + 1 }));
      } catch (error) {
        if (controller.signal.aborted) return;
        setState((before) => ({ ...before, trouble: error, loading: false, version: before.version + 1 }));
        if (!error.passes) return;
        const wait = Math.min(LONGEST_WAIT_S, error.retryAfter ?? 2 ** tries);
        await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
        if (!controller.signal.aborted) attempt(tries + 1);
      }
    };
    attempt(0);
  }, []);

  useEffect(() => {
    if (!ready) return undefined;
    const known = byHistory ? kept.current.get(key) : undefined;
    if (known) {
      setState(({ version }) => ({ answer: known, trouble: null, loading: false, version: version + 1 }));
    } else if (refused) {
      const trouble = Object.assign(new Error(refused), { isHint: true });
      setState(({ version }) => ({ answer: null, trouble, loading: false, version: version + 1 }));
    } else {
      setState((before) => ({ ...before, trouble: null, loading: true }));
      load(new Answer(key, request), FIRST_PAGE);
    }
    return () => {
      running.current?.abort();
      running.current = null;
    };
  }, [key, ready]);

  const more = useCallback(() => {
    const { answer } = state;
    if (answer && !answer.complete && !running.current && answer.key === current.current) load(answer, LATER_PAGES);
  }, [state.answer]);

  const retry = useCallback(() => {
    running.current?.abort();
    const { answer } = state;
    setState((before) => ({ ...before, trouble: null, loading: true }));
    if (answer?.key === current.current) load(answer, LATER_PAGES);
    else load(new Answer(current.current, request), FIRST_PAGE);
  }, [state.answer, key]);

  return { ...state, more, retry, isStale: state.answer !== null && state.answer.key !== key };
}

function keep(kept, answer) {
  kept.delete(answer.key);
  kept.set(answer.key, answer);
  const hits = () => [...kept.values()].reduce((sum, one) => sum + one.hits.length, 0);
  while (kept.size > 1 && (kept.size > MOST_KEPT || hits() > MOST_KEPT_HITS)) kept.delete(kept.keys().next().value);
}

/** What is kept of the files that were dropped: a small picture of each, for as long as the tab lives. */
const previews = {
  key: ({ vector }) => `preview ${vector.slice(0, 48)}`,
  get: (vector) => sessionStorage.getItem(previews.key(vector)),
  set(vector, data) {
    try {
      sessionStorage.setItem(previews.key(vector), data);
    } catch {
      // Full or forbidden: the name of the file stands alone then.
    }
  },
};

export const previewOf = previews.get;

/** Turn files into vectors that a query can hold. */
export async function vectorsOf(files, asked, signal) {
  const form = new FormData();
  const terms = files.map((_, i) => ({ file: `file${i}` }));
  form.append("query", JSON.stringify({ ...(asked.c ? { c: asked.c } : {}), terms, k: 1 }));
  files.forEach((file, i) => form.append(`file${i}`, file, file.name || "pasted"));
  const answer = await ask("api/search", { form, signal });
  const vectors = answer.asked.terms.filter((term) => term.vector);
  await Promise.all(vectors.map(async (vector, i) => {
    const data = await smallPicture(files[i]);
    if (data) previews.set(vector, data);
  }));
  return vectors.map(({ modality, space, name, vector }) => ({ modality, space, name, vector }));
}

async function smallPicture(file) {
  if (!file?.type.startsWith("image/")) return null;
  try {
    const picture = await createImageBitmap(file);
    const side = 72;
    const cut = Math.min(picture.width, picture.height);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const [x, y] = [(picture.width - cut) / 2, (picture.height - cut) / 2];
    canvas.getContext("2d").drawImage(picture, x, y, cut, cut, 0, 0, side, side);
    return canvas.toDataURL("image/webp", 0.8);
  } catch {
    return null; // a format that the browser cannot draw, such as HEIC
  }
}
