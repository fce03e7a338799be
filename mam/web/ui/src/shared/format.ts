/** Numbers, sizes and times as text. */
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** `bytes` as 1.4 GB: decimal units, as stores count. */
export function bytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${number.format(value)} ${units[unit]}`;
}

/** `seconds` as 1:23:45 or 0:07. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Unix `seconds` as a date. */
export function date(seconds: number): string {
  return day.format(seconds * 1000);
}

export function dateTime(seconds: number): string {
  return moment.format(seconds * 1000);
}

/** Unix `seconds` as "3 minutes ago". */
export function ago(seconds: number, now = Date.now() / 1000): string {
  const left = seconds - now;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, length] = units.find(([, length]) => Math.abs(left) >= length) ?? units[3]!;
  return relative.format(Math.round(left / length), unit);
}

export function decimal(value: number): string {
  return number.format(value);
}
