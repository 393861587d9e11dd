import { bytes } from "../ui/format";

/** What a file's name or type gives away of it, where that is enough to say that it is neither video nor sound. */
const NO_MEDIA: [RegExp, string][] = [
  [/^image\//, "a picture"],
  [/^text\/|^application\/(json|xml|javascript)/, "a text file"],
  [/^application\/pdf/, "a document"],
  [/msword|officedocument|opendocument|rtf/, "a document"],
  [/zip|compressed|x-tar|x-rar/, "an archive; unpack it first"],
  [/^font\//, "a font"],
  [/x-msdownload|x-executable|x-sh|x-apple-diskimage/, "a program"],
];

interface Candidate {
  name: string;
  size: number;
  type: string;
}

/** Why a file need not be sent, in a sentence; `undefined` if only the service can tell. */
export function refusal(file: Candidate, maxBytes: number | undefined): string | undefined {
  const kind = NO_MEDIA.find(([pattern]) => pattern.test(file.type))?.[1];
  // `.ts` is a television recording to us and TypeScript to some systems.
  if (kind !== undefined && !/\.(ts|mts|m2ts)$/i.test(file.name))
    return `It is ${kind}. Mixdown takes videos and sound files.`;
  if (file.size === 0) return "It is empty. Check that it was copied completely.";
  if (maxBytes !== undefined && file.size > maxBytes) {
    return `It has ${bytes(file.size)}, and this service takes ${bytes(maxBytes)} at most. Cut it, or make it smaller first.`;
  }
  return undefined;
}

/** Whether a file out of a dropped folder is meant at all: nobody wants to hear about each cover picture and `.DS_Store`. */
export function isLikelyMedia(file: Candidate): boolean {
  if (file.name.startsWith(".")) return false;
  return (
    /^(video|audio)\//.test(file.type) ||
    /\.(mkv|avi|flv|wmv|mts|m2ts|ts|vob|mxf|opus|ogv|ogg|3gp|amr|caf|ape)$/i.test(file.name)
  );
}
