/** Shell commands that do the same as the library. */
import { playlistLine, shellWord } from "../shared/shell.js";
import type { AssetView } from "../shared/types.js";

export function playingLine(asset: AssetView): string {
  return playlistLine(location.origin + asset.playlist);
}

/** The command takes the API key from the shell: pages do not have it. */
export function convertingLine(asset: AssetView): string {
  const body = { asset_bucket: asset.bucket, asset_object: asset.key, profile: "ladder", wait: false };
  const headers = `-H "x-api-key: $TRANSCODE_API_KEY" -H "content-type: application/json"`;
  return `curl -X POST ${shellWord(`${location.origin}/api/transcode`)} ${headers} -d ${shellWord(JSON.stringify(body))}`;
}

/** Copies a file into a folder with MinIO's client. */
export function puttingLine(bucket: string, folder: string): string {
  return `mc cp film.mp4 ${shellWord(`minio/${bucket}/${folder}`)}`;
}
