import "./EmptyList.css";

const STEPS = [
  [
    "Find a video",
    "On a phone: press “Choose videos” and pick one from your pictures. On a computer: drag the file from its folder onto this page.",
  ],
  [
    "Watch it fill",
    "First the video travels to us, then we take out its sound. A film of an hour takes a minute or two.",
  ],
  ["Press play", "The music appears in this list. Listen to it here, or press the arrow to keep it."],
] as const;

/** For who has never uploaded anything, and may never have uploaded anything anywhere. */
export function EmptyList() {
  return (
    <section className="empty" aria-labelledby="empty-heading">
      <h2 id="empty-heading">Your music will be here</h2>
      <ol>
        {STEPS.map(([name, about]) => (
          <li key={name}>
            <h3>{name}</h3>
            <p>{about}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}
