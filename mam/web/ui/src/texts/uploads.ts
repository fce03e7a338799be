/** What is said of uploads. */
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
  collapse: "Fold the uploads",
  expand: "Unfold the uploads",
  clear: "Close the uploads",
  pauseAll: "Pause all",
  goOnAll: "Go on with all",
  pausedMore: (count: number) => `and ${files(count)} more`,
  waitingMore: (count: number) => `and ${files(count)} more, which wait for their turn`,
  arrivedMore: (count: number) => `${count} more ${count === 1 ? "file has" : "files have"} arrived before these.`,
  leftOut: (count: number, example: string) =>
    count === 1 ? `“${example}” was left out: it is not a video.` : `${files(count)}, such as “${example}”, were left out: they are not videos.`,
  unread: (count: number, example: string) =>
    count === 1
      ? `“${example}” was left out: the browser cannot read it. Check that it is still there and may be read, then drop it again.`
      : `${count} files or folders, such as “${example}”, were left out: the browser cannot read them. Check that they are still there and may be read, then drop them again.`,

  states: {
    waiting: "Waiting for its turn",
    starting: "Starting …",
    completing: "Sent; the store puts it together …",
    checking: "Uploaded; checking whether it is a video …",
    done: "Uploaded",
    paused: "Paused",
    held: "Goes on once you have signed in",
    elsewhere: "Another tab is sending it",
    interrupted: "Interrupted. Choose or drop the same file again to go on.",
    interruptedHandle: "Interrupted; it can go on.",
  },
  sent: (sent: string, all: string) => `${sent} of ${all}`,
  perSecond: (bytes: string) => `${bytes}/s`,
  otherName: (name: string) => `Its name was taken: it is “${name}” there.`,
  progressOf: (name: string) => `Progress of ${name}`,

  taken: (title: string) => `“${title}” is being converted again with these subtitles.`,
  watch: "Watch",
  pause: (name: string) => `Pause ${name}`,
  goOn: "Go on",
  goOnWith: (name: string) => `Go on with ${name}`,
  cancel: (name: string) => `Cancel ${name}`,
  dismiss: (name: string) => `Take ${name} from the list`,
  choose: "Choose the file",
  chooseFor: (name: string) => `Choose the file ${name}`,
  removeFile: "Remove the file",

  sureTitle: "Cancel this upload?",
  sure: (name: string, sent: string, all: string) => `Of “${name}” ${sent} of ${all} have arrived. They are thrown away.`,
  keep: "Keep it",
  sureYes: "Cancel the upload",

  otherFile: (name: string) => `That is not the “${name}” that was interrupted.`,
  otherFileHint: "Its name, size or date is another. Drop it on the library to upload it as a file of its own.",
  empty: (name: string) => ({ title: `“${name}” is empty.`, hint: "Check that it was saved whole." }),
  forgotten: { title: "The store forgets the upload again and again.", hint: "Try it once more; look at the log of the VoD service." },
  storeRefused: {
    title: "The store refused a part.",
    hint: "Try it once more; if that does not help, look at the log of the store, and of the proxy before it.",
  },
  /** What passes by itself: what it is, and what happens meanwhile. */
  trouble: {
    offline: ["No connection.", "It goes on by itself."],
    storeBusy: ["The store is busy.", "It goes on by itself."],
    storeSilent: ["The store does not answer.", "It is tried again; check that it runs, and lets pages of this address send files (CORS)."],
  } satisfies Record<string, [string, string]>,

  said: {
    added: (count: number) => `${files(count)} to upload.`,
    arrived: (count: number) => `${files(count)} uploaded.`,
    wrong: (name: string, why: string) => `${name}: ${why}`,
  },
};
