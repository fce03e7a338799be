/** One upload as a row of the tray. */
import { html, nothing, type TemplateResult } from "lit";
import { bytes, duration } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { texts } from "../texts/index.js";
import type { Upload } from "./upload.js";

/** The actions of an upload. */
export interface Acts {
  choose(upload: Upload): void;
  goOn(upload: Upload): void;
  remove(upload: Upload): void;
  dismiss(upload: Upload): void;
}

const WITH_BAR = ["starting", "sending", "completing", "paused", "held", "interrupted", "elsewhere"];

export function row(upload: Upload, acts: Acts): TemplateResult {
  const { uploads } = texts;
  const { state, otherName, name } = upload;
  const percent = Math.min(100, Math.floor((100 * upload.bytes) / upload.size));
  const hasBar = WITH_BAR.includes(state) && upload.bytes > 0;
  return html`<li class="upload is-${state}">
    <span class="upload-icon">${icon(iconOf(upload))}</span>
    <div class="upload-text">
      <p class="upload-name" title=${`${upload.folder}${name}`}>${name}</p>
      ${hasBar
        ? html`<div class="bar" role="progressbar" aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100"
            aria-label=${uploads.progressOf(name)}><span .style=${`width: ${percent}%`}></span></div>`
        : nothing}
      ${status(upload)}
      ${otherName && state !== "refused" ? html`<p class="quiet">${uploads.otherName(otherName)}</p>` : nothing}
      ${mainAct(upload, acts)}
    </div>
    <div class="upload-acts">${smallActs(upload, acts)}</div>
  </li>`;
}

function iconOf({ state }: Upload): "check" | "warning" | "pause" | "film" | "upload" {
  if (state === "done" || state === "checking") return "check";
  if (["bad", "refused", "failed", "interrupted"].includes(state)) return "warning";
  if (state === "paused" || state === "held") return "pause";
  return state === "waiting" ? "film" : "upload";
}

function status(upload: Upload): TemplateResult {
  const { states } = texts.uploads;
  const { state, problem, verdict, trouble } = upload;
  if (state === "bad" && verdict && !verdict.ok) return fault(verdict.message, verdict.hint);
  if ((state === "refused" || state === "failed") && problem) return fault(problem.detail || problem.title, problem.hint);
  if (trouble) return html`<p class="upload-trouble"><strong>${trouble.title}</strong> ${trouble.hint}</p>`;
  if (state === "sending") return html`<p class="quiet number">${progress(upload)}</p>`;
  const said = state === "interrupted" && upload.handle ? states.interruptedHandle : states[state as keyof typeof states];
  return html`<p class="quiet number">${[said, ...more(upload)].join(" · ")}</p>`;
}

function fault(message: string, hint: string): TemplateResult {
  return html`<p><strong class="error">${message}</strong> <span class="quiet">${hint}</span></p>`;
}

function progress(upload: Upload): string {
  const { uploads } = texts;
  const [speed, left] = [upload.speed.value, upload.secondsLeft];
  return [
    uploads.sent(bytes(upload.bytes), bytes(upload.size)),
    ...(speed ? [uploads.perSecond(bytes(speed))] : []),
    ...(left !== null ? [uploads.timeLeft(duration(left))] : []),
  ].join(" · ");
}

function more({ state, verdict, size, bytes: arrived }: Upload): string[] {
  if (state === "done") return [bytes(size), ...(verdict?.ok ? [duration(verdict.duration)] : [])];
  if (["paused", "held", "interrupted"].includes(state) && arrived) return [texts.uploads.sent(bytes(arrived), bytes(size))];
  return [bytes(size)];
}

/** The next action, if the upload waits for the user. */
function mainAct(upload: Upload, acts: Acts): TemplateResult | typeof nothing {
  const { uploads } = texts;
  const { state, name, handle } = upload;
  const button = (text: string, label: string, act: (upload: Upload) => void, kind = "") =>
    html`<button class="button ${kind}" aria-label=${label} @click=${() => act(upload)}>${text}</button>`;
  if (state === "bad") return button(uploads.removeFile, `${uploads.removeFile} ${name}`, acts.remove, "is-danger");
  if (state === "failed") return button(texts.retry, `${texts.retry}: ${name}`, acts.goOn);
  if (state !== "interrupted") return nothing;
  return handle
    ? button(uploads.goOn, uploads.goOnWith(name), acts.goOn)
    : button(uploads.choose, uploads.chooseFor(name), acts.choose);
}

function smallActs(upload: Upload, acts: Acts): TemplateResult {
  const { uploads } = texts;
  const { state, name, view } = upload;
  const isQuiet = ["done", "checking", "bad", "refused"].includes(state); // removing the row deletes nothing
  const button = (kind: "pause" | "play" | "close", label: string, act: () => void) =>
    html`<button class="icon-button" aria-label=${label} title=${label} @click=${act}>${icon(kind)}</button>`;
  const isAsset = state === "done" || state === "checking";
  return html`
    ${isAsset && view?.watch
      ? html`<a class="button" href=${view.watch} aria-label=${`${uploads.watch} ${name}`}>${icon("play")}${uploads.watch}</a>`
      : nothing}
    ${["waiting", "starting", "sending"].includes(state) ? button("pause", uploads.pause(name), () => upload.pause()) : nothing}
    ${state === "paused" ? button("play", uploads.goOnWith(name), () => acts.goOn(upload)) : nothing}
    ${isQuiet ? button("close", uploads.dismiss(name), () => acts.dismiss(upload)) : nothing}
    ${state === "elsewhere" ? button("close", uploads.dismiss(name), () => acts.remove(upload)) : nothing}
    ${isQuiet || state === "elsewhere" || state === "completing" ? nothing : button("close", uploads.cancel(name), () => acts.remove(upload))}
  `;
}
