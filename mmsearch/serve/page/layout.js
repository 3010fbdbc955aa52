// Where each tile of the grid lies: rows of one height whose tiles fill the width. Rows are only ever added at the
// end, so nothing that is on the screen moves when more results come.
import { isPoor } from "./words.js";

const HEADING = 44;
const [NARROWEST, WIDEST] = [0.62, 2.4];
const CARD = 1.4; // texts and sounds

export class Layout {
  /** An empty layout for a width, with rows of about `rowHeight`, in pixels. */
  constructor(width, rowHeight, gap) {
    Object.assign(this, { width, rowHeight, gap, tiles: [], rows: [], headings: [], height: 0 });
    this.pending = []; // aspect ratios of tiles that do not fill a row yet
    this.good = false;
  }

  /** Lay out those of `hits` that are not laid out yet. What does not fill a row waits, unless there are no more. */
  extend(hits, complete) {
    for (let i = this.tiles.length + this.pending.length; i < hits.length; i++) {
      const poor = isPoor(hits[i].level);
      if (poor && this.good) this.startPoor(i);
      if (!poor) this.good = true;
      this.pending.push(aspect(hits[i]));
      if (this.pendingWidth(this.rowHeight) >= this.width) this.closeRow(true);
    }
    if (complete) this.closeRow(false);
    return this;
  }

  startPoor(index) {
    this.closeRow(false);
    if (!this.headings.length) {
      this.headings.push({ top: this.height, before: index });
      this.height += HEADING;
    }
    this.good = false;
  }

  pendingWidth(height) {
    return this.pending.reduce((sum, ratio) => sum + ratio * height, (this.pending.length - 1) * this.gap);
  }

  closeRow(full) {
    const { pending, gap } = this;
    if (!pending.length) return;
    const ratios = pending.reduce((sum, ratio) => sum + ratio, 0);
    const filling = (this.width - (pending.length - 1) * gap) / ratios;
    const height = Math.round(full ? filling : Math.min(filling, this.rowHeight));
    const row = { top: this.height, height, first: this.tiles.length, last: this.tiles.length + pending.length };
    let left = 0;
    pending.forEach((ratio, i) => {
      const end = full && i === pending.length - 1;
      const width = end ? this.width - left : Math.round(ratio * (full ? filling : height));
      this.tiles.push({ left, top: row.top, width, height });
      left += width + gap;
    });
    this.rows.push(row);
    this.height += height + gap;
    this.pending = [];
  }

  /** The first row that ends below `y`. */
  rowAt(y) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].top + this.rows[middle].height <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Indexes `[first, last)` of the tiles that lie between two heights. */
  between(top, bottom) {
    const [from, to] = [this.rowAt(top), this.rowAt(bottom)];
    const last = this.rows[Math.min(to, this.rows.length - 1)]?.last ?? 0;
    return [this.rows[from]?.first ?? this.tiles.length, last];
  }

  /** The tile that an arrow key leads to from tile `index`. */
  neighbour(index, key) {
    const end = this.tiles.length - 1;
    if (key === "ArrowLeft") return Math.max(0, index - 1);
    if (key === "ArrowRight") return Math.min(end, index + 1);
    if (key === "Home") return 0;
    if (key === "End") return end;
    const { left, width, top } = this.tiles[index];
    const row = this.rows[this.rowAt(top) + (key === "ArrowDown" ? 1 : -1)];
    if (!row) return index;
    const middle = left + width / 2;
    let best = row.first;
    for (let i = row.first; i < row.last; i++) {
      if (this.tiles[i].left <= middle) best = i;
    }
    return best;
  }
}

function aspect({ modality, width, height }) {
  if (modality === "text" || modality === "audio" || !width || !height) return CARD;
  return Math.min(WIDEST, Math.max(NARROWEST, width / height));
}

/** The height of rows and the gap between tiles, for a width of the grid. */
export function measures(width) {
  if (width < 520) return { rowHeight: 132, gap: 4 };
  if (width < 1000) return { rowHeight: 168, gap: 6 };
  if (width < 1800) return { rowHeight: 200, gap: 8 };
  return { rowHeight: 236, gap: 8 };
}
