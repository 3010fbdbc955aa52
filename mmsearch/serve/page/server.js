// Requests to the server, and what can go wrong with them.

/** A request that had no answer, or an answer that is an error. */
export class Trouble extends Error {
  constructor(message, { status = 0, kind = "", retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { status, kind, retryAfter });
  }

  /** The server may answer if it is asked again. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

/** An address of the server, wherever the page is mounted. */
export function address(path, parameters = {}) {
  const given = Object.entries(parameters)
    .flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]));
  const query = new URLSearchParams(given).toString();
  return new URL(query ? `${path}?${query}` : path, document.baseURI).href;
}

/** The JSON that the server answers with. */
export async function ask(path, { parameters, json, form, signal } = {}) {
  const options = { signal };
  if (json || form) options.method = "POST";
  if (json) Object.assign(options, { body: JSON.stringify(json), headers: { "Content-Type": "application/json" } });
  if (form) options.body = form;
  let response;
  try {
    response = await fetch(address(path, parameters), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The server does not answer. It may have been stopped.");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new Trouble(body?.error?.message ?? `The server answered with an error (${response.status}).`, {
    status: response.status,
    kind: body?.error?.kind ?? "",
    retryAfter: Number(response.headers.get("Retry-After")) || null,
  });
}

/** Tell the server to do something that has no answer. */
export function tell(path, parameters) {
  return ask(path, { parameters, json: {} });
}

const THUMB_SIDES = [160, 320, 640, 1280];

/** The address of a small picture whose longer side is about so many pixels of the page. */
export function thumb(c, id, side) {
  const needed = side * Math.min(devicePixelRatio || 1, 2);
  return address(`thumb/${id}`, { c, w: THUMB_SIDES.find((one) => one >= needed * 0.9) ?? THUMB_SIDES.at(-1) });
}
