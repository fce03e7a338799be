/** What the page asks of /uploads. */
import { type Fault, call } from "../shared/api.js";

export type Verdict = { ok: true; duration: number; summary: string } | ({ ok: false } & Fault);

/** Part n holds the bytes from (n-1)*part_size on, part_size of them or what is left. */
export interface UploadView {
  id: string;
  state: "open" | "complete";
  bucket: string;
  key: string; // may have got a number, because the name was taken
  folder: string; // below the prefix
  size: number; // bytes
  fingerprint: string;
  part_size: number;
  parts: number;
  arrived: number[];
  created_at: number;
  expires_at: number | null;
  verdict: Verdict | null;
  watch: string | null; // of what is complete and no subtitles
}

/** Where files go, and which are taken. */
export interface Terms {
  bucket: string;
  prefix: string;
  extensions: string[];
  max_bytes: number;
}

export interface Completed {
  bucket: string;
  key: string;
  watch: string | null;
}

export interface Wish {
  name: string;
  size: number;
  folder: string;
  type: string;
  fingerprint: string;
}

export const uploadsApi = {
  list: () => call<Terms & { uploads: UploadView[] }>("GET", "/uploads"),
  view: (id: string) => call<UploadView>("GET", `/uploads/${id}`),
  begin: (wish: Wish) => call<UploadView>("POST", "/uploads", wish),
  urls: (id: string, numbers: number[]) =>
    call<{ urls: Record<string, string> }>("POST", `/uploads/${id}/parts`, { numbers }),
  complete: (id: string) => call<Completed>("POST", `/uploads/${id}/complete`),
  remove: (id: string) => call<null>("DELETE", `/uploads/${id}`),
};
