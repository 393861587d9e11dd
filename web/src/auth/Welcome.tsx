import type { ReactNode } from "react";
import { FilmToWave } from "../ui/FilmToWave";
import { useFocusOnArrival } from "../ui/useFocusOnArrival";
import "./Welcome.css";

const STEPS = [
  [
    "Drop a video",
    "From your phone or computer, as large as it is. If the connection breaks, it goes on where it was.",
  ],
  ["We take out the sound", "You watch it happen. Close the page if you like: a mail tells you when it is done."],
  ["Listen, or take it along", "Play it right here, download it, or send somebody a link that expires."],
] as const;

/** What everybody sees who is not signed in: what this is, and the form that the address asks for. */
export function Welcome({ title, children }: { title: string; children: ReactNode }) {
  const heading = useFocusOnArrival<HTMLHeadingElement>(title);
  return (
    <main id="content" className="welcome">
      <div className="welcome-first">
        <section className="welcome-words" aria-label="What this is">
          <p className="welcome-claim">
            Drop a video.
            <br />
            Keep the sound.
          </p>
          <p className="welcome-about">
            Concerts, lectures, talks, your child’s first song: Mixdown turns videos into music files that play
            everywhere.
          </p>
        </section>
        <section className="welcome-form" aria-labelledby="welcome-heading">
          <h1 id="welcome-heading" ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {children}
        </section>
      </div>
      <FilmToWave />
      <ol className="welcome-steps">
        {STEPS.map(([name, about]) => (
          <li key={name}>
            <h2>{name}</h2>
            <p>{about}</p>
          </li>
        ))}
      </ol>
    </main>
  );
}
