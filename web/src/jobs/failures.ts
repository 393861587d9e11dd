import type { FailureCode } from "../api/types";

interface FailureWords {
  /** What is wrong, in plain words. */
  what: string;
  /** What the person can do about it. */
  todo: string;
  /** Whether trying the same video again can end otherwise. */
  isWorthRetrying: boolean;
}

/** The one table of reasons why a conversion failed. */
export const FAILURES: Record<FailureCode, FailureWords> = {
  not_a_media_file: {
    what: "This is not a video or audio file that we recognise.",
    todo: "Does it play on your own device? If it does, save it as MP4 there and drop that one.",
    isWorthRetrying: false,
  },
  no_audio_track: {
    what: "This video has no sound.",
    todo: "Nothing can be taken out of a silent film. Perhaps there is another version with sound?",
    isWorthRetrying: false,
  },
  damaged: {
    what: "The file is damaged: its sound breaks off before the end.",
    todo: "Copy or download it once more and drop the new copy.",
    isWorthRetrying: false,
  },
  unsupported_format: {
    what: "The sound is in a format that we can’t read.",
    todo: "Save the video as MP4 with a video program and drop that one.",
    isWorthRetrying: false,
  },
  unsuitable_format: {
    what: "The sound does not fit into the format that you asked for.",
    todo: "Choose MP3 or FLAC, and drop the video again.",
    isWorthRetrying: false,
  },
  no_such_track: {
    what: "The video does not have the audio track that you asked for.",
    todo: "Open “Change settings”, clear “Audio track”, and drop the video again.",
    isWorthRetrying: false,
  },
  empty_selection: {
    what: "There is no sound between the start and the end that you set.",
    todo: "The video is shorter than that. Change or clear start and end and drop it again.",
    isWorthRetrying: false,
  },
  too_long: {
    what: "The video is longer than this service takes.",
    todo: "Set a start and an end to take a part of it, and drop it again.",
    isWorthRetrying: false,
  },
  audio_too_large: {
    what: "The audio file would be too large.",
    todo: "Choose MP3, or a lower quality, and drop the video again.",
    isWorthRetrying: false,
  },
  file_too_large: {
    what: "Converting this file takes more disk space than this service has.",
    todo: "Cut the video into shorter parts, or save it with a lower quality, and drop those.",
    isWorthRetrying: false,
  },
  too_many_tracks: {
    what: "The file has more tracks than we can look at.",
    todo: "Save it with just one audio track and drop that one.",
    isWorthRetrying: false,
  },
  too_complex: {
    what: "Reading this file takes more memory than there is.",
    todo: "Save the video as MP4 with a video program and drop that one.",
    isWorthRetrying: false,
  },
  timed_out: {
    what: "The conversion took too long and was stopped.",
    todo: "The service may have been busy. Try it again, or set a start and an end to take a part.",
    isWorthRetrying: true,
  },
  interrupted: {
    what: "The conversion was interrupted several times.",
    todo: "That was our fault, not the video’s. Try it again.",
    isWorthRetrying: true,
  },
};

/** The words for a code, also for one that is newer than this page. */
export function failureWords(code: string, text: string): FailureWords {
  const known = (FAILURES as Partial<Record<string, FailureWords>>)[code];
  return known ?? { what: text, todo: "Try it again, or try another video.", isWorthRetrying: true };
}
