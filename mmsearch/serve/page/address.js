// The address bar holds the whole query: reading it, writing it, and following it.
import { useCallback, useEffect, useState } from "./vendor/preact.js";

/** What an address without a query says. */
export const NOTHING_ASKED = {
  c: null, q: "", by: [], vectors: [], like: [], unlike: [], to: [], year: null, under: null, camera: null, place: null,
  open: null, at: null,
};

/** The query that the part of an address behind the `?` holds. */
export function readAddress(search) {
  const given = new URLSearchParams(search);
  const ids = (name) => (given.get(name) ?? "").split(",").filter((part) => /^\d+$/.test(part)).map(Number);
  const text = (name) => given.get(name) || null;
  const at = parseFloat(given.get("at"));
  return {
    c: text("c"),
    q: given.get("q") ?? "",
    by: ids("by"),
    vectors: given.getAll("v").map(readVector).filter(Boolean),
    like: ids("like"),
    unlike: ids("unlike"),
    to: (given.get("to") ?? "").split(",").filter((kind) => KINDS.includes(kind)),
    year: /^\d{4}$/.test(given.get("year") ?? "") ? given.get("year") : null,
    under: text("under"),
    camera: text("camera"),
    place: text("place"),
    open: ids("open")[0] ?? null,
    at: Number.isFinite(at) && at >= 0 ? at : null,
  };
}

export const KINDS = ["image", "video", "audio", "text"];

/** The address of a query, relative to the page. */
export function writeAddress(asked) {
  const out = new URLSearchParams();
  const put = (name, value) => value !== null && value !== "" && out.set(name, value);
  put("c", asked.c);
  put("q", asked.q.trim());
  put("by", asked.by.join(","));
  put("like", asked.like.join(","));
  put("unlike", asked.unlike.join(","));
  put("to", asked.to.join(","));
  put("year", asked.year);
  put("under", asked.under);
  put("camera", asked.camera);
  put("place", asked.place);
  asked.vectors.forEach((vector) => out.append("v", writeVector(vector)));
  put("open", asked.open);
  put("at", asked.at);
  const text = out.toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%7E", "~");
  return text ? `?${text}` : ".";
}

// A dropped file is kept as the vector that was made of it: "image~SPACE~cat.jpg~BASE64URL".
function writeVector({ modality, space, name, vector }) {
  const data = vector.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return [modality ?? "", space, (name ?? "").replaceAll("~", "-"), data].join("~");
}

function readVector(text) {
  const [modality, space, name, data] = text.split("~");
  if (!space || !/^[\w-]+$/.test(data ?? "")) return null;
  const vector = data.replaceAll("-", "+").replaceAll("_", "/");
  return { modality: modality || null, space, name, vector: vector + "=".repeat(-vector.length & 3) };
}

/** Whether anything is asked, as opposed to a list of everything. */
export function asksSomething({ q, by, vectors, like }) {
  return Boolean(q.trim() || by.length || vectors.length || like.length);
}

/** Whether only part of the collection may answer. */
export function isFiltered({ to, year, under, camera, place }) {
  return Boolean(to.length || year || under || camera || place);
}

/** The query in the address bar, and a function that changes parts of it. */
export function useAddress() {
  const [state, setState] = useState(() => ({ asked: readAddress(location.search), byHistory: true }));

  useEffect(() => {
    history.scrollRestoration = "manual";
    const follow = () => setState({ asked: readAddress(location.search), byHistory: true });
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);

  const change = useCallback((changes, { replace = false } = {}) => {
    const before = readAddress(location.search);
    const asked = { ...before, ...changes };
    const address = writeAddress(asked);
    if (address === writeAddress(before)) return;
    // Closing the side view goes back to where it was opened, so that "back" does not open it once more.
    const openedHere = asked.open !== null && (replace ? history.state?.openedHere : before.open === null);
    history[replace ? "replaceState" : "pushState"]({ openedHere }, "", address);
    setState({ asked, byHistory: false });
  }, []);

  const close = useCallback(() => {
    if (history.state?.openedHere) history.back();
    else change({ open: null, at: null }, { replace: true });
  }, [change]);

  return { ...state, change, close };
}
