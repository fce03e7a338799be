/** The library page: videos, folders, search and actions. */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { Element } from "../shared/element.js";
import { icon } from "../shared/icons.js";
import { MOVED, navigate } from "../shared/router.js";
import { session } from "../shared/session.js";
import type { Problem } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { Actions } from "./actions.js";
import { folders, path, placeName } from "./breadcrumbs.js";
import "./confirm.js";
import type { Confirm } from "./confirm.js";
import { empty, nothingFound } from "./empty.js";
import { keepLive } from "./live.js";
import { Listing, PAGE, type Row } from "./listing.js";
import "./menu.js";
import type { Menu } from "./menu.js";
import { addressOf, isFlat, type Query, queryOf, remember, type Sort, type View, viewOf } from "./query.js";
import "./rows.js";
import type { Rows } from "./rows.js";
import { Position } from "./scroll.js";
import { preloadOnHover, preloadOnPress } from "./preload.js";
import { Preview } from "./preview.js";
import "../sharing/dialog.js";
import type { ShareDialog } from "../sharing/dialog.js";
import { toolbar } from "./toolbar.js";

const said = texts.libraryPage;
const TYPING = 50; // Milliseconds. Keys within twice this time lead to one request; a single key leads to one at once.
const AHEAD = "1500px 0px"; // The next page is requested this far below the window.
const COMING = html`<div class="assets" aria-hidden="true">
  ${Array.from({ length: 12 }, () => html`<div class="asset is-coming"><div class="asset-picture"></div></div>`)}
</div>`; // placeholders until the first answer

class Library extends Element {
  static override properties = { query: { state: true } };
  declare query: Query;
  private readonly listing = new Listing(() => this.requestUpdate());
  private readonly actions = new Actions(
    this.listing,
    () => this.querySelector<Confirm>("mam-confirm")!,
    () => this.querySelector<ShareDialog>("mam-share-dialog")!,
  );
  private readonly position = new Position(this);
  private readonly preview = new Preview((id) => this.rowOf(id)?.asset);
  private readonly end = new IntersectionObserver(([entry]) => entry?.isIntersecting && void this.listing.more(), {
    rootMargin: AHEAD,
  });
  private typing = 0;
  private typedAt = 0;
  private words: string | null = null; // the search field, if it differs from the address
  private chunks: Row[][] = [];
  private chunked: readonly Row[] = [];

  constructor() {
    super();
    this.query = queryOf(location.search);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(window, MOVED, () => this.moved());
    this.on(document, "keydown", (event) => this.pressed(event as KeyboardEvent));
    this.on(this, "click", (event) => this.clicked(event as MouseEvent));
    this.on(this, "pointerdown", (event) => this.pressedLink(event as MouseEvent));
    this.on(this, "pointermove", (event) => this.preview.moved(event as PointerEvent));
    this.on(this, "pointerleave", () => this.preview.stop());
    for (const kind of ["pointerover", "focusin"]) this.on(this, kind, preloadOnHover);
    const width = new ResizeObserver(() => this.resized());
    width.observe(this);
    this.cleanUp(() => width.disconnect());
    this.cleanUp(() => this.end.disconnect());
    this.cleanUp(keepLive(this.listing, () => this.query.state !== ""));
    this.cleanUp(() => this.listing.stop());
    this.cleanUp(() => (document.title = texts.name));
    void this.ask();
  }

  private async ask(): Promise<void> {
    await this.listing.show(this.query);
    await this.updateComplete;
    this.position.returned();
  }

  private moved(): void {
    if (location.pathname !== "/") return;
    const [before, now] = [this.query, queryOf(location.search)];
    if (addressOf(before) === addressOf(now)) return;
    this.query = now;
    if (this.words?.trim() !== now.q) this.words = null;
    const isSame = addressOf({ ...before, view: null }) === addressOf({ ...now, view: null });
    if (isSame) return;
    clearTimeout(this.typing);
    if (before.bucket !== now.bucket || before.folder !== now.folder) {
      scrollTo(0, 0);
      void this.updateComplete.then(() => this.querySelector("h1")?.focus({ preventScroll: true }));
    }
    void this.ask();
  }

  /** Changes the query and the address. Further typing replaces the history entry, so one step back leaves the search. */
  private go(change: Partial<Query>, { replace = false } = {}): void {
    this.position.leave();
    navigate(addressOf({ ...this.query, ...change }), { replace });
  }

  private typed(words: string): void {
    const ask = () => this.go({ q: words }, { replace: this.query.q !== "" && words !== "" });
    const isFirst = performance.now() - this.typedAt > 2 * TYPING;
    clearTimeout(this.typing);
    this.words = words;
    this.typedAt = performance.now();
    if (isFirst) ask();
    else this.typing = window.setTimeout(ask, TYPING);
  }

