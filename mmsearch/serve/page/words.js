// Words in the box, and words on the page: numbers, times, dates and places as people read them.

/** `beach -people -"red car"` → what to look for, and what not to. */
export function parseWords(text) {
  const minus = [];
  const words = text
    .replace(/(^|\s)-(?:"([^"]+)"|([^\s"-][^\s]*))/g, (_, before, quoted, word) => {
      minus.push(quoted ?? word);
      return before;
    })
    .replace(/\s+/g, " ")
    .trim();
  return { words, minus };
}

/** 83.4 → `1:23`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${padded(m)}:${padded(s)}` : `${m}:${padded(s)}`;
}

/** Where a hit is in its file: `1:23–1:31`, `page 3`, `row 12`; empty for the whole of it and for passages. */
export function spanWords(span) {
  if (!span) return "";
  if ("start_s" in span) return `${clock(span.start_s)}–${clock(span.end_s)}`;
  if ("start_page" in span) return `page ${span.start_page + 1}`;
  if ("start_row" in span) return `row ${span.start_row + 1}`;
  return "";
}

/** The page of a PDF that a hit is, from 1; null for other hits. */
export function pdfPage({ path, span }) {
  return span && "start_page" in span && path.toLowerCase().endsWith(".pdf") ? span.start_page + 1 : null;
}

const number = new Intl.NumberFormat();
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const count = (n) => number.format(n);

/** `1 picture`, `2 pictures`. */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A number of bytes: `812 B`, `3.4 MB`. */
export function sized(bytes) {
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= factor) return `${(bytes / factor).toFixed(bytes < 10 * factor ? 1 : 0)} ${unit}`;
  }
  return `${bytes} B`;
}

/** `2023-05-17T14:30:00` as the reader's language has it. */
export function dated(iso) {
  const when = new Date(iso);
  return Number.isNaN(when.valueOf()) ? iso : date.format(when);
}

export const nameOf = (path) => path.split(/[\\/]/).at(-1) || path;
export const folderOf = (path) => path.slice(0, Math.max(0, path.length - nameOf(path).length - 1));

export const KIND_WORDS = {
  image: ["picture", "pictures"], video: ["film", "films"], audio: ["sound", "sounds"], text: ["text", "texts"],
};

export const kindWord = (kind, n = 1) => KIND_WORDS[kind]?.[n === 1 ? 0 : 1] ?? kind;

const COMMON = new Set("an and are as at by for from in is it not of on or the to was were with".split(" "));

/** The parts of a text that are words of the query: `[["a ", false], ["dog", true]]`. */
export function marked(text, query) {
  const words = parseWords(query).words.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? [];
  const wanted = [...new Set(words)].filter((word) => !COMMON.has(word));
  if (!wanted.length) return [[text, false]];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(${wanted.join("|")})(?![\\p{L}\\p{N}])`, "giu");
  return text.split(pattern).map((part, i) => [part, i % 2 === 1]).filter(([part]) => part);
}

/** A text that begins shortly before the first word of the query, for a small tile. */
export function excerpt(text, query) {
  const flat = text.replace(/\s+/g, " ").trim();
  const parts = marked(flat, query);
  const before = parts.length > 1 && !parts[0][1] ? parts[0][0].length : 0;
  if (before < 120) return flat;
  const start = flat.lastIndexOf(" ", before - 60) + 1;
  return `… ${flat.slice(start)}`;
}

const LEVEL_WORDS = {
  strong: ["Strong match", "most likely what was asked for"],
  likely: ["Likely match", "probably what was asked for"],
  weak: ["Weak match", "perhaps what was asked for"],
  nothing: ["No match", "most likely not what was asked for"],
};

/** A level as a title and what it means; null where nothing was measured. */
export function levelWords(level) {
  return LEVEL_WORDS[level] ?? ["Match not rated", "nothing was measured for this model and this kind of query"];
}

export const isPoor = (level) => level === "weak" || level === "nothing";
