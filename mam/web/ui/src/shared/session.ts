/** The session: whether the user is signed in. */
import { call, SIGNED_OUT } from "./api.js";
import type { ApiScope, SessionView } from "./types.js";

/** Fired on `window` when `session.view` has changed. */
export const SESSION = "mam-session";

class Session {
  view: SessionView | null = null; // null: not loaded yet
  expired = false; // it ended while the page was open

  constructor() {
    window.addEventListener(SIGNED_OUT, () => {
      if (this.view?.signed_in) this.expired = true;
      const uploads = this.view?.uploads ?? false;
      this.set({ signed_in: false, ends_at: null, uploads, key: null, scopes: [], prefixes: [] });
    });
  }

  /** Whether the user may do this: what is not permitted is not on the page. */
  may(scope: ApiScope): boolean {
    return this.view?.scopes.includes(scope) ?? false;
  }

  get mayUpload(): boolean {
    return Boolean(this.view?.uploads && this.may("upload"));
  }

  /** Whether the user sees all jobs and the fleet: not with a key that is for some assets alone. */
  get seesAll(): boolean {
    return this.may("read") && !this.view?.prefixes.length;
  }

  async load(): Promise<void> {
    this.set(await call<SessionView>("GET", "/session"));
  }

  async signIn(apiKey: string): Promise<void> {
    this.expired = false;
    this.set(await call<SessionView>("POST", "/session", { api_key: apiKey }));
  }

  async signOut(): Promise<void> {
    this.set(await call<SessionView>("DELETE", "/session"));
  }

  private set(view: SessionView): void {
    this.view = view;
    window.dispatchEvent(new Event(SESSION));
  }
}

export const session = new Session();
