/** Changes the page without a reload, so uploads continue. */

/** Fired on `window` after the address has changed. */
export const MOVED = "mam-moved";

export function navigate(url: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  window.dispatchEvent(new Event(MOVED));
}

/** Handles links of this site. Links that open another tab or site are left to the browser. */
export function followLinks(): void {
  window.addEventListener("popstate", () => window.dispatchEvent(new Event(MOVED)));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((each): each is HTMLAnchorElement => each instanceof HTMLAnchorElement);
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin || !isPage(link)) return;
    event.preventDefault();
    if (link.href !== location.href) navigate(link.href);
  });
}

function isPage({ pathname }: HTMLAnchorElement): boolean {
  if (pathname.startsWith("/p/")) return pathname.split("/")[3] === "watch";
  return pathname === "/" || pathname === "/jobs" || pathname.startsWith("/watch/");
}
