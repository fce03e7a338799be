/** Subtitles that arrive after their video was converted: it is converted again, with them, and plays on meanwhile. */
import { call } from "../shared/api.js";
import { titleOf } from "../shared/names.js";
import { toast, toastError } from "../shared/toasts.js";
import type { AssetList, AssetView, Conversion, StatusView } from "../shared/types.js";
import { texts } from "../texts/index.js";
import { statusUrl } from "../player/address.js";

const SUBTITLES = /\.(srt|vtt)$/i;
const SETTLE_MS = 3000; // several languages that arrive together are one conversion
const MOST = 200; // assets that are looked at: as many as one answer has

interface Arrived {
  bucket: string;
  key: string;
}

const due = new Map<string, ReturnType<typeof setTimeout>>(); // by the video

/** To be told of each upload that is complete. */
export async function arrived(file: Arrived): Promise<void> {
  if (!SUBTITLES.test(file.key)) return;
  const asset = await videoOf(file).catch(() => null); // the library shows the file, and its menu does the same
  if (!asset || (asset.state !== "live" && asset.state !== "making")) return;
  const id = `${asset.bucket}/${asset.key}`;
  clearTimeout(due.get(id));
  due.set(id, setTimeout(() => void convert(asset).catch(toastError), SETTLE_MS));
}

/** talk.mp4 for talk.srt and talk.en.srt. */
async function videoOf({ bucket, key }: Arrived): Promise<AssetView | null> {
  const folder = key.slice(0, key.lastIndexOf("/") + 1);
  const stems = [titleOf(key)];
  for (let shorter = titleOf(stems[0]!); shorter !== stems.at(-1); shorter = titleOf(shorter)) stems.push(shorter);
  const query = new URLSearchParams({ bucket, folder, q: stems.at(-1)!, limit: String(MOST) });
  const { assets } = await call<AssetList>("GET", `/assets?${query}`);
  const named = (stem: string) => assets.find((asset) => asset.key.startsWith(folder) && stem === titleOf(asset.key) && !asset.key.slice(folder.length).includes("/"));
  return stems.map(named).find((asset) => asset !== undefined) ?? null;
}

/** As it was converted before. */
async function convert({ bucket, key, title }: AssetView): Promise<void> {
  const { profile, format } = await call<StatusView>("GET", statusUrl(bucket, key));
  const wanted = { asset_bucket: bucket, asset_object: key, profile: profile ?? "auto", format: format ?? "ts", wait: false };
  const { status } = await call<Conversion>("POST", "/api/transcode", wanted);
  if (status === "accepted") toast(texts.uploads.taken(title));
}
