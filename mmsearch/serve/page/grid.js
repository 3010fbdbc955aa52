// The grid of results. Only the tiles near the screen are in the document, however many results there are.
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { Layout, measures } from "./layout.js";
import { Tile } from "./tile.js";

const BEYOND = 600; // pixels above and below the screen that are ready
const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

/**
 * Results as a list of links.
 *
 * `answer` is what is shown and `version` counts its changes; `openId` is the result in the side view; `more` asks for
 * the next page; `restore` is a scroll position to begin at.
 */
export function Grid({ answer, version, openId, addressOf, onOpen, more, query, restore }) {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  const layout = useMemo(() => {
    const { rowHeight, gap } = measures(width);
    return width ? new Layout(width, rowHeight, gap) : null;
  }, [width, answer]);
  layout?.extend(answer.hits, answer.complete);

  const [range, setRange] = useState([0, 0]);
  const [active, setActive] = useState(0);
  const focusNext = useRef(false);
  const anchor = useRef(null);

  const place = useCallback(() => {
    if (!layout) return;
    const top = -box.current.getBoundingClientRect().top;
    const seen = layout.between(top - BEYOND, top + innerHeight + BEYOND);
    setRange((before) => (before[0] === seen[0] && before[1] === seen[1] ? before : seen));
    if (top + 3 * innerHeight > layout.height) more();
  }, [layout, more]);

  // The width decides on the layout. The tile that was looked at stays where it is on the screen.
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const now = Math.floor(entry.contentRect.width);
      setWidth((before) => {
        if (before && before !== now) anchor.current = anchor.current ?? anchorOf(box.current, openId);
        return now;
      });
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [openId]);

  useLayoutEffect(() => {
    const tile = layout?.tiles[anchor.current?.index];
    if (tile) scrollTo(0, scrollY + box.current.getBoundingClientRect().top + tile.top - anchor.current.y);
    anchor.current = null;
    place();
  }, [layout]);

  useLayoutEffect(() => {
    setActive(Math.max(0, openId === null ? 0 : answer.hits.findIndex((hit) => hit.id === openId)));
    scrollTo(0, restore);
    place();
  }, [answer]);

  useLayoutEffect(place, [version]);

  useEffect(() => {
    let frame = 0;
    const soon = () => {
      answer.scroll = scrollY;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        place();
      });
    };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [answer, place]);

  // The result in the side view is kept in sight while one goes from one to the next.
  useLayoutEffect(() => {
    const index = openId === null ? -1 : answer.hits.findIndex((hit) => hit.id === openId);
    if (index >= 0) {
      setActive(index);
      if (layout) scrollToTile(box.current, layout.tiles[index]);
    }
  }, [openId]);

  useLayoutEffect(() => {
    if (!focusNext.current) return;
    focusNext.current = false;
    box.current.querySelector(`[data-index="${active}"]`)?.focus({ preventScroll: true });
  });

  const onKeyDown = (event) => {
    if (!KEYS.has(event.key) || event.ctrlKey || event.metaKey || event.altKey || !layout?.tiles.length) return;
    event.preventDefault();
    const next = layout.neighbour(active, event.key);
    if (next === active && event.key === "ArrowUp") {
      document.querySelector("#words").focus();
      return;
    }
    focusNext.current = true;
    setActive(next);
    scrollToTile(box.current, layout.tiles[next]);
    place();
  };

  const shown = [];
  for (let i = range[0]; i < Math.min(range[1], layout?.tiles.length ?? 0); i++) shown.push(i);
  if (layout?.tiles[active] && !(active >= range[0] && active < range[1])) shown.push(active);
  const inTabOrder = shown.includes(active) ? active : shown[0];

  return html`<div class="grid" ref=${box}>
    <div class="headings">
      ${layout?.headings.map(({ top }) => html`<p class="heading" style=${{ top: `${top}px` }}>Less likely</p>`)}
    </div>
    <ul class="tiles" aria-label="Results" style=${{ height: `${layout?.height ?? 0}px` }} onKeyDown=${onKeyDown}>
      ${shown.map((i) => {
        const hit = answer.hits[i];
        return html`<${Tile}
          key=${hit.id} hit=${hit} index=${i} count=${answer.complete ? answer.hits.length : -1}
          place=${layout.tiles[i]} c=${answer.request.c} query=${query} isOpen=${hit.id === openId}
          inTabOrder=${i === inTabOrder} address=${addressOf(hit)} onOpen=${onOpen} onFocus=${setActive} />`;
      })}
    </ul>
  </div>`;
}

// The open result if it is on the screen, else the first tile that is: its index, and where it is.
function anchorOf(box, openId) {
  const tiles = [...box.querySelectorAll("[data-index]")]
    .map((link) => ({ index: Number(link.dataset.index), id: Number(link.dataset.id), at: link.getBoundingClientRect() }))
    .filter(({ at }) => at.bottom > 80 && at.top < innerHeight)
    .sort((a, b) => a.index - b.index);
  const found = tiles.find(({ id }) => id === openId) ?? (scrollY > 0 ? tiles[0] : null);
  return found ? { index: found.index, y: found.at.top } : null;
}

function scrollToTile(box, tile) {
  if (!tile) return;
  const top = box.getBoundingClientRect().top + tile.top;
  const above = document.querySelector(".head")?.getBoundingClientRect().bottom ?? 0;
  if (top < above + 8) scrollBy(0, top - above - 8);
  else if (top + tile.height > innerHeight - 8) scrollBy(0, top + tile.height - innerHeight + 8);
}
