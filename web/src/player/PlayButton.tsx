import { useSyncExternalStore } from "react";
import { Icon } from "../ui/Icon";
import { player } from "./audio";
import "./PlayButton.css";

export function usePlayer(jobId: string) {
  const state = useSyncExternalStore(player.subscribe, player.state);
  return state.jobId === jobId ? state : undefined;
}

export function PlayButton({ jobId, title }: { jobId: string; title: string }) {
  const state = usePlayer(jobId);
  const isPlaying = state?.isPlaying ?? false;
  return (
    <button
      type="button"
      className={state?.isLoading ? "play-button is-loading" : "play-button"}
      aria-label={`${isPlaying ? "Pause" : "Play"} ${title}`}
      onClick={() => void player.toggle(jobId)}
    >
      <Icon name={isPlaying ? "pause" : "play"} />
    </button>
  );
}
