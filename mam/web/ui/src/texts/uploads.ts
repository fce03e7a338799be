/** Texts of uploads. */
const files = (count: number) => (count === 1 ? "1 file" : `${count} files`);

export const uploads = {
  title: "Uploads",
  upload: "Upload",
  uploadInto: (way: string) => `Upload into ${way}`,
  more: "More ways to upload",
  uploadFiles: "Upload files …",
  uploadFolder: "Upload a folder …",
  drop: "Drop to upload",
  dropInto: (way: string) => `into ${way}`,

  running: (count: number) => `Uploading ${files(count)}`,
  paused: (count: number) => `${files(count)} paused`,
  interrupted: (count: number) => (count === 1 ? "1 upload was interrupted" : `${count} uploads were interrupted`),
  unwell: (count: number) => `${files(count)} could not be used`,
  arrived: (count: number) => `${files(count)} uploaded`,
  percent: (percent: number) => `${percent} %`,
  timeLeft: (time: string) => `${time} left`,
  collapse: "Collapse uploads",
  expand: "Expand uploads",
  clear: "Close uploads",
  pauseAll: "Pause all",
  goOnAll: "Resume all",
  pausedMore: (count: number) => `and ${files(count)} more`,
  waitingMore: (count: number) => `and ${files(count)} more waiting`,
  arrivedMore: (count: number) => `${count} more ${count === 1 ? "file was" : "files were"} uploaded before these.`,
  leftOut: (count: number, example: string) =>
    count === 1 ? `“${example}” was skipped: it is not a video.` : `${files(count)}, such as “${example}”, were skipped: they are not videos.`,
  unread: (count: number, example: string) =>
    count === 1
      ? `“${example}” was skipped: the browser cannot read it. Check that it still exists and is readable, then drop it again.`
      : `${count} files or folders, such as “${example}”, were skipped: the browser cannot read them. Check that they still exist and are readable, then drop them again.`,

  states: {
    waiting: "Waiting",
    starting: "Starting …",
    completing: "Sent. The store assembles the file …",
    checking: "Uploaded. Checking the file …",
    done: "Uploaded",
    paused: "Paused",
    held: "Resumes after you sign in",
    elsewhere: "Uploading in another tab",
    interrupted: "Interrupted. Choose or drop the same file again to resume.",
    interruptedHandle: "Interrupted. It can be resumed.",
  },
  sent: (sent: string, all: string) => `${sent} of ${all}`,
  perSecond: (bytes: string) => `${bytes}/s`,
  otherName: (name: string) => `The name was taken. It is stored as “${name}”.`,
  progressOf: (name: string) => `Progress of ${name}`,

  taken: (title: string) => `“${title}” is being converted again with these subtitles.`,
  watch: "Watch",
  pause: (name: string) => `Pause ${name}`,
  goOn: "Resume",
  goOnWith: (name: string) => `Resume ${name}`,
  cancel: (name: string) => `Cancel ${name}`,
  dismiss: (name: string) => `Remove ${name} from the list`,
  choose: "Choose the file",
  chooseFor: (name: string) => `Choose the file ${name}`,
  removeFile: "Remove the file",

  sureTitle: "Cancel this upload?",
  sure: (name: string, sent: string, all: string) => `${sent} of ${all} of “${name}” are uploaded. They will be deleted.`,
  keep: "Keep uploading",
  sureYes: "Cancel the upload",

  otherFile: (name: string) => `This is not the “${name}” that was interrupted.`,
  otherFileHint: "Its name, size or date differs. To upload it as a separate file, drop it on the library.",
  empty: (name: string) => ({ title: `“${name}” is empty.`, hint: "Check that it was saved completely." }),
  forgotten: { title: "The store has lost the upload several times.", hint: "Try again. If that does not help, look at the log of the VoD service." },
  storeRefused: {
    title: "The store refused a part.",
    hint: "Try again. If that does not help, look at the logs of the store and of the proxy in front of it.",
  },
  /** Temporary trouble: the cause, and what the page does about it. */
  trouble: {
    offline: ["Connection lost.", "The upload resumes by itself."],
    storeBusy: ["The store is busy.", "The upload resumes by itself."],
    storeSilent: ["The store does not answer.", "The upload is retried. Check that the store is running, and that it accepts uploads from this address (CORS)."],
  } satisfies Record<string, [string, string]>,

  said: {
    added: (count: number) => `${files(count)} to upload.`,
    arrived: (count: number) => `${files(count)} uploaded.`,
    wrong: (name: string, why: string) => `${name}: ${why}`,
  },
};
