/** Says in the menu of qualities which ones are not made yet. */
import type { MediaRenditionMenu } from "media-chrome/dist/menu/media-rendition-menu.js";
import type { StatusView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import type { Renditions } from "./lists.js";

type Entry = MediaRenditionMenu["mediaRenditionList"][number] & { note?: string };

/** Adds to each entry of the menu whether its rendition is promised or in the making. */
export function noteQualities(player: Element, renditions: Renditions, status: StatusView | null): void {
  const menu = player.querySelector<MediaRenditionMenu>("media-rendition-menu");
  if (!menu?.mediaRenditionList || !status?.renditions.length) return;
  if (!Object.hasOwn(menu, "formatRendition")) {
    const plain = menu.formatRendition.bind(menu);
    menu.formatRendition = (entry: Entry, options) => [plain(entry, options), entry.note].filter(Boolean).join(" · ");
  }
  const notes = new Map(status.renditions.map(({ name, state }) => [name, texts.player.qualities[state]]));
  const names = new Map([...renditions].map(({ id, name }) => [id, name]));
  menu.mediaRenditionList = menu.mediaRenditionList.map((entry: Entry) => ({ ...entry, note: notes.get(names.get(String(entry.id)) ?? "") }));
}
