/** The address of the jobs page: which state is shown, and which job is open. */
import type { JobState } from "../shared/types.js";
import { STATES } from "./store.js";

export interface Address {
  state: JobState | null; // null: all states
  open: string; // id of the open job, or ""
}

export function readAddress(search: string): Address {
  const query = new URLSearchParams(search);
  return { state: STATES.find((state) => state === query.get("state")) ?? null, open: query.get("job") ?? "" };
}

export function addressOf({ state, open }: Address): string {
  const query = new URLSearchParams({ ...(state && { state }), ...(open && { job: open }) });
  return query.size ? `/jobs?${query}` : "/jobs";
}
