/** What is said on the jobs page. */
import { decimal } from "../shared/format.js";

const count = (number: number, one: string, many: string) => `${decimal(number)} ${number === 1 ? one : many}`;

/** What a task does, by its name: `make:7` is the eighth part. */
function task(name: string): string {
  const [kind, number] = name.split(":");
  const at = decimal(Number(number) + 1);
  const said: Record<string, string> = {
    plan: "looking at the file",
    make: `making part ${at}`,
    seek: `making segment ${at}, which somebody waits for`,
    ahead: `making segment ${at} ahead`,
    commit: "publishing",
    poster: "making the poster",
    storyboard: "making the storyboard",
  };
  return said[kind!] ?? name;
}

export const jobs = {
  title: "Jobs",
  filters: {
    label: "Show",
    all: "All",
    running: "Running",
    queued: "Waiting",
    succeeded: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  states: { running: "Running", queued: "Waiting", succeeded: "Done", failed: "Failed", cancelled: "Cancelled" },
  search: "Search by name",
  list: "Jobs",
  going: "Under way",
  ended: "Ended",
  more: "Show older jobs",
  moreGoing: (number: number) => `Show ${count(number, "more job", "more jobs")} that wait`,
  shown: (number: number) => count(number, "job", "jobs"),
  noSuchJob: "The job that the address names is not known any more. Jobs are kept for a week.",
  lost: "No news from the service.",
  lostHint: "It is tried again by itself; until then what is shown may be old.",
  empty: {
    title: "Nothing has been converted yet",
    text: "A job turns one of your videos into a stream that plays everywhere. It begins by itself when somebody watches a video for the first time, or when you convert one in the library.",
    action: "Go to the library",
    none: {
      running: "Nothing is being converted right now.",
      queued: "Nothing waits.",
      succeeded: "No job is done yet.",
      failed: "No job has failed.",
      cancelled: "No job was cancelled.",
    },
    search: (text: string) => `No job here has “${text}” in its name.`,
    searchHint: "Only what is listed is searched. Older jobs can be shown below.",
  },

  // a row
  progress: (title: string) => `Progress of ${title}`,
  percent: (percent: number) => `${decimal(Math.floor(percent))} %`,
  speed: (speed: number) => `${decimal(speed)}×`,
  speedTitle: "Seconds of video made in a second",
  left: (time: string) => `${time} left`,
  looking: "Looking at the file",
  waits: "waits for a free worker",
  next: "Next to begin",
  position: (position: number) => `Number ${decimal(position)} in the queue`,
  took: (time: string) => `Made in ${time}`,
  moment: "less than a second",
  cancelledAt: (percent: number) => `Cancelled at ${decimal(Math.floor(percent))} %`,
  neverBegun: "Cancelled before it began",
  attempts: (attempts: number) => `Attempt ${attempts}`,
  workers: (names: string[]) => (names.length > 2 ? count(names.length, "worker", "workers") : names.join(", ")),
  priority: (title: string) => `Priority of ${title}`,
  priorities: { high: "High priority", normal: "Normal priority", low: "Low priority" },
  watch: (title: string) => `Watch ${title}`,
  cancel: (title: string) => `Cancel ${title}`,
  retry: (title: string) => `Try ${title} again`,
  cancelled: (title: string) => `${title} was cancelled.`,
  retried: (title: string) => `${title} is made again.`,
  prioritised: (title: string, priority: string) => `${title}: ${priority.toLowerCase()}.`,

  // before it is cancelled
  ask: {
    title: (title: string) => `Cancel ${title}?`,
    text: (percent: number, time: string) =>
      `${decimal(Math.floor(percent))} % of it is made, which took ${time}. What is made so far is thrown away.`,
    keep: "Let it go on",
    cancel: "Cancel the job",
  },

  // an open job
  details: (title: string) => `More about ${title}`,
  replaced: "The file has changed since. Another job converts it as it is now.",
  replacedLink: "Show that job",
  trouble: "A part of it is tried again.",
  code: "Error code",
  facts: {
    id: "Job",
    asset: "File",
    video: "Stream",
    profile: "Profile",
    format: "Segments",
    duration: "Length",
    created: "Asked for",
    started: "Begun",
    finished: "Ended",
    took: "Took",
    attempts: "Attempts",
    workers: "At it now",
  },
  profiles: {
    source: "Copied as it is (source)",
    h264: "Encoded as H.264 (h264)",
    auto: "Copied where possible (auto)",
  } as Record<string, string>,
  formats: { ts: "MPEG-TS", fmp4: "Fragmented MP4" } as Record<string, string>,
  task,
  taskOf: (task: string, worker: string, time: string) => `${task}, on ${worker}, for ${time}`,
  encode: "Encode it instead",
  encodeDone: (video: string) => `${video} is made already.`,
  chunks: "How far it is, part by part",
  segments: (made: number, all: number, running: number) =>
    `${decimal(made)} of ${count(all, "segment", "segments")} made` +
    (running ? `, ${count(running, "part", "parts")} in the making` : ""),
  legend: { made: "Made", running: "In the making", waiting: "Waiting" },
  streams: "What becomes of each stream",
  noStreams: "Known as soon as the file has been looked at.",
  kinds: {
    video: "Video",
    audio: "Audio",
    subtitles: "Subtitles",
    chapters: "Chapters",
    image: "Picture",
    other: "Other",
  } as Record<string, string>,
  actions: { copy: "Copied", encode: "Encoded", leave: "Left out" } as Record<string, string>,
  channels: (channels: number) => count(channels, "channel", "channels"),
  frameRate: (rate: number) => `${decimal(rate)} fps`,
  renditions: "Renditions",
  bits: (bits: number) => `${decimal(bits / 1e6)} Mbit/s`,
  changedSince: "The file or its streams have changed since: these are of what would be made now.",
  command: "The ffmpeg command",
  copyCommand: "Copy the command",
  said: "What ffmpeg said last",
  saidNothing: "Nothing: it has found nothing to complain about.",

  // the fleet
  fleet: {
    title: "Workers",
    none: "No worker",
    workers: (number: number) => count(number, "worker", "workers"),
    slots: (busy: number, slots: number) =>
      busy ? `${decimal(busy)} of ${count(slots, "slot", "slots")} busy` : `${count(slots, "slot", "slots")} free`,
    waiting: (number: number) => (number ? `${count(number, "task waits", "tasks wait")}` : "nothing waits"),
    idle: "idle",
    speed: (speed: number) => `${decimal(speed)} s of video a second`,
    trend: (most: number) => `Speed over the last minute, at most ${decimal(most)} s of video a second`,
    more: "Workers and queues",
    workersTitle: "Workers",
    queuesTitle: "Queues",
    free: "Nothing to do",
    host: (host: string) => `on ${host}`,
    serves: (queues: string[]) => `serves ${queues.join(", ")}`,
    since: (time: string) => `for ${time}`,
    tasks: (number: number) => count(number, "task", "tasks"),
    queues: {
      interactive: "somebody waits for these",
      ahead: "what viewers are likely to ask for next",
      high: "conversions of high priority",
      batch: "conversions of normal priority",
      low: "conversions of low priority",
    } as Record<string, string>,
  },
};
