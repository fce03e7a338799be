/** Requests of the pages, and the problems that they end in. */
import { texts } from "../texts/index.js";
import type { Problem } from "./types.js";

/** A failed request, with the service's problem. `problem.code` is "unreachable" if there was no answer. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Fired on `window` when the session has ended. */
export const SIGNED_OUT = "mam-signed-out";

/** The answer's JSON. Throws ApiError. */
export async function call<T>(method: Method, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers["x-mam-request"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      signal: signal ?? null,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted || !(error instanceof TypeError)) throw error;
    throw new ApiError(unreachable());
  }
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer as T;
  const problem = isProblem(answer) ? answer : { ...unreachable(), status: response.status };
  if (problem.code === "session_expired" || (problem.code === "forbidden" && url !== "/session")) {
    window.dispatchEvent(new CustomEvent(SIGNED_OUT, { detail: problem }));
  }
  throw new ApiError(problem);
}

/** The problem to show for an error of any kind. Anything but an ApiError is a fault of the page. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  const { title, hint } = texts.unexpected;
  return localProblem("unexpected", { title, hint, detail: `${title} ${String(error)}` });
}

/** A problem that the page finds itself, in the form of the services' problems. */
export function localProblem(
  code: string, { title, hint, detail = title, status = 0 }: { title: string; hint: string; detail?: string; status?: number },
): Problem {
  return { type: "about:blank", title, status, detail, code, hint, request_id: null };
}

/** A path with each of its parts quoted, slashes kept. */
export function quotePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Decodes a part of a path. Invalid escapes stay as they are, as the service does it. */
export function unquote(part: string): string {
  return part.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

export function unreachable(): Problem {
  return localProblem("unreachable", { title: texts.lostConnection, hint: texts.lostConnectionHint });
}

/** null for an empty body, undefined for anything but JSON. */
function parsed(text: string): unknown {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

/** The browser cannot play the video. `detail`: its reason, if it gives one. */
export function unplayable(detail: string): Problem {
  const { unplayable: title, unplayableHint: hint } = texts.player;
  return localProblem("unplayable", { title, hint, detail });
}

export function isProblem(answer: unknown): answer is Problem {
  return typeof answer === "object" && answer !== null && "code" in answer && "hint" in answer;
}
