import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { SignedLink } from "../api/types";

export interface PlayerState {
  /** The job whose sound it is. */
  jobId: string | undefined;
  isPlaying: boolean;
  isLoading: boolean;
  seconds: number;
  error: string | undefined;
}

const SILENT: PlayerState = { jobId: undefined, isPlaying: false, isLoading: false, seconds: 0, error: undefined };
/** Long enough for an audio book; the link is asked for again when it is over. */
const LINK_SECONDS = 12 * 3600;

/** The one sound of the page: who starts another stops this one. */
class Player {
  #state = SILENT;
  #audio: HTMLAudioElement | undefined;
  #linkExpiresAt = 0;
  /** Counts starts: an answer that comes after the next start is nobody's. */
  #turn = 0;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): PlayerState => this.#state;

  async toggle(jobId: string): Promise<void> {
    if (this.#state.jobId !== jobId) return this.#start(jobId, 0);
    if (this.#state.isPlaying) {
      this.#audio?.pause();
      return;
    }
    if (this.#state.error !== undefined || Date.now() > this.#linkExpiresAt)
      return this.#start(jobId, this.#state.seconds);
    await this.#play();
  }

  /** Goes to a place, and begins to play if another sound was on. */
  async seek(jobId: string, seconds: number): Promise<void> {
    if (this.#state.jobId !== jobId) return this.#start(jobId, seconds);
    if (this.#audio) this.#audio.currentTime = seconds;
    this.#become({ seconds });
  }

  /** Silence, for instance because the file was deleted. */
  stop(jobId?: string): void {
    if (jobId !== undefined && this.#state.jobId !== jobId) return;
    this.#turn += 1;
    this.#audio?.pause();
    this.#audio?.removeAttribute("src");
    this.#audio = undefined;
    this.#state = SILENT;
    this.#publish();
  }

  async #start(jobId: string, seconds: number): Promise<void> {
    this.stop();
    const turn = this.#turn;
    this.#become({ jobId, seconds, isLoading: true, error: undefined });
    try {
      const link = await call<SignedLink>(`/jobs/${jobId}/link`, {
        method: "POST",
        body: { expires_in_seconds: LINK_SECONDS },
      });
      if (turn !== this.#turn) return;
      this.#linkExpiresAt = Date.parse(link.expires_at);
      this.#audio = this.#element(turn, link.url, seconds);
      await this.#play();
    } catch (error) {
      if (turn === this.#turn) this.#become({ isLoading: false, error: wordsFor(error) });
    }
  }

  #element(turn: number, url: string, seconds: number): HTMLAudioElement {
    const { pathname, search } = new URL(url, location.href);
    const address = new URLSearchParams(search);
    address.set("inline", "1");
    // Our own origin, whatever name of the service the person has used.
    const audio = new Audio(`${pathname}?${address}`);
    audio.preload = "auto";
    if (seconds > 0) audio.currentTime = seconds;
    const own = (listener: () => void) => () => turn === this.#turn && listener();
    audio.addEventListener(
      "timeupdate",
      own(() => this.#become({ seconds: audio.currentTime })),
    );
    audio.addEventListener(
      "playing",
      own(() => this.#become({ isPlaying: true, isLoading: false, error: undefined })),
    );
    audio.addEventListener(
      "waiting",
      own(() => this.#become({ isLoading: true })),
    );
    audio.addEventListener(
      "pause",
      own(() => this.#become({ isPlaying: false, isLoading: false })),
    );
    audio.addEventListener(
      "ended",
      own(() => this.#become({ isPlaying: false, seconds: 0 })),
    );
    audio.addEventListener(
      "error",
      own(() => this.#broke()),
    );
    return audio;
  }

  #broke(): void {
    const { jobId, seconds } = this.#state;
    // The link's time is over: the same place by a new one.
    if (jobId !== undefined && Date.now() > this.#linkExpiresAt) void this.#start(jobId, seconds);
    else
      this.#become({
        isPlaying: false,
        isLoading: false,
        error: "It can’t be played just now. Try again, or download it.",
      });
  }

  async #play(): Promise<void> {
    const audio = this.#audio;
    try {
      await audio?.play();
    } catch (error) {
      // A pause that came first is no error; what is one, the element tells by an event.
      if ((error as Error).name === "NotAllowedError") this.#become({ isLoading: false, isPlaying: false });
    }
  }

  #become(change: Partial<PlayerState>): void {
    this.#state = { ...this.#state, ...change };
    this.#publish();
  }

  #publish(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const player = new Player();
