/** The actions of a video's menu. */
import { call, quotePath } from "../shared/api.js";
import { icon } from "../shared/icons.js";
import { session } from "../shared/session.js";
import { copyText, toast, toastError } from "../shared/toasts.js";
import type { AssetView, Conversion, ConversionRequest } from "../shared/types.js";
import { texts } from "../texts/index.js";
import type { Confirm } from "./confirm.js";
import type { ShareDialog } from "../sharing/dialog.js";
import { convertingLine, playingLine } from "./curl.js";
import type { Listing, Row } from "./listing.js";
import type { MenuItem } from "./menu.js";

const said = texts.libraryPage;

export class Actions {
  constructor(
    private readonly listing: Listing,
    private readonly confirm: () => Confirm,
    private readonly sharing: () => ShareDialog,
  ) {}

  /** The actions that fit the video's state and that the user may perform. */
  of({ asset, job }: Row): MenuItem[] {
    const { state, video, watch } = asset;
    const isBusy = state === "making" || job !== null;
    const mayConvert = session.may("convert");
    const making = job?.id ?? (state === "making" ? asset.job : null);
    const items: (MenuItem | false)[] = [
      { icon: icon("play"), text: said.watch, href: watch },
      mayConvert && state === "new" && !isBusy && this.converting(asset, said.convert, "ladder"),
      mayConvert && (state === "failed" || state === "live") && !isBusy && this.converting(asset, said.convertAgain, "ladder"),
      mayConvert && !isBusy && this.converting(asset, said.reencode, "h264"),
      mayConvert && isBusy && making !== null && { icon: icon("close"), text: said.cancel, run: () => this.cancel(asset, making) },
      session.may("edit") && video !== null && { icon: icon("broom"), text: said.clearCache, run: () => this.clearCache(asset, video) },
      session.may("sign") && { icon: icon("link"), text: texts.sharing.share, run: () => this.share(asset) },
      { icon: icon("copy"), text: said.copyPlaying, run: () => copyText(playingLine(asset)) },
      mayConvert && { icon: icon("copy"), text: said.copyConverting, run: () => copyText(convertingLine(asset)) },
      session.may("delete") && state === "live" && { icon: icon("trash"), text: said.deleteStream, isDanger: true, run: () => this.remove(asset) },
    ];
    return items.filter((item) => item !== false);
  }

  private converting(asset: AssetView, text: string, profile: "ladder" | "h264"): MenuItem {
    return { icon: icon(profile === "ladder" ? "convert" : "film"), text, run: () => this.convert(asset, profile) };
  }

  private convert(asset: AssetView, profile: "ladder" | "h264"): Promise<void> {
    const wanted: ConversionRequest = { asset_bucket: asset.bucket, asset_object: asset.key, profile, wait: false };
    return this.attempt(asset, async () => {
      const { status } = await call<Conversion>("POST", "/api/transcode", wanted);
      return status === "accepted" ? said.begun(asset.title) : said.isLive(asset.title);
    });
  }

  private share(asset: AssetView): Promise<void> {
    return this.sharing().open(`${asset.bucket}/${asset.key}`, asset.title);
  }

  private cancel(asset: AssetView, job: string): Promise<void> {
    return this.attempt(asset, async () => {
      await call("DELETE", `/api/jobs/${job}`);
      return said.cancelled(asset.title);
    });
  }

  private clearCache(asset: AssetView, video: string): Promise<void> {
    return this.attempt(asset, async () => {
      await call("DELETE", `/cache/${quotePath(video)}`);
      return said.cacheCleared(asset.title);
    });
  }

  private async remove(asset: AssetView): Promise<void> {
    const { title, text, stays, submit } = said.confirm;
    const lines = [text, stays(`${asset.bucket}/${asset.key}`)];
    if (!(await this.confirm().ask({ title: title(asset.title), lines, submit }))) return;
    await this.attempt(asset, async () => {
      await call("DELETE", asset.playlist);
      return said.deleted(asset.title);
    });
  }

  /** Performs an action, shows its result, and loads the asset again, also after a failure. */
  private async attempt(asset: AssetView, work: () => Promise<string>): Promise<void> {
    try {
      toast(await work());
    } catch (error) {
      toastError(error);
    }
    await this.listing.reread(asset.bucket, asset.key).catch(() => this.listing.refresh());
  }
}
