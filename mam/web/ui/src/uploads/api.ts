/** Requests to /uploads. */
import { call } from "../shared/api.js";
import type { Completed, PartUrls, UploadList, UploadRequest, UploadView } from "../shared/types.js";

export const uploadsApi = {
  list: () => call<UploadList>("GET", "/uploads"),
  view: (id: string) => call<UploadView>("GET", `/uploads/${id}`),
  begin: (wanted: UploadRequest) => call<UploadView>("POST", "/uploads", wanted),
  urls: (id: string, numbers: number[]) =>
    call<PartUrls>("POST", `/uploads/${id}/parts`, { numbers }),
  complete: (id: string) => call<Completed>("POST", `/uploads/${id}/complete`),
  remove: (id: string) => call<null>("DELETE", `/uploads/${id}`),
};
