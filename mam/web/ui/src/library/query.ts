/** The library's query: what the address says to show. */
import { texts } from "../texts/index.js";
import type { AssetState } from "../shared/types.js";

export type Sort = keyof typeof texts.libraryPage.sorts;
export type View = "grid" | "list";

/** `bucket`, `folder`: "" for all; a folder ends in a slash. `view`: null if the address has none. */
export interface Query {
  bucket: string;
  folder: string;
  q: string;
  state: AssetState | "";
  sort: Sort;
  view: View | null;
}

const REMEMBERED = "mam:view";

export function queryOf(search: string): Query {
  const given = new URLSearchParams(search);
  const text = (name: string) => given.get(name) ?? "";
  const [state, sort, view] = [text("state"), text("sort"), text("view")];
  const folder = text("folder").replace(/^\/+|\/+$/g, "");
  return {
    bucket: text("bucket"),
    folder: folder && `${folder}/`,
    q: text("q"),
    state: state in texts.libraryPage.states ? (state as AssetState) : "",
    sort: sort in texts.libraryPage.sorts ? (sort as Sort) : "name",
    view: view === "grid" || view === "list" ? view : null,
  };
}

/** The address of a query, without default values. */
export function addressOf(query: Query): string {
  const { view, ...rest } = query;
  const text = parameters(rest, view ? { view } : {}).toString().replaceAll("%2F", "/");
  return text ? `/?${text}` : "/";
}

/** The parameters of GET /assets. */
export function parameters(query: Omit<Query, "view">, more: Record<string, string>): URLSearchParams {
  const { bucket, folder, q, state, sort } = query;
  const all = { bucket, folder, q: q.trim(), state, sort: sort === "name" ? "" : sort, ...more };
  return new URLSearchParams(Object.entries(all).filter(([, value]) => value));
}

/** Whether videos of all subfolders are shown together. */
export function isFlat({ q, state }: Query): boolean {
  return Boolean(q.trim() || state);
}

/** The view of the address, or the one that was chosen last. */
export function viewOf({ view }: Query): View {
  return view ?? (remembered() === "list" ? "list" : "grid");
}

export function remember(view: View): void {
  try {
    localStorage.setItem(REMEMBERED, view);
  } catch {
    // without storage, the address still has the view
  }
}

function remembered(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}
