// Symbols, drawn as outlines on a grid of 24.
import { html } from "./vendor/preact.js";

const PATHS = {
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14Zm5 12 4.5 4.5",
  image: "M5 4h14a1.5 1.5 0 0 1 1.5 1.5v13A1.5 1.5 0 0 1 19 20H5a1.5 1.5 0 0 1-1.5-1.5v-13A1.5 1.5 0 0 1 5 4Zm-1 13 4.5-4.5 3 3 4-5L20.5 15M8.5 7.6a1.1 1.1 0 1 1 0 2.2 1.1 1.1 0 0 1 0-2.2Z",
  video: "M5 5h14a1.5 1.5 0 0 1 1.5 1.5v11A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5v-11A1.5 1.5 0 0 1 5 5Zm5 4 5.5 3-5.5 3V9Z",
  audio: "M4 10v4m4-7v10m4-13v16m4-12v8m4-5v2",
  text: "M6.5 3.5H14L18.5 8v12.5h-12v-17ZM14 3.5V8h4.5M9.5 12.5h6m-6 3.5h4",
  close: "m6 6 12 12M18 6 6 18",
  previous: "m14.5 6-6 6 6 6",
  next: "m9.5 6 6 6-6 6",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  more: "M7 11v9H4v-9h3Zm0 8.2 1.6.6c.6.2 1.2.2 1.9.2h5.1c1.1 0 2-.7 2.3-1.8l1.5-5.3A1.5 1.5 0 0 0 18 11h-4.5l.9-4.3A2 2 0 0 0 12.5 4L9 10.2l-2 1.3",
  less: "M7 13V4H4v9h3Zm0-8.2 1.6-.6c.6-.2 1.2-.2 1.9-.2h5.1c1.1 0 2 .7 2.3 1.8l1.5 5.3A1.5 1.5 0 0 1 18 13h-4.5l.9 4.3a2 2 0 0 1-1.9 2.7L9 13.8l-2-1.3",
  download: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14",
  copy: "M9 8.5h9a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V9.500a1 1 0 0 1 1-1ZM5.500 15.500H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1v.5",
  folder: "M3.5 7A1.500 1.500 0 0 1 5 5.500h4l2 2.500h8A1.500 1.500 0 0 1 20.500 9.500V17.500A1.500 1.500 0 0 1 19 19H5a1.500 1.500 0 0 1-1.500-1.500V7Z",
  similar: "M4 4h7v7H4V4Zm9 9h7v7h-7v-7Zm3.500-9a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7ZM7.500 13a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7Z",
  help: "M9 9a3 3 0 1 1 4.500 2.600c-.9.500-1.500 1.100-1.500 2.100m0 3.100v.1",
  check: "m5 12.500 4.500 4.500L19 7",
  warning: "M12 4 21 19.500H3L12 4Zm0 6v4.500m0 2.500v.1",
  expand: "M9 4H4v5m11-5h5v5M9 20H4v-5m11 5h5v-5",
  clock: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16Zm0 4v4.500l3 2",
  camera: "M4.500 7.500H8L9.500 5h5L16 7.500h3.500a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V8.500a1 1 0 0 1 1-1ZM12 10a3.200 3.200 0 1 1 0 6.400A3.200 3.200 0 0 1 12 10Z",
  play: "M8.500 5.500v13l10.500-6.500-10.500-6.500Z",
};

/** A symbol beside words, or in a button that has a label; it says nothing by itself. */
export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}
