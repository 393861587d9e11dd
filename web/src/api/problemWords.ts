import { Problem } from "./problem";
import type { ProblemCode } from "./types";

type Words = string | ((problem: Problem) => string);

/** What each problem means to a person who did something on the page, and what to do about it. */
export const PROBLEM_WORDS: Record<ProblemCode, Words> = {
  bad_request: withDetail("The service did not understand this. Reload the page and try again."),
  no_file: "Choose a file first.",
  several_files: "Send one file at a time.",
  empty_file: "The file is empty. Check that it was copied completely.",
  incomplete_upload: "The upload broke off. Try again.",
  unknown_option: withDetail("One of the settings is not known here. Reload the page and try again."),
  bad_option: withDetail("One of the settings has a value that does not work."),
  bad_cursor: "The list has changed. Reload the page.",
  bad_email: "That does not look like an e-mail address. Check it for typing errors.",
  bad_password: "A password has 8 to 128 characters.",
  common_password: "Everybody tries this password first. Choose one that is harder to guess.",
  bad_or_expired_token: "This link does not work any more: it was used, or is too old. Ask for a new one.",
  oidc_failed: "Signing in there did not work. Try again, or sign in with your password.",
  oidc_denied: "You did not allow it there. Try again, or sign in with your password.",
  no_token: "Sign in first.",
  invalid_token: "Your session has ended. Sign in again.",
  expired_token: "Your session has ended. Sign in again.",
  wrong_credentials: "The address and the password don’t go together. Check both, or set a new password.",
  invalid_refresh_token: "Your session has ended. Sign in again.",
  wrong_password: "That is not your password.",
  account_disabled: "This account is closed. Ask whoever runs this service.",
  address_not_verified: "Confirm your address first: the link is in the mail that we sent you.",
  cross_site: "The browser says that another site asked for this. Open this page directly.",
  scope_missing: "This needs a sign-in with your password, not a key.",
  admin_only: "This is for administrators.",
  storage_full: withDetail("Your files take up all the room that you have. Delete some that you don’t need."),
  not_found: "It is not there any more.",
  method_not_allowed: "The service does not do this. Reload the page and try again.",
  request_timeout: "It took too long to arrive. Check your connection and try again.",
  not_retryable: "This one can’t be tried again, because its video is gone. Drop the video once more.",
  wrong_offset: "The upload went on somewhere else. Try again.",
  too_many_keys: "You have as many keys as one can have. Delete one that you don’t use.",
  gone: "It has expired.",
  unsupported_tus_version: "The page is older than the service. Reload it.",
  too_large: "The file is larger than this service takes.",
  unsupported_media_type: "The service does not take this. Reload the page and try again.",
  range_not_satisfiable: "That place is not in the file.",
  upload_locked: "Another window is sending this file right now.",
  too_many_requests: "That was a bit much at once. Wait a minute and try again.",
  too_many_jobs: withDetail("Too many of your videos are still waiting. Let some of them get done first."),
  daily_limit: withDetail("You have converted as much as one can in a day. Come back tomorrow."),
  checksum_mismatch: "Something was damaged on the way. Try again.",
  internal: ({ requestId }) =>
    `Something went wrong on our side. Try again${requestId ? `; if it stays, tell whoever runs this service the number ${requestId}` : ""}.`,
  unavailable: "A part of the service is away for the moment. Try again soon.",
  insufficient_storage: "The service has no room for more files at the moment. Try again later.",
};

/** A sentence for a person about anything that was thrown. */
export function wordsFor(error: unknown): string {
  if (!(error instanceof Problem)) return "Something unexpected happened. Reload the page and try again.";
  if (error.code === "no_connection") return "There is no connection to the service. Check your network.";
  if (error.code === "unknown") return `The service could not do this (${error.status}). Try again soon.`;
  // A service newer than this page may have a code that the page was not built with; its title is written for people.
  const words = (PROBLEM_WORDS as Partial<Record<string, Words>>)[error.code] ?? error.message;
  return typeof words === "string" ? words : words(error);
}

function withDetail(words: string): (problem: Problem) => string {
  return ({ detail }) => (detail ? `${words} (${detail})` : words);
}
