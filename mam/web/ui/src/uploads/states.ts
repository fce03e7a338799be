/** The states of an upload, and the states that may follow each. */
const NEXT = {
  waiting: ["starting", "paused", "held"], // for its turn
  starting: ["sending", "completing", "checking", "done", "refused", "failed", "paused", "held", "elsewhere", "interrupted"],
  sending: ["starting", "completing", "failed", "paused", "held", "interrupted"],
  completing: ["starting", "sending", "checking", "done", "failed", "paused", "held"],
  checking: ["done", "bad"], // the service checks whether it is a video
  done: [],
  bad: [], // it is not a video
  paused: ["waiting"], // by the user
  held: ["waiting"], // until the next sign-in
  elsewhere: ["waiting", "held"], // another tab sends it
  interrupted: ["waiting"], // until its file is chosen again
  refused: [], // before the first byte
  failed: ["waiting"],
} as const satisfies Record<string, readonly string[]>;

export type State = keyof typeof NEXT;

/** An upload in these states runs, or will run by itself. */
export const ACTIVE: readonly State[] = ["waiting", "starting", "sending", "completing"];

export function mayFollow(before: State, state: State): boolean {
  return (NEXT[before] as readonly State[]).includes(state);
}
