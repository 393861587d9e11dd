import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { call } from "../api/client";
import { Problem } from "../api/problem";
import type { Peaks } from "../api/types";
import { clock, spokenClock } from "../ui/format";
import { onThemeChange } from "../ui/theme";
import { player } from "./audio";
import { heights } from "./peaks";
import "./Waveform.css";

const BAR = 3;
const GAP = 2;
const STEP_SECONDS = 5;
const LEAP_SECONDS = 30;

interface WaveformProps {
  jobId: string;
  title: string;
  seconds: number;
}

/** A sound as it looks, and the way to any place in it: with the pointer or with the keys of a slider. */
export function Waveform({ jobId, title, seconds }: WaveformProps) {
  const frame = useRef<HTMLDivElement>(null);
  const isNear = useIsNear(frame);
  const position = useSyncExternalStore(player.subscribe, () =>
    player.state().jobId === jobId ? player.state().seconds : 0,
  );
  const peaks = useQuery({
    queryKey: ["peaks", jobId],
    queryFn: ({ signal }) => call<Peaks>(`/jobs/${jobId}/peaks`, { signal }),
    enabled: isNear,
    staleTime: Number.POSITIVE_INFINITY,
    // A file without a waveform stays without one.
    retry: (count, error) => count < 2 && !(error instanceof Problem && error.status === 404),
  });
  const seekTo = (target: number) => void player.seek(jobId, Math.min(Math.max(0, target), Math.max(0, seconds - 0.1)));
  const onPointer = (event: PointerEvent<HTMLDivElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    seekTo(((event.clientX - left) / width) * seconds);
  };
  return (
    <div
      ref={frame}
      className="waveform"
      role="slider"
      tabIndex={0}
      aria-label={`Position in ${title}`}
      aria-valuemin={0}
      aria-valuemax={Math.round(seconds)}
      aria-valuenow={Math.round(position)}
      aria-valuetext={`${spokenClock(position)} of ${spokenClock(seconds)}`}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        onPointer(event);
      }}
      onPointerMove={(event) =>
        event.buttons === 1 && event.currentTarget.hasPointerCapture(event.pointerId) && onPointer(event)
      }
      onKeyDown={(event) => onKey(event, position, seconds, seekTo, () => void player.toggle(jobId))}
    >
      <Drawing peaks={peaks.data} ratio={seconds > 0 ? position / seconds : 0} />
      <span className="waveform-times" aria-hidden="true">
        <span>{clock(position)}</span>
        <span>{clock(seconds)}</span>
      </span>
    </div>
  );
}

function onKey(
  event: KeyboardEvent,
  position: number,
  seconds: number,
  seekTo: (target: number) => void,
  toggle: () => void,
) {
  const targets: Partial<Record<string, number>> = {
    ArrowRight: position + STEP_SECONDS,
    ArrowUp: position + STEP_SECONDS,
    ArrowLeft: position - STEP_SECONDS,
    ArrowDown: position - STEP_SECONDS,
    PageUp: position + LEAP_SECONDS,
    PageDown: position - LEAP_SECONDS,
    Home: 0,
    End: seconds,
  };
  const target = targets[event.key];
  if (target !== undefined) seekTo(target);
  else if (event.key === " " || event.key === "Enter") toggle();
  else return;
  event.preventDefault();
}

/** The bars. Peaks that are not there yet are a thin line. */
function Drawing({ peaks, ratio }: { peaks: Peaks | undefined; ratio: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = () => draw(element, peaks, ratio);
    paint();
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    const unsubscribe = onThemeChange(paint);
    return () => {
      observer.disconnect();
      unsubscribe();
    };
  }, [peaks, ratio]);
  return <canvas ref={canvas} />;
}

function draw(canvas: HTMLCanvasElement, peaks: Peaks | undefined, ratio: number): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || width === 0) return;
  const scale = devicePixelRatio || 1;
  // Setting the size clears it.
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  context.scale(scale, scale);
  // A canvas knows no variables and no `light-dark()`; the style sheet puts both colours where they are computed.
  const { color: rest, caretColor: done } = getComputedStyle(canvas);
  const count = Math.floor((width + GAP) / (BAR + GAP));
  // The bars share what is left over, so that the last one ends where the sound does.
  const step = (width - BAR) / Math.max(1, count - 1);
  const bars = peaks ? heights(peaks, count) : [];
  for (let index = 0; index < count; index += 1) {
    const size = Math.max(2, (bars[index] ?? 0) * (height - 2));
    context.fillStyle = (index + 0.5) / count <= ratio ? done : rest;
    context.beginPath();
    context.roundRect(index * step, (height - size) / 2, BAR, size, BAR / 2);
    context.fill();
  }
}

/** Whether an element has come near the visible part of the page: what nobody scrolls to is not fetched. */
function useIsNear(element: { current: Element | null }): boolean {
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (isNear || !element.current) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setNear(true),
      {
        rootMargin: "200px",
      },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [isNear, element]);
  return isNear;
}
