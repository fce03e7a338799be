/** Requests for share links. */
import { call, quotePath } from "../shared/api.js";
import type { NewShareView, ShareList, SharedFolder, ShareView } from "../shared/types.js";

/** What a link is for: `bucket/key`, or a folder, which ends in a slash. */
export type Subject = string;

export interface Wanted {
  seconds: number | null; // null: until it is revoked
  start: number; // seconds into the video
  download: boolean;
}

/** Returns the address of the new link. */
export async function create(sub: Subject, { seconds, start, download }: Wanted): Promise<string> {
  const { path } = await call<NewShareView>("POST", "/shares", { sub, expires_in: seconds, start, download });
  return location.origin + path;
}

export async function list(sub: Subject): Promise<ShareView[]> {
  return (await call<ShareList>("GET", `/shares?sub=${encodeURIComponent(sub)}`)).shares;
}

export function revoke(id: string): Promise<unknown> {
  return call("DELETE", `/shares/${id}`);
}

/** A page of a shared folder. `prefix`: `/p/{token}`. */
export function contents(prefix: string, bucket: string, folder: string, cursor: string | null): Promise<SharedFolder> {
  const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
  return call<SharedFolder>("GET", `${prefix}/contents/${encodeURIComponent(bucket)}/${quotePath(folder)}${query}`);
}