  private pressed(event: KeyboardEvent): void {
    const field = this.querySelector<HTMLInputElement>("#search");
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey || !field) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    field.focus();
    field.select();
  }

  private clicked(event: MouseEvent): void {
    const target = event.target as HTMLElement;
    const button = target.closest<HTMLElement>("[data-menu]");
    if (!button) {
      if (target.closest("a")) this.position.leave();
      return this.pressedLink(event);
    }
    const row = this.rowOf(button.dataset["menu"]);
    const menu = this.querySelector<Menu>("mam-menu");
    if (row) void menu?.toggle(button, said.actions(row.asset.title), this.actions.of(row));
  }

  private pressedLink(event: MouseEvent): void {
    const link = (event.target as HTMLElement).closest<HTMLElement>("a[data-id]");
    const row = link && this.rowOf(link.dataset["id"]);
    if (row) preloadOnPress(event, row.asset.bucket, row.asset.key);
  }

  private rowOf(id: string | undefined): Row | undefined {
    return this.listing.rows.find((row) => row.id === id);
  }

  private chooseView(view: View): void {
    remember(view);
    this.go({ view }, { replace: true });
  }

  private resized(): void {
    const all = [...this.querySelectorAll<Rows>("mam-rows")];
    const drawn = all.find((rows) => rows.isDrawn && rows.rows.length === PAGE);
    if (drawn) for (const rows of all) rows.resized(drawn.offsetHeight);
  }

  protected override willUpdate(): void {
    this.position.willUpdate();
    if (this.chunked === this.listing.rows) return;
    this.chunked = this.listing.rows;
    const starts = Array.from({ length: Math.ceil(this.chunked.length / PAGE) }, (_, chunk) => chunk * PAGE);
    this.chunks = starts.map((start) => this.chunked.slice(start, start + PAGE));
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("query")) document.title = `${placeName(this.query) || said.title} · ${texts.name}`;
    void this.position.updated();
    this.end.disconnect();
    const end = this.querySelector(".library-end");
    if (end) this.end.observe(end); // a new observation reports at once whether it is near
  }

  protected override render() {
    const { query, listing } = this;
    const isEmpty = !listing.isLoading && !listing.rows.length && !listing.found.folders.length;
    return html`
      <div class="library-head">
        <div>
          ${path(query)}
          <div class="library-place">
            <h1 tabindex="-1">${placeName(this.query) || said.title}</h1>
            <p class="quiet number" role="status">${this.count()}</p>
          </div>
        </div>
        ${session.may("sign") && query.bucket
          ? html`<button class="button library-share" @click=${() => this.shareFolder()}>${texts.sharing.shareFolder}</button>`
          : nothing}
        ${session.mayUpload
          ? html`<mam-upload-button .folder=${query.folder} .bucket=${query.bucket}></mam-upload-button>`
          : nothing}
      </div>
      ${toolbar(query, {
        place: placeName(this.query),
        words: this.words ?? query.q,
        typed: (words) => this.typed(words),
        sorted: (sort: Sort) => this.go({ sort }),
        viewed: (view) => this.chooseView(view),
      })}
      ${this.notices()}
      ${isEmpty && !listing.problem ? this.emptiness() : this.content()}
      <mam-menu></mam-menu>
      <mam-confirm></mam-confirm>
      <mam-share-dialog></mam-share-dialog>
    `;
  }

  private shareFolder(): void {
    const { bucket, folder } = this.query;
    void this.querySelector<ShareDialog>("mam-share-dialog")!.open(`${bucket}/${folder}`, placeName(this.query));
  }

  private count(): string {
    const { isLoading, found } = this.listing;
    if (isLoading) return "";
    if (isFlat(this.query)) return said.found(found.total);
    const parts = [found.folders.length && said.folderCount(found.folders.length), (found.total || !found.folders.length) && said.count(found.total)];
    return parts.filter(Boolean).join(", ");
  }

  private notices(): TemplateResult | typeof nothing {
    const { problem, found } = this.listing;
    if (problem) return this.trouble(problem);
    return found.isComplete ? nothing : html`<p class="library-note quiet" role="status">${said.listing}</p>`;
  }

  private trouble({ title, detail, hint }: Problem): TemplateResult {
    const again = () => void (this.listing.rows.length ? this.listing.refresh() : this.ask());
    return html`<div class="notice is-bad library-trouble" role="alert">
      ${icon("warning")}
      <div><strong>${detail || title}</strong> <p>${hint}</p></div>
      <button class="button" @click=${again}>${texts.retry}</button>
    </div>`;
  }

  private emptiness(): TemplateResult {
    const { query } = this;
    return isFlat(query) ? nothingFound(query) : empty(query, session.mayUpload);
  }

  private content(): TemplateResult {
    const { listing, query } = this;
    const view = viewOf(query);
    const isFirst = listing.isLoading && !listing.rows.length && !listing.found.folders.length;
    const rows = (chunk: Row[], number: number) =>
      html`<mam-rows class="assets" role="presentation" .rows=${chunk} .first=${number * PAGE} .total=${listing.found.total}
        .view=${view} .isFlat=${isFlat(query)}></mam-rows>`;
    return html`<div class="library is-${view}" aria-busy=${listing.isLoading ? "true" : "false"}>
      ${folders(query, listing.found.folders)}
      ${isFirst ? COMING : nothing}
      ${this.chunks.length
        ? html`<h2 class="visually-hidden">${said.videos}</h2>
            <div role="list" aria-label=${said.videos}>${this.chunks.map(rows)}</div>`
        : nothing}
      ${listing.hasMore ? html`<p class="library-end quiet">${said.more}</p>` : nothing}
    </div>`;
  }
}
customElements.define("mam-library", Library);
