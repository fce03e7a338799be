/** Icons, drawn on a 24 by 24 grid with the text's colour. */
import { svg, html, type TemplateResult } from "lit";

const PATHS = {
  close: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
  grid: svg`<rect x="4" y="4" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="4" width="6.5" height="6.5" rx="1"/><rect x="4" y="13.5" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1"/>`,
  list: svg`<path d="M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01"/>`,
  search: svg`<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>`,
  folder: svg`<path d="M3.5 7a2 2 0 0 1 2-2h4l2 2.5h7a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2z"/>`,
  play: svg`<path d="M8 5.5v13l11-6.5z"/>`,
  upload: svg`<path d="M12 16V5M7 9.5L12 4.5l5 5M4.5 15v3a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-3"/>`,
  more: svg`<circle cx="12" cy="5.5" r=".8"/><circle cx="12" cy="12" r=".8"/><circle cx="12" cy="18.5" r=".8"/>`,
  convert: svg`<path d="M4.5 9a8 8 0 0 1 14-2.5M19.5 15a8 8 0 0 1-14 2.5M19 3v4h-4M5 21v-4h4"/>`,
  trash: svg`<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.2 10.5v5.5M13.8 10.5v5.5"/>`,
  copy: svg`<rect x="8.5" y="8.5" width="11" height="11" rx="2"/><path d="M15.5 8.5v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1.2-1.2"/>`,
  warning: svg`<path d="M12 4L2.8 19.5h18.4zM12 10v4.5M12 17h.01"/>`,
  check: svg`<path d="M5 12.5l4.5 4.5L19 7.5"/>`,
  clock: svg`<circle cx="12" cy="12" r="8"/><path d="M12 7.5V12l3 2"/>`,
  film: svg`<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M8 5v14M16 5v14M3.5 12h17"/>`,
  sound: svg`<path d="M9 18V6l10-2v12"/><circle cx="6.5" cy="18" r="2.5"/><circle cx="16.5" cy="16" r="2.5"/>`,
  broom: svg`<path d="M14 4l-3.5 8M6 12.5l9.5 3.5L14 20H5c1.5-2 1-5 1-7.5z"/>`,
  back: svg`<path d="M14.5 5.5L8 12l6.5 6.5"/>`,
  down: svg`<path d="M5.5 9L12 15.5 18.5 9"/>`,
  info: svg`<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.5h.01"/>`,
  pause: svg`<path d="M8 5.5v13M16 5.5v13"/>`,
  signOut: svg`<path d="M14 4.5H6.5a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2H14M10 12h10M16.5 8.5L20 12l-3.5 3.5"/>`,
};

/** Icons are decoration: a text or the label of the button has the meaning. */
export function icon(name: keyof typeof PATHS): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${PATHS[name]}</svg>`;
}
