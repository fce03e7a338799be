/** Timers by name: starting one again replaces it. */
export class Timers {
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  start(name: string, milliseconds: number, act: () => void): void {
    this.stop(name);
    this.timers.set(name, setTimeout(act, milliseconds));
  }

  stop(name: string): void {
    clearTimeout(this.timers.get(name));
  }

  stopAll(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
  }
}
