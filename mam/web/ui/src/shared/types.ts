/** The services' types, generated from their OpenAPI documents (`npm run api`). */
import type { SessionView, StatusView, UploadList, UploadView } from "./openapi/vod.js";
import type { Accepted, Transcoded, TranscodeRequest } from "./openapi/transcoding.js";

export type {
  AssetList, AssetView, Completed, Failure, FolderView, NewShareView, PartUrls, Problem, SessionView, SharedAsset, SharedFolder, ShareList,
  ShareView, StatusView, StreamInfo, UploadList,
  UploadRequest, UploadView,
} from "./openapi/vod.js";
export type {
  BriefJobList, BriefJobView, ChunksView, FleetView, JobView, NoteView, PlanView, RenditionView, State as JobState, WorkerView,
} from "./openapi/transcoding.js";

export type ApiScope = SessionView["scopes"][number];
export type AssetState = StatusView["state"];
/** What a conversion is asked for: all but the asset has a default. */
export type ConversionRequest = Pick<TranscodeRequest, "asset_bucket" | "asset_object"> & Partial<TranscodeRequest>;
export type Conversion = Transcoded | Accepted;
/** Where uploads go, and which files are accepted. */
export type UploadTerms = Omit<UploadList, "uploads">;
export type Verdict = NonNullable<UploadView["verdict"]>;
