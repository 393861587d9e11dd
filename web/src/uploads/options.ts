import type { AudioFormat, UploadForm } from "../api/types";
import { read, write } from "../ui/storage";

/** What is asked for, as it stands in the form: texts, empty where nothing was chosen. */
export interface Options {
  format: AudioFormat;
  /** `V0`–`V9` for MP3, or a bit rate in kbit/s; empty for the format's default. */
  quality: string;
  sampleRate: string;
  channels: string;
  start: string;
  end: string;
  track: string;
  normalize: string;
  title: string;
  artist: string;
  album: string;
  /** `auto`, `none`, or the time of a frame. */
  cover: string;
  metadata: "keep" | "strip";
  isSequential: boolean;
}

export const DEFAULTS: Options = {
  format: "mp3",
  quality: "",
  sampleRate: "",
  channels: "",
  start: "",
  end: "",
  track: "",
  normalize: "",
  title: "",
  artist: "",
  album: "",
  cover: "auto",
  metadata: "keep",
  isSequential: false,
};

interface FormatFacts {
  name: string;
  about: string;
  qualities: [value: string, label: string][];
  rates: readonly SampleRate[];
  holdsCover: boolean;
}

type NumberIn<Text> = Text extends `${infer Value extends number}` ? Value : never;
// What the interface takes: a value that it does not list is a type error here.
type SampleRate = NumberIn<UploadForm["sample_rate"]>;
type Bitrate = NumberIn<UploadForm["bitrate"]>;

const RATES: SampleRate[] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
const kbit = (value: Bitrate): [string, string] => [String(value), `${value} kbit/s`];

/** What each format offers; what does not go together is not offered. */
export const FORMATS: Record<AudioFormat, FormatFacts> = {
  mp3: {
    name: "MP3",
    about: "plays everywhere",
    qualities: [
      ["V0", "Best (V0, large)"],
      ["", "Very good (V2)"],
      ["V4", "Good (V4)"],
      ["V6", "Small (V6)"],
      ["V9", "Smallest (V9)"],
      ...([320, 256, 192, 160, 128, 96, 64] as const).map(kbit),
    ],
    rates: RATES,
    holdsCover: true,
  },
  m4a: {
    name: "M4A",
    about: "for Apple devices; often no loss at all",
    qualities: [["", "Very good (160 kbit/s)"], ...([320, 256, 192, 128, 96, 64] as const).map(kbit)],
    rates: [...RATES, 96000],
    holdsCover: true,
  },
  opus: {
    name: "Opus",
    about: "small and good, for new players",
    qualities: [["", "Very good (128 kbit/s)"], ...([256, 192, 160, 96, 64, 48, 32] as const).map(kbit)],
    rates: [8000, 12000, 16000, 24000, 48000],
    holdsCover: false,
  },
  flac: { name: "FLAC", about: "nothing lost, large", qualities: [], rates: [...RATES, 96000], holdsCover: true },
  wav: { name: "WAV", about: "for editing, very large", qualities: [], rates: [...RATES, 96000], holdsCover: false },
};

/** MP3 at low sample rates takes low bit rates only, by its standard. */
export function offeredRates({ format, quality }: Options): number[] {
  const bitrate = /^\d+$/.test(quality) && format === "mp3" ? Number(quality) : 0;
  return FORMATS[format].rates.filter((rate) => {
    if (rate < 16000) return bitrate <= 64;
    if (rate < 32000) return bitrate <= 160;
    return true;
  });
}

/** The options with everything taken out that does not go with the format. */
export function tidy(options: Options): Options {
  const facts = FORMATS[options.format];
  const tidied = { ...options };
  if (!facts.qualities.some(([value]) => value === tidied.quality)) tidied.quality = "";
  if (tidied.sampleRate !== "" && !offeredRates(tidied).includes(Number(tidied.sampleRate))) tidied.sampleRate = "";
  if (!facts.holdsCover) tidied.cover = "auto";
  if (tidied.format !== "mp3") tidied.isSequential = false;
  return tidied;
}

/** Seconds of `62.5` or `1:02.5` or `00:01:02.500`; `undefined` if it is none of these. */
export function position(text: string): number | undefined {
  const match = /^(?:(?:(\d{1,3}):)?(\d{1,2}):)?(\d{1,6}(?:\.\d{1,6})?)$/.exec(text.trim());
  if (!match) return undefined;
  const [, hours, minutes, seconds] = match;
  if (minutes !== undefined && (Number(seconds) >= 60 || (hours !== undefined && Number(minutes) >= 60)))
    return undefined;
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds);
}

/** What is wrong with the options, by field. */
export function complaints(options: Options): Partial<Record<keyof Options, string>> {
  const found: Partial<Record<keyof Options, string>> = {};
  for (const field of ["start", "end"] as const) {
    if (options[field] !== "" && position(options[field]) === undefined)
      found[field] = "Write seconds, or minutes like 1:30.";
  }
  const end = position(options.end);
  if (!found.start && !found.end && end !== undefined && end <= (position(options.start) ?? 0)) {
    found.end = "The end must come after the start.";
  }
  if (!["", "auto", "none"].includes(options.cover) && position(options.cover) === undefined) {
    found.cover = "Write the time of a frame, like 0:12.";
  }
  if (!/^(\d{0,4}|[a-z]{2,3}(-[a-z\d]{1,8})*)$/i.test(options.track.trim()) || options.track.trim().length > 35)
    found.track = "Write 0 for the first track, a language like en or pt-BR, or all.";
  return found;
}

/** The fields that are sent with an upload, under the names of the interface. */
export function fieldsOf(given: Options): Record<string, string> {
  const options = tidy(given);
  const isBitrate = /^\d+$/.test(options.quality);
  // An option of the interface that is missing here is a type error.
  const fields: Record<Exclude<keyof UploadForm, "file">, string> = {
    format: options.format === "mp3" ? "" : options.format,
    quality: isBitrate ? "" : options.quality,
    bitrate: isBitrate ? options.quality : "",
    encoder: options.isSequential ? "sequential" : "",
    sample_rate: options.sampleRate,
    channels: options.channels,
    start: options.start.trim(),
    end: options.end.trim(),
    track: options.track.trim(),
    normalize: options.normalize,
    title: options.title.trim(),
    artist: options.artist.trim(),
    album: options.album.trim(),
    cover: options.cover === "auto" ? "" : options.cover.trim(),
    metadata: options.metadata === "strip" ? "strip" : "",
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** The choice in one line, as it stands on the folded panel. */
export function summary(given: Options): string {
  const options = tidy(given);
  const facts = FORMATS[options.format];
  const quality = facts.qualities.find(([value]) => value === options.quality)?.[1];
  const parts = [facts.name, quality?.toLowerCase().replace(/\(v/, "(V")];
  if (options.start || options.end) parts.push(`from ${options.start || "the start"} to ${options.end || "the end"}`);
  if (options.normalize) parts.push(`loudness ${options.normalize} LUFS`);
  if (options.channels === "1") parts.push("mono");
  return parts.filter(Boolean).join(", ");
}

const KEY = "mixdown.options";

/** The options of last time. What belongs to one video, such as its title, is not remembered. */
export function rememberedOptions(): Options {
  return tidy({ ...DEFAULTS, ...read<Partial<Options>>(KEY, {}), title: "", start: "", end: "", track: "" });
}

export function rememberOptions(options: Options): void {
  write(KEY, options);
}
