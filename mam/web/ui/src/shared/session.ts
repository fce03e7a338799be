/** The session: whether the user is signed in. */
import { call, SIGNED_OUT } from "./api.js";
import type { SessionView } from "./types.js";

/** Fired on `window` when `session.view` has changed. */
export const SESSION = "mam-session";

class Session {
  view: SessionView | null = null; // null: not loaded yet
  expired = false; // it ended while the page was open

  constructor() {
    window.addEventListener(SIGNED_OUT, () => {
      if (this.view?.signed_in) this.expired = true;
      this.set({ uploads: false, ends_at: null, ...this.view, signed_in: false });
    });
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
