/** Previews a video in its card: the pointer's position across the picture selects a tile of the storyboard. */
import type { AssetView } from "../shared/types.js";

interface Tile {
  sheet: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const HOVER = 150; // Milliseconds: a shorter hover loads nothing.
const TILE = /^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;

/** Serves all cards within one element. Only the pointer moves the picture. */
export class Preview {
  private card: HTMLElement | null = null;
  private canvas: HTMLCanvasElement | null = null;
  private tiles: Tile[] = [];
  private readonly sheets = new Map<string, HTMLImageElement>(); // of the current card
  private timer = 0;
  private part = 0; // position of the pointer across the picture, from 0 to 1

  /** `assetOf`: the asset of a row. */
  constructor(private readonly assetOf: (row: string) => AssetView | undefined) {}

  moved(event: PointerEvent): void {
    if (event.pointerType !== "mouse") return;
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
    const picture = card?.querySelector<HTMLElement>(".asset-picture");
    const { left = 0, width = 0, bottom = 0 } = picture?.getBoundingClientRect() ?? {};
    const isOver = card && picture && event.clientX >= left && event.clientX <= left + width && event.clientY <= bottom;
    if (!isOver) return this.stop();
    this.part = Math.min(0.999, (event.clientX - left) / width);
    if (card !== this.card) this.begin(card, picture);
    this.draw();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.canvas?.remove();
    [this.card, this.canvas, this.tiles] = [null, null, []];
    this.sheets.clear();
  }

  private begin(card: HTMLElement, picture: HTMLElement): void {
    this.stop();
    this.card = card;
    const storyboard = this.assetOf(card.dataset["row"] ?? "")?.storyboard;
    if (storyboard) this.timer = window.setTimeout(() => void this.load(storyboard, card, picture), HOVER);
  }

  private async load(storyboard: string, card: HTMLElement, picture: HTMLElement): Promise<void> {
    const answer = await fetch(storyboard).catch(() => null); // without a storyboard, the poster stays
    const text = answer?.ok ? await answer.text() : "";
    if (this.card !== card || !card.isConnected) return;
    this.tiles = [...text.matchAll(TILE)].map(([, sheet, ...at]) => {
      const [x, y, width, height] = at.map(Number) as [number, number, number, number];
      return { sheet: new URL(sheet!, answer?.url).href, x, y, width, height };
    });
    this.canvas = document.createElement("canvas");
    this.canvas.ariaHidden = "true";
    this.canvas.hidden = true;
    picture.append(this.canvas);
    this.draw();
  }

  private draw(): void {
    const tile = this.tiles[Math.floor(this.part * this.tiles.length)];
    const { canvas } = this;
    if (!tile || !canvas) return;
    const sheet = this.sheet(tile.sheet);
    if (!sheet.complete || !sheet.naturalWidth) return; // it is drawn once it has loaded
    Object.assign(canvas, { width: tile.width, height: tile.height, hidden: false });
    canvas.getContext("2d")?.drawImage(sheet, tile.x, tile.y, tile.width, tile.height, 0, 0, tile.width, tile.height);
  }

  private sheet(url: string): HTMLImageElement {
    const known = this.sheets.get(url);
    if (known) return known;
    const image = new Image();
    image.addEventListener("load", () => this.draw());
    image.src = url;
    this.sheets.set(url, image);
    return image;
  }
}
