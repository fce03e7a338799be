/** The site: the header of all pages, and the page of the address. */
import { html, nothing, type TemplateResult } from "lit";
import { problemOf, unquote } from "./shared/api.js";
import { followLinks, MOVED } from "./shared/router.js";
import { Element } from "./shared/element.js";
import { icon } from "./shared/icons.js";
import { part } from "./shared/parts.js";
import { SESSION, session } from "./shared/session.js";
import "./shared/sign-in.js";
import "./shared/toasts.js";
import { toastError } from "./shared/toasts.js";
import type { Problem } from "./shared/types.js";
import "./library/page.js";
import "./uploads/tray.js";
import { tokenPrefix } from "./player/address.js";
import { texts } from "./texts/index.js";

const AGAIN = 5000; // Milliseconds until the session is requested again after a failure.

/** The page of an address. `open`: without a session too. */
interface Page {
  name: "library" | "jobs" | "watch" | "shared";
  open: boolean;
  load?: () => Promise<unknown>;
  content: () => TemplateResult;
}

function pageOf(path: string): Page | null {
  if (path === "/") return { name: "library", open: false, content: () => html`<mam-library></mam-library>` };
  if (path === "/jobs") {
    const load = () => import("./jobs/page.js");
    return { name: "jobs", open: false, load, content: () => html`<mam-jobs></mam-jobs>` };
  }
  const [, page, bucket, ...key] = path.replace(/^\/p\/[^/]+/, "").split("/").map(unquote);
  if (page === "shared" && bucket && key.at(-1) === "") {
    const folder = () => html`<mam-shared-folder .bucket=${bucket} .folder=${key.join("/")}></mam-shared-folder>`;
    return { name: "shared", open: true, load: () => import("./sharing/folder.js"), content: folder };
  }
  if (page !== "watch" || !bucket || !key.length) return null;
  const content = () => html`<mam-watch .bucket=${bucket} .path=${key.join("/")}></mam-watch>`;
  return { name: "watch", open: true, load: () => import("./player/page.js"), content };
}

class App extends Element {
  static override properties = { path: { state: true }, signedIn: { state: true }, unknown: { state: true }, missing: { state: true } };
  declare path: string;
  declare signedIn: boolean | null; // null: not loaded yet
  declare unknown: Problem | null; // why the session could not be loaded
  declare missing: Problem | null; // why the page could not be loaded

  constructor() {
    super();
    this.path = location.pathname;
    this.signedIn = this.unknown = this.missing = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    followLinks();
    this.on(window, MOVED, () => this.moved());
    this.on(window, SESSION, () => (this.signedIn = session.view?.signed_in ?? false));
    void this.loadSession();
    void this.loadPage();
  }

  private async loadSession(): Promise<void> {
    try {
      await session.load();
      this.unknown = null;
    } catch (error) {
      this.unknown = problemOf(error);
      setTimeout(() => void this.loadSession(), AGAIN);
    }
  }

  private async loadPage(): Promise<void> {
    const { path } = this;
    this.missing = null;
    try {
      await part(async () => pageOf(path)?.load?.());
    } catch (error) {
      if (path === this.path) this.missing = problemOf(error);
    }
  }

  private moved(): void {
    if (this.path === location.pathname) return; // the page itself handles a change of the query
    this.path = location.pathname;
    void this.loadPage();
    scrollTo(0, 0);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("main")?.focus({ preventScroll: true }));
  }

  private content(page: Page | null): TemplateResult | typeof nothing {
    if (!page) return html`<div class="empty"><h1>${texts.notFound}</h1><a class="button" href="/">${texts.library}</a></div>`;
    if (this.missing) return trouble(this.missing, texts.reload, () => location.reload());
    if (page.open || this.signedIn) return page.content();
    if (this.unknown && this.signedIn === null) return trouble(this.unknown, texts.retry, () => location.reload());
    return this.signedIn === null ? nothing : html`<mam-sign-in></mam-sign-in>`;
  }

  protected override render() {
    const page = pageOf(this.path);
    const link = (name: string, href: string, text: string) =>
      html`<a href=${href} aria-current=${page?.name === name ? "page" : nothing}>${text}</a>`;
    if (tokenPrefix()) return this.forViewers(page);
    return html`
      <a class="skip" href="#content" @click=${(event: Event) => this.skip(event)}>${texts.skip}</a>
      <header class="top">
        <a class="brand" href="/" aria-label=${`${texts.name}: ${texts.library}`}><img src="/static/icon.svg" alt="" width="24" height="24" />${texts.name}</a>
        <nav aria-label=${texts.navigation}>${link("library", "/", texts.library)}
          ${this.signedIn && !session.seesAll ? nothing : link("jobs", "/jobs", texts.jobs)}</nav>
        ${this.signedIn
          ? html`<button class="icon-button" aria-label=${texts.signOut} title=${texts.signOut}
              @click=${() => session.signOut().catch(toastError)}>${icon("signOut")}</button>`
          : nothing}
      </header>
      <main id="content" tabindex="-1">${this.content(page)}</main>
      ${this.signedIn ? html`<mam-uploads></mam-uploads>` : nothing}
      <mam-toasts></mam-toasts>
    `;
  }

  /** Viewers with a link see the video or folder that it is for, and nothing else. */
  private forViewers(page: Page | null): TemplateResult {
    return html`
      <header class="top"><span class="brand"><img src="/static/icon.svg" alt="" width="24" height="24" />${texts.name}</span></header>
      <main id="content" tabindex="-1">${this.content(page)}</main>
      <mam-toasts></mam-toasts>
    `;
  }

  private skip(event: Event): void {
    event.preventDefault();
    this.querySelector<HTMLElement>("main")?.focus();
  }
}

function trouble({ title, detail, hint }: Problem, act: string, run: () => void): TemplateResult {
  return html`<div class="empty" role="alert">${icon("warning")}
    <h1>${detail || title}</h1><p>${hint}</p><button class="button" @click=${run}>${act}</button></div>`;
}
customElements.define("mam-app", App);
