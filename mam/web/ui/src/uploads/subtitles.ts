/** Subtitles that are uploaded after the conversion of their video: it is converted again with them, and stays playable. */
import { call } from "../shared/api.js";
import { titleOf } from "../shared/names.js";
import { toast, toastError } from "../shared/toasts.js";
import type { AssetList, AssetView, Conversion, StatusView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { statusUrl } from "../player/address.js";

const SUBTITLES = /\.(srt|vtt)$/i;
const SETTLE_MS = 3000; // Several languages at once lead to one conversion.
const MOST = 200; // The service returns this many assets at most.

interface Arrived {
  bucket: string;
  key: string;
}

const due = new Map<string, ReturnType<typeof setTimeout>>(); // by video

/** Call it after each completed upload. */
export async function arrived(file: Arrived): Promise<void> {
  if (!SUBTITLES.test(file.key)) return;
  const asset = await videoOf(file).catch(() => null); // the menu of the video in the library does the same
  if (!asset || (asset.state !== "live" && asset.state !== "making")) return;
  const id = `${asset.bucket}/${asset.key}`;
  clearTimeout(due.get(id));
  due.set(id, setTimeout(() => void convert(asset).catch(toastError), SETTLE_MS));
}

/** The video of a subtitle file: talk.mp4 for talk.srt and talk.en.srt. */
async function videoOf({ bucket, key }: Arrived): Promise<AssetView | null> {
  const folder = key.slice(0, key.lastIndexOf("/") + 1);
  const stems = [titleOf(key)];
  for (let shorter = titleOf(stems[0]!); shorter !== stems.at(-1); shorter = titleOf(shorter)) stems.push(shorter);
  const query = new URLSearchParams({ bucket, folder, q: stems.at(-1)!, limit: String(MOST) });
  const { assets } = await call<AssetList>("GET", `/assets?${query}`);
  const named = (stem: string) => assets.find((asset) => asset.key.startsWith(folder) && stem === titleOf(asset.key) && !asset.key.slice(folder.length).includes("/"));
  return stems.map(named).find((asset) => asset !== undefined) ?? null;
}

/** Converts a video again, with its profile and format. */
async function convert({ bucket, key, title }: AssetView): Promise<void> {
  const { profile, format } = await call<StatusView>("GET", statusUrl(bucket, key));
  const wanted = { asset_bucket: bucket, asset_object: key, profile: profile ?? "auto", format: format ?? "ts", wait: false };
  const { status } = await call<Conversion>("POST", "/api/transcode", wanted);
  if (status === "accepted") toast(texts.uploads.taken(title));
}
