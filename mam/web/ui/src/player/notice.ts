/** The notice over the picture while nothing plays: the reason, or that the connection is lost. */
import { texts } from "../texts/index.js";
import type { Timers } from "./timers.js";
import { type Waiting, whyNothing } from "./waiting.js";

const WAIT_MS = 2500; // After this wait the notice appears.
const UPDATE_MS = 1000; // The reason is updated this often.

export class Notice {
  text = ""; // shown while it holds

  /** `waiting`: what the player waits for. `changed` is called when the text has changed. */
  constructor(
    private readonly timers: Timers,
    private readonly waiting: () => Waiting | null,
    private readonly changed: () => void,
  ) {}

  /** Shows the reason soon, and updates it while the wait lasts. */
  startWaiting(): void {
    this.timers.start("waiting", WAIT_MS, () => this.explain());
  }

  private explain(): void {
    if (!this.isLost) this.set(whyNothing(this.waiting()));
    this.timers.start("waiting", UPDATE_MS, () => this.explain());
  }

  stopWaiting(): void {
    this.timers.stop("waiting");
    if (!this.isLost) this.set("");
  }

  clear(): void {
    this.timers.stop("waiting");
    this.set("");
  }

  connection(isLost: boolean): void {
    if (isLost) this.set(texts.player.offline);
    else if (this.isLost) this.set("");
  }

  private get isLost(): boolean {
    return this.text === texts.player.offline;
  }

  private set(text: string): void {
    if (this.text === text) return;
    this.text = text;
    this.changed();
  }
}
