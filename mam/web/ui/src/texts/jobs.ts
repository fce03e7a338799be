/** Texts of the jobs page. */
import { decimal } from "../shared/format.js";

const count = (number: number, one: string, many: string) => `${decimal(number)} ${number === 1 ? one : many}`;

/** Describes a task by its name: `make:7` is the eighth part. */
function task(name: string): string {
  const [kind, number] = name.split(":");
  const at = decimal(Number(number) + 1);
  const tasks: Record<string, string> = {
    plan: "reading the file",
    make: `converting part ${at}`,
    seek: `converting segment ${at}, a viewer is waiting`,
    ahead: `converting segment ${at} ahead`,
    commit: "publishing",
    poster: "creating the poster",
    storyboard: "creating the storyboard",
  };
  return tasks[kind!] ?? name;
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
  going: "Active",
  ended: "Ended",
  more: "Show older jobs",
  moreGoing: (number: number) => `Show ${count(number, "more active job", "more active jobs")}`,
  shown: (number: number) => count(number, "job", "jobs"),
  noSuchJob: "This job no longer exists. Jobs are kept for a week.",
  lost: "Connection lost",
  lostHint: "The page reconnects by itself. Until then, the list may be out of date.",
  empty: {
    title: "No jobs yet",
    text: "A job converts one of your videos into a stream that plays everywhere. It starts when a video is watched for the first time, or when you convert one in the library.",
    action: "Go to the library",
    none: {
      running: "No job is running.",
      queued: "Queue is empty.",
      succeeded: "No job is done yet.",
      failed: "No job has failed.",
      cancelled: "No job was cancelled.",
    },
    search: (text: string) => `No job matches “${text}”.`,
    searchHint: "Only the jobs in the list are searched. You can show older jobs below.",
  },

  // a row
  progress: (title: string) => `Progress of ${title}`,
  percent: (percent: number) => `${decimal(Math.floor(percent))} %`,
  speed: (speed: number) => `${decimal(speed)}×`,
  speedTitle: "Seconds of video converted per second",
  left: (time: string) => `${time} left`,
  looking: "Reading the file",
  waits: "waiting for a free worker",
  next: "Next in the queue",
  position: (position: number) => `Number ${decimal(position)} in the queue`,
  took: (time: string) => `Took ${time}`,
  moment: "less than a second",
  cancelledAt: (percent: number) => `Cancelled at ${decimal(Math.floor(percent))} %`,
  neverBegun: "Cancelled before it started",
  attempts: (attempts: number) => `Attempt ${attempts}`,
  workers: (names: string[]) => (names.length > 2 ? count(names.length, "worker", "workers") : names.join(", ")),
  priority: (title: string) => `Priority of ${title}`,
  priorities: { high: "High priority", normal: "Normal priority", low: "Low priority" },
  watch: (title: string) => `Watch ${title}`,
  cancel: (title: string) => `Cancel ${title}`,
  retry: (title: string) => `Try ${title} again`,
  cancelled: (title: string) => `${title} was cancelled.`,
  retried: (title: string) => `${title} is converted again.`,
  prioritised: (title: string, priority: string) => `${title}: ${priority.toLowerCase()}.`,

  // before it is cancelled
  ask: {
    title: (title: string) => `Cancel ${title}?`,
    text: (percent: number, time: string) =>
      `${decimal(Math.floor(percent))} % is converted, after ${time}. This work will be lost.`,
    keep: "Keep it running",
    cancel: "Cancel the job",
  },

  // an open job
  details: (title: string) => `More about ${title}`,
  replaced: "The file has changed. A newer job converts its current version.",
  replacedLink: "Show the newer job",
  trouble: "A task failed and is being retried.",
  code: "Error code",
  facts: {
    id: "Job",
    asset: "File",
    video: "Stream",
    profile: "Profile",
    rendition: "Rendition",
    format: "Segments",
    duration: "Length",
    created: "Created",
    started: "Started",
    finished: "Ended",
    took: "Took",
    attempts: "Attempts",
    workers: "Current tasks",
  },
  profiles: {
    source: "Copied as it is (source)",
    h264: "Encoded as H.264 (h264)",
    auto: "Copied where possible (auto)",
    ladder: "Copied where possible, smaller pictures on request (ladder)",
  } as Record<string, string>,
  ladder: "Qualities",
  making: { promised: "made on demand", making: "converting", made: "made" },
  rung: (name: string) => `${name.slice(1)} lines (${name})`,
  formats: { ts: "MPEG-TS", fmp4: "Fragmented MP4" } as Record<string, string>,
  task,
  taskOf: (task: string, worker: string, time: string) => `${task}, on ${worker}, for ${time}`,
  encode: "Encode it instead",
  encodeDone: (video: string) => `${video} already exists.`,
  chunks: "Progress by part",
  segments: (made: number, all: number, running: number) =>
    `${decimal(made)} of ${count(all, "segment", "segments")} done` +
    (running ? `, ${count(running, "part", "parts")} running` : ""),
  legend: { made: "Done", running: "Running", waiting: "Waiting" },
  streams: "Streams",
  noStreams: "Shown once the file has been read.",
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
  changedSince: "The file or its stream has changed. A new conversion would have these renditions.",
  command: "The ffmpeg command",
  copyCommand: "Copy the command",
  said: "Last output of ffmpeg",
  saidNothing: "ffmpeg has printed nothing.",

  // the fleet
  fleet: {
    title: "Workers",
    none: "No worker",
    workers: (number: number) => count(number, "worker", "workers"),
    slots: (busy: number, slots: number) =>
      busy ? `${decimal(busy)} of ${count(slots, "slot", "slots")} busy` : `${count(slots, "slot", "slots")} free`,
    waiting: (number: number) => (number ? count(number, "task waiting", "tasks waiting") : "queue is empty"),
    idle: "idle",
    speed: (speed: number) => `${decimal(speed)} s of video per second`,
    trend: (most: number) => `Speed over the last minute, at most ${decimal(most)} s of video per second`,
    more: "Workers and queues",
    workersTitle: "Workers",
    queuesTitle: "Queues",
    free: "Idle",
    host: (host: string) => `on ${host}`,
    serves: (queues: string[]) => `serves ${queues.join(", ")}`,
    since: (time: string) => `for ${time}`,
    tasks: (number: number) => count(number, "task", "tasks"),
    queues: {
      interactive: "a viewer is waiting",
      ahead: "the next segments for viewers",
      high: "high-priority conversions",
      batch: "normal-priority conversions",
      low: "low-priority conversions",
    } as Record<string, string>,
  },
};
